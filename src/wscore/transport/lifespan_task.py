"""The one call of the application that lasts as long as its server, on any event loop.

What its failures mean is `Lifespan`'s affair. Here the application is run, waited for, and what there is to say logged.
Nothing that an application raises in its lifespan ends the server but KeyboardInterrupt, which is the operator's.
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
from .server_log import error_log, server_log
from .waiting import EventLoop, Notifier

__all__ = ["LifespanTask"]

_LEVELS: Final = {"debug": logging.DEBUG, "warning": logging.WARNING, "error": logging.ERROR}


class LifespanTask:
    """The application's lifespan. `notifier` tells whoever waits that it has come further."""

    def __init__(self, app: Application, mode: LifespanMode, waiting: EventLoop, notifier: Notifier) -> None:
        self._app = app
        self._lifespan = Lifespan(mode)
        self._waiting = waiting
        self._notifier = notifier

    @property
    def state(self) -> dict[str, Any]:
        """What the application has put there for its connections."""
        return self._lifespan.state

    @property
    def over(self) -> bool:
        """Nothing is awaited of it any more."""
        return self._lifespan.phase is LifespanPhase.OVER

    async def start(self, spawn: Callable[[Callable[[], Awaitable[None]]], object], timeout: float | None) -> None:
        """Let the application start, in a task that `spawn` makes. Raises StartupFailed, with its own words."""
        lifespan = self._lifespan
        if lifespan.phase is LifespanPhase.STARTING:
            lifespan.begin_startup(self._waiting.now(), timeout)
            spawn(self._run)
            while lifespan.phase is LifespanPhase.STARTING:
                await self._notifier.wait(lifespan.next_timeout())
                lifespan.handle_timeout(self._waiting.now())
                self._log()
        if lifespan.phase is LifespanPhase.FAILED:
            raise StartupFailed(lifespan.failure) from lifespan.error

    def begin_shutdown(self) -> None:
        """Ask the application to shut down; `over` says when it has."""
        self._lifespan.begin_shutdown()
        self._notifier.tell()

    def give_up(self) -> None:
        """Say that it takes too long."""
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
            if not isinstance(error, Exception) and self._waiting.cancelled():
                lifespan.application_returned()  # by our doing; nothing more will come
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
