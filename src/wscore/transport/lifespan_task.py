"""Runs the application's lifespan, on any event loop.

`Lifespan` decides what its failures mean; this module runs the application, waits for it, and logs. Of everything an
application may raise in its lifespan, only KeyboardInterrupt, which comes from the operator, ends the server.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from .._core.asgi.failures import is_interrupt
from .._core.asgi.lifespan import Lifespan, LifespanMode, LifespanPhase
from .._core.asgi.messages import Application
from .._core.errors import StartupFailed
from .event_loop import EventLoop, Notifier
from .server_log import error_log, server_log

__all__ = ["LifespanTask"]

_LEVELS: Final = {"debug": logging.DEBUG, "warning": logging.WARNING, "error": logging.ERROR}


class LifespanTask:
    """The application's lifespan. Each step of it wakes the tasks that wait for `notifier`."""

    def __init__(self, app: Application, mode: LifespanMode, event_loop: EventLoop, notifier: Notifier) -> None:
        self._app = app
        self._lifespan = Lifespan(mode)
        self._event_loop = event_loop
        self._notifier = notifier

    @property
    def state(self) -> dict[str, Any]:
        """The lifespan state, which the application shares with its connections' scopes."""
        return self._lifespan.state

    @property
    def over(self) -> bool:
        """Whether the lifespan has ended."""
        return self._lifespan.phase is LifespanPhase.OVER

    async def start(self, spawn: Callable[[Callable[[], Awaitable[None]]], object], timeout: float | None) -> None:
        """Run the startup in a task that `spawn` creates. Raises StartupFailed with the application's own message."""
        lifespan = self._lifespan
        if lifespan.phase is LifespanPhase.STARTING:
            lifespan.begin_startup(self._event_loop.now(), timeout)
            spawn(self._run)
            while lifespan.phase is LifespanPhase.STARTING:
                await self._notifier.wait(lifespan.next_timeout())
                lifespan.handle_timeout(self._event_loop.now())
                self._log()
        if lifespan.phase is LifespanPhase.FAILED:
            raise StartupFailed(lifespan.failure) from lifespan.error

    def begin_shutdown(self) -> None:
        """Ask the application to shut down; `over` becomes True when it has."""
        self._lifespan.begin_shutdown()
        self._notifier.tell()

    def give_up(self) -> None:
        """Log that the shutdown takes too long."""
        self._lifespan.shutdown_overdue()
        self._log()

    async def _run(self) -> None:
        lifespan = self._lifespan
        try:
            answer: Any = self._app(lifespan.scope, self._receive, self._send)
            if inspect.isawaitable(answer):
                await answer
                lifespan.application_returned()
            else:
                lifespan.application_not_awaitable(answer)
        except BaseException as error:
            if is_interrupt(error):
                raise
            if not isinstance(error, Exception) and self._event_loop.cancelled():
                lifespan.application_returned()  # cancelled by the server
            else:
                lifespan.application_raised(error)
        finally:
            self._log()
            self._notifier.tell()

    async def _receive(self) -> Any:
        while (message := self._lifespan.next_message()) is None:
            await self._notifier.wait()
        return message

    async def _send(self, message: Mapping[str, Any]) -> None:
        self._lifespan.send(message)
        self._log()
        self._notifier.tell()

    def _log(self) -> None:
        entries, self._lifespan.log_entries = self._lifespan.log_entries, []
        for entry in entries:
            level = _LEVELS[entry.severity]
            log = server_log if level < logging.WARNING else error_log
            log.log(level, "lifespan: %s", entry.text, exc_info=entry.error)
