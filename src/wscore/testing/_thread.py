"""An event loop in a thread of its own, for tests that block. No wait here is without end.

anyio's `start_blocking_portal` joins its thread however long that takes; an application that blocks its event loop
would so hang the test. This one gives up, and says where the application is.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

__all__ = ["LoopThread"]

T = TypeVar("T")


class LoopThread:
    """A context manager; inside, `call` and `entered` do in the loop what they are given.

    `patience` is how many seconds the loop may take longer than what it was asked to do.
    """

    def __init__(self, backend: str, options: dict[str, Any], patience: float = 5.0) -> None:
        if backend not in ("asyncio", "trio"):
            raise ValueError(f"backend={backend!r}: expected 'asyncio' or 'trio'")
        self._portal: Future[BlockingPortal] = Future()
        self._patience = patience
        self._thread = threading.Thread(
            target=self._run, args=(backend, options), name=f"wscore.testing {backend}", daemon=True
        )

    def __enter__(self) -> Self:
        """Start the loop. Raises ImportError, or whatever anyio does, where the backend cannot run."""
        self._thread.start()
        self._portal.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the loop and cancel what still runs. TimeoutError where it is blocked, unless that was said before."""
        portal = self._portal.result()
        portal.start_task_soon(portal.stop, True)
        self._thread.join(self._patience)
        if self._thread.is_alive() and error is None:
            raise self._blocked()

    def call(self, seconds: float, function: Callable[..., Awaitable[T]], *args: object) -> T:
        """Do what takes so many seconds at most, by itself. TimeoutError where the loop is blocked meanwhile."""
        future = self._portal.result().start_task_soon(function, *args)
        self._await(seconds, future)
        return future.result()

    @contextmanager
    def entered(
        self, seconds: float, manager: Callable[[], AbstractAsyncContextManager[T]]
    ) -> Generator[T, None, None]:
        """Make an async context manager, enter and leave it, in one task; each takes so many seconds at most."""
        entered: Future[tuple[T, anyio.Event]] = Future()
        error: BaseException | None = None

        async def host() -> None:
            async with manager() as value:
                leave = anyio.Event()
                entered.set_result((value, leave))
                await leave.wait()
                if isinstance(error, Exception):  # others would end the loop
                    raise error

        portal = self._portal.result()
        hosted = portal.start_task_soon(host)
        self._await(seconds, entered, hosted)
        if hosted.done():
            hosted.result()
        value, leave = entered.result()
        try:
            yield value
        except BaseException as raised:
            error = raised
        portal.start_task_soon(leave.set)
        try:
            self._await(seconds, hosted)
            hosted.result()
        except Exception:
            if error is None or isinstance(error, Exception):
                raise
        if error is not None:
            raise error

    def _run(self, backend: str, options: dict[str, Any]) -> None:
        try:
            anyio.run(self._main, backend=backend, backend_options=options)
        except BaseException as error:
            if self._portal.done():
                raise
            self._portal.set_exception(error)

    async def _main(self) -> None:
        async with BlockingPortal() as portal:
            self._portal.set_result(portal)
            await portal.sleep_until_stopped()

    def _await(self, seconds: float, *futures: Future[Any]) -> None:
        limit = min(seconds + self._patience, threading.TIMEOUT_MAX)
        if not wait(futures, limit, FIRST_COMPLETED).done:
            raise self._blocked()

    def _blocked(self) -> TimeoutError:
        where = ""
        frame = sys._current_frames().get(self._thread.ident or 0)  # pyright: ignore[reportPrivateUsage]
        if frame is not None:
            where = ", at:\n" + "".join(traceback.format_stack(frame)[-3:])
        return TimeoutError(f"the application blocks its event loop{where}")
