"""An event loop in a separate thread, for tests that block. Every wait here has a limit.

anyio's blocking portal waits for the event loop without a limit, to start a task as well as to stop: an application
that blocks its event loop would hang the test. This one gives up, and reports where the application is.
"""

from __future__ import annotations

import contextvars
import importlib
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import anyio.lowlevel

__all__ = ["LoopThread"]

T = TypeVar("T")


class LoopThread:
    """A context manager that runs an event loop; inside it, `call` and `entered` run code in that loop.

    Args:
        backend: "asyncio" or "trio".
        options: Options that `anyio.run` passes to the backend.
        patience: Seconds that the loop may take in addition to each call's own limit. Once that is exceeded, later
            calls do not wait any more.

    Raises:
        ValueError: Another backend.
        ImportError: The backend is not installed.
    """

    def __init__(self, backend: str, options: dict[str, Any], patience: float = 5.0) -> None:
        if backend not in ("asyncio", "trio"):
            raise ValueError(f"backend={backend!r}: expected 'asyncio' or 'trio'")
        try:
            importlib.import_module(backend)
        except ImportError as error:
            raise ImportError(f"backend={backend!r} needs {backend}: pip install 'wscore[{backend}]'") from error
        self._started: Future[Callable[..., object]] = Future()  # schedules a function in the loop
        self._patience = patience
        self._given_up = False
        self._thread = threading.Thread(
            target=self._run, args=(backend, options), name=f"wscore.testing {backend}", daemon=True
        )

    def __enter__(self) -> Self:
        """Start the loop. Raises whatever the backend raises if it cannot run."""
        self._thread.start()
        self._started.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the loop and cancel its tasks. Raises TimeoutError if it is blocked and the block raised nothing."""
        self._soon(self._end.set)
        self._thread.join(0 if self._given_up else self._patience)
        if self._thread.is_alive() and error is None:
            raise self._blocked()

    def call(self, seconds: float, function: Callable[..., Awaitable[T]], *args: object) -> T:
        """Run `function`, which limits itself to `seconds`. Raises TimeoutError if the loop is blocked."""
        future = self._begin(function, *args)
        self._await(seconds, future)
        return future.result()

    @contextmanager
    def entered(
        self, seconds: float, manager: Callable[[], AbstractAsyncContextManager[T]]
    ) -> Generator[T, None, None]:
        """Create, enter and leave an async context manager in one task. Entering and leaving have `seconds` each."""
        entered: Future[tuple[T, anyio.Event]] = Future()
        error: BaseException | None = None

        async def host() -> None:
            async with manager() as value:
                leave = anyio.Event()
                entered.set_result((value, leave))
                await leave.wait()
                if isinstance(error, Exception):  # not a GeneratorExit: leaving still has to wait
                    raise error

        hosted = self._begin(host)
        self._await(seconds, entered, hosted)
        if hosted.done():
            hosted.result()
        value, leave = entered.result()
        try:
            yield value
        except BaseException as raised:
            error = raised
        self._soon(leave.set)
        try:
            self._await(seconds, hosted)
            hosted.result()
        except Exception:
            if error is None or isinstance(error, Exception):
                raise
        if error is not None:
            raise error

    def _begin(self, function: Callable[..., Awaitable[T]], *args: object) -> Future[T]:
        """Start `function` in the loop. Whatever it raises goes to the future, even if it would end the loop."""
        if not self._thread.is_alive():
            raise RuntimeError("the client was left: its event loop has ended")
        future: Future[T] = Future()

        async def run() -> None:
            try:
                future.set_result(await function(*args))
            except BaseException as error:
                future.set_exception(error)
                if isinstance(error, anyio.get_cancelled_exc_class()):
                    raise

        self._soon(self._tasks.start_soon, run)
        return future

    def _run(self, backend: str, options: dict[str, Any]) -> None:
        try:
            anyio.run(self._main, backend=backend, backend_options=options)
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _main(self) -> None:
        # Not anyio's way of calling into a loop, which waits without a limit until the loop responds.
        loop: Any = anyio.lowlevel.current_token().native_token
        soon = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
        self._end = anyio.Event()
        async with anyio.create_task_group() as self._tasks:
            self._started.set_result(partial(soon, contextvars.copy_context().run))
            await self._end.wait()
            self._tasks.cancel_scope.cancel()

    def _soon(self, function: Callable[..., object], *args: object) -> None:
        self._started.result()(function, *args)

    def _await(self, seconds: float, *futures: Future[Any]) -> None:
        limit = 0 if self._given_up else min(seconds + self._patience, threading.TIMEOUT_MAX)
        if not wait(futures, limit, FIRST_COMPLETED).done:
            self._given_up = True
            raise self._blocked()

    def _blocked(self) -> TimeoutError:
        where = ""
        frame = sys._current_frames().get(self._thread.ident or 0)  # pyright: ignore[reportPrivateUsage]
        if frame is not None:
            where = ", at:\n" + "".join(traceback.format_stack(frame)[-3:])
        return TimeoutError(f"the application blocks its event loop, or does not end when cancelled{where}")
