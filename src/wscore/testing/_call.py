"""Runs the application of one in-memory connection and records how it ended.

A failure is not logged, as a server would do, but kept in `failure` for the test.
"""

from __future__ import annotations

from typing import Any

import anyio

from wscore import Application, caused_by_disconnect

from ._wire import MemoryLink

__all__ = ["AppRunner"]


class AppRunner:
    """The application of one connection; `run` is its task."""

    def __init__(self, app: Application, wire: MemoryLink) -> None:
        self.failure: BaseException | None = None
        """What the application raised, unless that was only the consequence of the client's disconnect."""
        self.over = anyio.Event()
        self._app = app
        self._wire = wire
        self._runs = False

    @property
    def doing(self) -> str:
        """What the application is doing, for error messages."""
        if self.over.is_set():
            return "has returned" if self.failure is None else f"has raised {type(self.failure).__name__}"
        return self._wire.server_end.doing if self._runs else "has not been called"

    async def run(self) -> None:
        """Call the application, and report its end to the server's core."""
        end = self._wire.server_end
        raised: BaseException | None = None
        self._runs = True
        try:
            await self._app(end.core.scope, end.receive, end.send)
        except BaseException as error:
            raised = error
            if not isinstance(error, Exception) and anyio.get_current_task().has_pending_cancellation():
                raise
            if isinstance(error, anyio.get_cancelled_exc_class()):
                self.failure = RuntimeError("the application was cancelled, and not by the test")
                self.failure.__cause__ = error
            elif end.core.close_info is None or not _says_disconnect(error):
                self.failure = error
        finally:
            if raised is None:
                end.application_returned()
            else:
                end.application_raised(raised)
            self._wire.carry()
            self.over.set()


def _says_disconnect(error: BaseException) -> bool:
    """Return whether an application failed only because its client disconnected.

    Each framework has its own `WebSocketDisconnect`, without a common base class, and many applications let it escape.
    """
    group: Any = error
    if isinstance(error, BaseExceptionGroup):
        return all(map(_says_disconnect, group.exceptions))
    return caused_by_disconnect(error) or "WebSocketDisconnect" in {kind.__name__ for kind in type(error).__mro__}
