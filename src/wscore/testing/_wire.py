"""Both ends of one connection, joined in memory: real bytes, no socket.

What a transport does for one end, this does for both, and no more: it passes on what there is to write, as far as the
other end wants to read, heeds `closing`, and keeps the time. It waits for nobody but the clock.
"""

from __future__ import annotations

import math

import anyio

from wscore import ClientConnection, Closing, ServerConnection

__all__ = ["Wire"]


class _Side:
    """One end, and what its socket would have seen."""

    def __init__(self, connection: ClientConnection | ServerConnection) -> None:
        self.connection = connection
        self.write_ended = False
        self.read_ended = False
        self.gone = False  # the socket is closed

    def disappears(self, now: float) -> None:
        self.write_ended = self.gone = True
        self.connection.connection_lost(now=now)


class Wire:
    """A client and a server. After any input to either call `carry`; to wait for anything at all, `change`."""

    def __init__(self, client: ClientConnection, server: ServerConnection) -> None:
        self.client = client
        self.server = server
        self._sides = _Side(client), _Side(server)
        self._changed = anyio.Event()
        self._revisions = (-1, -1)

    def carry(self) -> None:
        """Let arrive whatever is on its way, and wake who waits for a change where there was one."""
        now = anyio.current_time()
        client, server = self._sides
        moved = False
        while _passes(client, server, now) | _passes(server, client, now):
            moved = True
        revisions = self.client.revision, self.server.revision
        if moved or revisions != self._revisions:
            self._revisions = revisions
            self._changed.set()
            self._changed = anyio.Event()

    async def change(self) -> None:
        """Wait until something has changed at either end."""
        await self._changed.wait()

    async def keep_time(self) -> None:
        """Do what is due at either end, until cancelled."""
        while True:
            deadlines = [due for side in self._sides if (due := side.connection.next_timeout()) is not None]
            with anyio.CancelScope(deadline=min(deadlines, default=math.inf)):
                await self.change()
            now = anyio.current_time()
            for side in self._sides:
                side.connection.handle_timeout(now=now)
            self.carry()


def _passes(sender: _Side, receiver: _Side, now: float) -> bool:
    """Pass on bytes, and the end of the stream behind them. False: there is nothing to pass on now."""
    moved = False
    core = sender.connection
    if not sender.gone and core.output_size:
        if receiver.gone:
            sender.disappears(now)  # as the system says to who writes to a socket that was closed
            return True
        if receiver.connection.wants_read:
            receiver.connection.receive_data(core.data_to_send(), now=now)
            moved = True
    if not sender.gone:
        if core.closing is Closing.NOW:
            sender.disappears(now)
            moved = True
        elif core.closing is Closing.AFTER_FLUSH and not core.output_size:
            sender.write_ended = True
            if sender.read_ended:
                sender.disappears(now)
                moved = True
    if sender.write_ended and not receiver.read_ended and not receiver.gone and receiver.connection.wants_read:
        receiver.read_ended = True
        receiver.connection.receive_eof(now=now)
        moved = True
    return moved
