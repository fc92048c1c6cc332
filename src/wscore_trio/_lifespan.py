"""The application's lifespan on trio: its task, and the waiting for what it says."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import trio

from wscore import Application, Lifespan, LifespanMode, LifespanPhase, StartupFailed

__all__ = ["LifespanTask"]

error_log = logging.getLogger("wscore.error")


class LifespanTask:
    """The one call of the application that lasts as long as the server."""

    def __init__(self, app: Application, mode: LifespanMode) -> None:
        self._app = app
        self._lifespan = Lifespan(mode)
        self._news = trio.Event()

    @property
    def state(self) -> dict[str, Any]:
        """What the application has put there for its connections."""
        return self._lifespan.state

    @property
    def failed(self) -> bool:
        """The application does not want to start."""
        return self._lifespan.phase is LifespanPhase.FAILED

    def check(self) -> None:
        """Raise StartupFailed if it has failed."""
        if self.failed:
            raise StartupFailed(self._lifespan.failure)

    async def start(self, nursery: trio.Nursery, timeout: float | None) -> None:
        """Let the application start; afterwards it is ready, or has failed."""
        lifespan = self._lifespan
        if lifespan.phase is LifespanPhase.STARTING:
            nursery.start_soon(self._run)
            with trio.CancelScope() as scope:
                if timeout is not None:
                    scope.deadline = trio.current_time() + timeout
                await self._leaves(LifespanPhase.STARTING)
            if scope.cancelled_caught and timeout is not None:
                lifespan.startup_overdue(timeout)

    async def stop(self, last: float) -> None:
        """Let the application shut down, until `last` at most."""
        self._lifespan.begin_shutdown()
        self._news.set()
        with trio.move_on_at(last) as scope:
            await self._leaves(LifespanPhase.STOPPING)
        if scope.cancelled_caught:
            error_log.error("lifespan: the application's shutdown took too long")
        elif self._lifespan.failure:
            error_log.error("lifespan: %s", self._lifespan.failure)

    async def _leaves(self, phase: LifespanPhase) -> None:
        while self._lifespan.phase is phase:
            await self._changes()

    async def _changes(self) -> None:
        if self._news.is_set():
            self._news = trio.Event()
        await self._news.wait()

    async def _run(self) -> None:
        lifespan = self._lifespan

        async def receive() -> Any:
            while (message := lifespan.next_message()) is None:
                await self._changes()
            return message

        async def send(message: Mapping[str, Any]) -> None:
            await trio.lowlevel.checkpoint_if_cancelled()
            lifespan.send(message)
            self._news.set()

        try:
            await self._app(lifespan.scope, receive, send)
        except Exception as error:
            error_log.debug("the application raised in its lifespan", exc_info=error)
            lifespan.application_raised(error)
        else:
            lifespan.application_returned()
        finally:
            self._news.set()
