"""Runs the lifespan of an application under test."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel

from wscore import Application, Lifespan, LifespanPhase, StartupFailed

__all__ = ["lifespan_manager"]


@asynccontextmanager
async def lifespan_manager(app: Application, timeout: float) -> AsyncGenerator[dict[str, Any], None]:
    """Run the lifespan startup, yield the state, and run the shutdown. An application without lifespan is accepted.

    Raises what the application raises; StartupFailed or RuntimeError if it only reports that startup or shutdown
    failed; TimeoutError if either takes longer than `timeout` seconds.
    """
    task = _Task(app)
    error: BaseException | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(task.run)
        try:
            await task.leaves(LifespanPhase.STARTING, "startup", timeout)
            await task.check(StartupFailed, timeout)
            yield task.lifespan.state
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as raised:  # not raised through the task group, which would wrap it
            error = raised
        try:
            task.lifespan.begin_shutdown()
            task.tell()
            await task.leaves(LifespanPhase.STOPPING, "shutdown", timeout)
            if error is None:
                await task.check(RuntimeError, timeout)
        except Exception as raised:
            error = error or raised
        tasks.cancel_scope.cancel()
    if error is not None:
        raise error


class _Task:
    """The lifespan's call of the application, which lasts as long as the client."""

    def __init__(self, app: Application) -> None:
        self.lifespan = Lifespan("auto")
        self._app = app
        self._raised: BaseException | None = None
        self._over = False  # or waits for a message that never comes
        self._news = anyio.Event()

    async def run(self) -> None:
        try:
            await self._app(self.lifespan.scope, self._receive, self._send)
        except BaseException as error:
            if not isinstance(error, Exception) and anyio.get_current_task().has_pending_cancellation():
                raise
            self._raised = error
            self.lifespan.application_raised(error)
        else:
            self.lifespan.application_returned()
        finally:
            self._over = True
            self.tell()

    def tell(self) -> None:
        """Wake the tasks that wait for a change."""
        self._news.set()
        self._news = anyio.Event()

    async def leaves(self, phase: LifespanPhase, name: str, timeout: float) -> None:
        with anyio.move_on_after(timeout):
            while self.lifespan.phase is phase:
                await self._news.wait()
            return
        raise TimeoutError(f"the application's {name} took longer than {timeout:g} s")

    async def check(self, kind: type[Exception], timeout: float) -> None:
        """Raise if the application failed: preferably what it raised, which may follow its failure message."""
        if self.lifespan.failure or not isinstance(self._raised, Exception | None):
            with anyio.move_on_after(timeout):
                while not self._over:
                    await self._news.wait()
            raise self._raised or kind(self.lifespan.failure)

    async def _receive(self) -> Any:
        await anyio.lowlevel.checkpoint()
        while (message := self.lifespan.next_message()) is None:
            if self.lifespan.phase is LifespanPhase.FAILED:
                self._over = True
                self.tell()
            await self._news.wait()
        return message

    async def _send(self, message: Mapping[str, Any]) -> None:
        await anyio.lowlevel.checkpoint()
        self.lifespan.send(message)
        self.tell()
