"""One call of an application, around the server's end of a connection in memory: its receive, its send, its end.

An application that fails is not logged, as a server would: `failure` keeps what it raised, for the test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
import anyio.lowlevel

from wscore import Application, caused_by_disconnect

from ._wire import Wire

__all__ = ["Driver"]


class Driver:
    """The application of one connection; `run` is its task."""

    def __init__(self, app: Application, wire: Wire) -> None:
        self.failure: BaseException | None = None
        """What the application raised, the news that its client left excepted."""
        self.doing = "has not been called"
        """What the application does, in words."""
        self.over = anyio.Event()
        self._app = app
        self._wire = wire

    async def run(self) -> None:
        """Call the application, and tell its end."""
        server = self._wire.server
        ended = server.application_raised
        self.doing = "is at work"
        try:
            await self._app(server.scope, self._receive, self._send)
            ended = server.application_returned
        except BaseException as error:
            if not isinstance(error, Exception) and anyio.get_current_task().has_pending_cancellation():
                raise
            if isinstance(error, anyio.get_cancelled_exc_class()):
                self.failure = RuntimeError("the application was cancelled, and not by the test")
                self.failure.__cause__ = error
            elif server.close_info is None or not _says_disconnect(error):
                self.failure = error
        finally:
            self.doing = "has returned" if self.failure is None else f"has raised {type(self.failure).__name__}"
            ended(now=anyio.current_time())
            self._wire.carry()
            self.over.set()

    async def _receive(self) -> Any:
        await anyio.lowlevel.checkpoint()
        server = self._wire.server
        while (message := server.next_message(now=anyio.current_time())) is None:
            server.expect_message()
            await self._change("waits in receive()")
        self._wire.carry()
        return message

    async def _send(self, message: Mapping[str, Any]) -> None:
        await anyio.lowlevel.checkpoint()
        server = self._wire.server
        server.send(message, now=anyio.current_time())
        self._wire.carry()
        if server.output_full:
            while server.output_full:
                await self._change("waits in send(), until the test receives")
            server.expect_delivery()

    async def _change(self, doing: str) -> None:
        self.doing = doing
        try:
            await self._wire.change()
        finally:
            self.doing = "is at work"


def _says_disconnect(error: BaseException) -> bool:
    """Tell whether an application failed merely because its client left.

    Frameworks have a `WebSocketDisconnect` each, of no common class, which many applications let out.
    """
    group: Any = error
    if isinstance(error, BaseExceptionGroup):
        return all(map(_says_disconnect, group.exceptions))
    return caused_by_disconnect(error) or "WebSocketDisconnect" in {kind.__name__ for kind in type(error).__mro__}
