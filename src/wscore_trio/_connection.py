"""One connection on trio: a nursery around the core.

Three tasks share the core: one reads and keeps the time, one writes, one is the application. Each feeds the core an
input and then calls `_pump`, which wakes whom the core's outputs concern. Nothing is decided here: what a connection
is, what may be sent and how long anything takes are the core's affair.

The application never touches the socket, so cancelling it at any moment leaves no half of a frame on the wire.
"""

from __future__ import annotations

import logging
import math
from typing import Any, cast

import trio

from wscore import (
    Application,
    Closing,
    Config,
    Peer,
    Prepared,
    ServerConnection,
    TLSObject,
    caused_by_disconnect,
    tls_extension,
)

__all__ = ["Connection", "Stream"]

access_log = logging.getLogger("wscore.access")
error_log = logging.getLogger("wscore.error")

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]

_MESSAGES_A_TURN = 32  # messages that an application takes and sends without giving way to other tasks


class Connection:
    """A connection and its application; `run` serves it to its end."""

    def __init__(
        self,
        stream: Stream,
        app: Application,
        config: Config,
        *,
        state: dict[str, Any],
        accepted_at: float,
        turn_away: bool,
        log_access: bool,
    ) -> None:
        self._stream = stream
        self._app = app
        self._can_half_close = isinstance(stream, trio.SocketStream)  # under TLS one side cannot end alone
        socket = stream.socket if isinstance(stream, trio.SocketStream) else stream.transport_stream.socket
        tls = None if isinstance(stream, trio.SocketStream) else tls_extension(cast("TLSObject", stream))
        peer = Peer.of(_name(socket.getpeername), _name(socket.getsockname), tls)
        self._core = ServerConnection(config, peer=peer, now=accepted_at, state=state, access_log=log_access)
        if turn_away:
            self._core.turn_away(now=trio.current_time())
        self._application = trio.CancelScope()
        self._started = False
        self._network = trio.CancelScope()  # around reading and writing
        self._next_timeout = trio.CancelScope()  # around what the reader waits for
        self._may_read = trio.Event()
        self._may_write = trio.Event()
        self._message = trio.Event()
        self._room = trio.Event()
        self._eof = False
        self._revision = -1  # the core's outputs have not been looked at
        self._since_yield = 0

    async def run(self) -> None:
        """Serve the connection until the socket is closed and the application has ended."""
        async with trio.open_nursery() as self._nursery:
            try:
                with self._network:
                    async with trio.open_nursery() as network:
                        network.start_soon(self._read)
                        network.start_soon(self._write)
                        self._pump()
            finally:
                # Nothing comes or goes any more, but the application may still have messages to take.
                self._lose()
                await trio.aclose_forcefully(self._stream)

    def begin_shutdown(self) -> None:
        """Ask the connection to end."""
        self._core.begin_shutdown(now=trio.current_time())
        self._pump()

    def cancel(self) -> None:
        """Cancel the application, if it still runs."""
        self._application.cancel()

    # -- the tasks

    async def _read(self) -> None:
        """Read while the core wants to, and keep its time: what has arrived comes before what is overdue."""
        core = self._core
        while core.closing is not Closing.NOW:
            deadline = core.next_timeout()
            with trio.CancelScope(deadline=math.inf if deadline is None else deadline) as self._next_timeout:
                if not core.wants_read:
                    self._may_read = trio.Event()
                    await self._may_read.wait()
                while core.wants_read:  # one scope for many reads: `_agree` moves its deadline
                    try:
                        data = await self._stream.receive_some()
                    except (trio.BrokenResourceError, trio.ClosedResourceError):
                        return self._lose()
                    if data:
                        core.receive_data(data, now=trio.current_time())
                    else:
                        self._eof = True
                        core.receive_eof(now=trio.current_time())
                    self._pump()
            if self._next_timeout.cancelled_caught:
                core.handle_timeout(now=trio.current_time())
                self._pump()
        return None

    async def _write(self) -> None:
        """Write what has gathered since the last time in one piece; then end our side, if that is due."""
        core = self._core
        ended = False
        try:
            while True:
                if core.output_size:
                    await self._stream.send_all(core.data_to_send())
                    self._room.set()
                elif core.closing is Closing.AFTER_FLUSH and (
                    self._eof or not isinstance(self._stream, trio.SocketStream)
                ):
                    # Under TLS one side cannot end alone.
                    await self._stream.aclose()
                    return self._lose()
                elif core.closing is Closing.AFTER_FLUSH and not ended:
                    ended = True
                    await self._stream.send_eof()
                else:
                    self._may_write = trio.Event()
                    await self._may_write.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return self._lose()

    async def _run_application(self) -> None:
        core = self._core
        ended = core.application_raised
        try:
            with self._application:
                await self._app(core.scope, self._receive, self._send)
                ended = core.application_returned
        except* Exception as group:
            error = group.exceptions[0] if len(group.exceptions) == 1 else group
            if not caused_by_disconnect(error):
                error_log.error("the application failed on %r", core, exc_info=error)
        finally:
            ended(now=trio.current_time())
            self._pump()

    # -- the application's side

    async def _receive(self) -> Any:
        await self._checkpoint()  # before a message is taken, so that cancelling loses none
        core = self._core
        while (message := core.next_message(now=trio.current_time())) is None:
            core.expect_message()
            if self._message.is_set():  # a second receiver waits for the same event
                self._message = trio.Event()
            await self._message.wait()
            self._since_yield = 0
        self._pump()
        return message

    async def _send(self, message: Any) -> None:
        await self._checkpoint()
        core = self._core
        core.send(message, now=trio.current_time())
        self._pump()
        while core.output_full:
            if self._room.is_set():
                self._room = trio.Event()
            await self._room.wait()
            self._since_yield = 0
            core.expect_delivery()

    def _post(self, message: Prepared) -> bool:
        """Write what is sent to many connections, soon: False where it would have to wait."""
        if not self._core.post(message):
            return False
        self._pump()
        return True

    async def _checkpoint(self) -> None:
        """Heed a cancellation at every call, and give way to others now and then: that is what costs."""
        self._since_yield += 1
        if self._since_yield > _MESSAGES_A_TURN:
            self._since_yield = 0
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()

    # -- making the world agree with the core

    def _pump(self) -> None:
        """Pass on messages and bytes, which is all that there is to do for most inputs."""
        core = self._core
        if core.has_message:
            self._message.set()
        if core.output_size:
            self._may_write.set()
        if core.revision != self._revision:
            self._agree()

    def _agree(self) -> None:
        """See to all the other outputs; they change seldom."""
        core = self._core
        self._revision = core.revision
        if core.scope is not None and not self._started:
            self._started = True
            core.scope["extensions"]["wscore.post"] = {"post": self._post}
            self._nursery.start_soon(self._run_application)
        if core.access_lines:
            self._write_access_log()
        if core.closing is not Closing.NO:
            self._may_write.set()
        if core.wants_read:
            self._may_read.set()
        deadline = core.next_timeout()
        if deadline is not None and deadline < self._next_timeout.deadline:
            self._next_timeout.deadline = deadline
        if core.closing is Closing.NOW:
            self._room.set()
            self._network.cancel()

    def _lose(self) -> None:
        self._core.connection_lost(now=trio.current_time())
        self._pump()

    def _write_access_log(self) -> None:
        lines, self._core.access_lines = self._core.access_lines, []
        for line in lines:
            access_log.info(line)


def _name(ask: Any) -> Any:
    """Ask a socket for a name; one whose client has gone already has none."""
    try:
        return ask()
    except OSError:
        return None
