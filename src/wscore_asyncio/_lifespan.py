"""The application's lifespan on asyncio: its task, and the waiting for what it says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from wscore import Application, Lifespan, LifespanMode, LifespanPhase, StartupFailed

__all__ = ["LifespanTask"]

error_log = logging.getLogger("wscore.error")


class LifespanTask:
    """The one call of the application that lasts as long as the server."""

    def __init__(self, app: Application, mode: LifespanMode) -> None:
        self._app = app
        self._lifespan = Lifespan(mode)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> dict[str, Any]:
        """What the application has put there for its connections."""
        return self._lifespan.state

    async def start(self, timeout: float | None) -> None:
        """Let the application start. Raises StartupFailed."""
        lifespan = self._lifespan
        if lifespan.phase is LifespanPhase.STARTING:
            self._task = asyncio.create_task(self._run())
            try:
                async with asyncio.timeout(timeout):
                    await self._leaves(LifespanPhase.STARTING)
            except TimeoutError:
                assert timeout is not None
                lifespan.startup_overdue(timeout)
        if lifespan.phase is LifespanPhase.FAILED:
            raise StartupFailed(lifespan.failure)

    async def stop(self, last: float) -> None:
        """Let the application shut down, until `last` at most."""
        self._lifespan.begin_shutdown()
        self._news.set()
        try:
            async with asyncio.timeout_at(last):
                await self._leaves(LifespanPhase.STOPPING)
        except TimeoutError:
            error_log.error("lifespan: the application's shutdown took too long")
        else:
            if self._lifespan.failure:
                error_log.error("lifespan: %s", self._lifespan.failure)

    def cancel(self) -> None:
        """End it at once."""
        if self._task is not None:
            self._task.cancel()

    async def _leaves(self, phase: LifespanPhase) -> None:
        while self._lifespan.phase is phase:
            await self._changes()

    async def _changes(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _run(self) -> None:
        lifespan = self._lifespan

        async def receive() -> Any:
            while (message := lifespan.next_message()) is None:
                await self._changes()
            return message

        async def send(message: Mapping[str, Any]) -> None:
            lifespan.send(message)
            self._news.set()

        try:
            await self._app(lifespan.scope, receive, send)
        except Exception as error:
            error_log.debug("the application raised in its lifespan", exc_info=error)
            lifespan.application_raised(error)
        finally:
            lifespan.application_returned()  # cancelled, too: nothing more will come
            self._news.set()
