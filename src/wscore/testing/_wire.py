"""Both ends of one connection, joined in memory: real bytes, no socket.

`MemoryLink` passes the bytes that one end has written to the other while that reads, and handles deadlines.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
import anyio.lowlevel

from wscore import (
    AccessRecord,
    ClientConnection,
    PreparedMessage,
    ReceivedMessage,
    Scope,
    ServerConnection,
    ServerDriver,
)

from ._end import MemoryClientEnd, MemoryEnd

__all__ = ["MemoryLink"]


class Client(MemoryClientEnd):
    """A client's end. All waiting is for the link's `change`."""

    def __init__(self, core: ClientConnection, wire: MemoryLink) -> None:
        super().__init__(core, anyio.current_time)
        self._wire = wire

    def set_deadline(self, at: float | None) -> None:
        """As in `Driver`."""
        super().set_deadline(at)
        self._wire.look_by(at)

    def wake(self) -> None:
        """As in `Driver`."""
        self._wire.changed()

    def wake_senders(self) -> None:
        """As in `Driver`."""
        self._wire.changed()

    def tell(self) -> None:
        """As in `ClientDriver`."""
        self._wire.changed()


class Server(MemoryEnd[ServerConnection], ServerDriver):
    """A server's end. The code that created the link calls the application, with `receive` and `send`."""

    doing = "is at work"
    """What the application is doing, for error messages."""

    def __init__(self, core: ServerConnection, wire: MemoryLink) -> None:
        super().__init__(core, anyio.current_time)
        self._wire = wire

    def set_deadline(self, at: float | None) -> None:
        """As in `Driver`."""
        super().set_deadline(at)
        self._wire.look_by(at)

    def wake(self) -> None:
        """As in `Driver`."""
        self._wire.changed()

    def wake_senders(self) -> None:
        """As in `Driver`."""
        self._wire.changed()

    def start_application(self, scope: Scope) -> None:
        """As in `ServerDriver`. Does nothing: the code that created the link checks `scope`."""

    async def receive(self) -> ReceivedMessage:
        """As in `ServerDriver`."""
        await anyio.lowlevel.checkpoint()
        message = await super().receive()
        self._wire.carry()
        return message

    async def send(self, message: Mapping[str, Any]) -> None:
        """As in `ServerDriver`."""
        await anyio.lowlevel.checkpoint()
        await super().send(message)
        self._wire.carry()

    async def wait_for_message(self) -> None:
        """As in `ServerDriver`."""
        self._wire.carry()
        if not self.core.has_message:
            await self._change("waits in receive()")

    async def wait_for_room(self) -> None:
        """As in `ServerDriver`."""
        self._wire.carry()
        if not self.writable:
            await self._change("waits in send(), until the test receives")

    async def yield_control(self) -> None:
        """As in `ServerDriver`. No need to yield here: `receive` and `send` always do."""
        self.begin_turn()

    def send_nowait(self, message: PreparedMessage) -> bool:
        """As in `ServerDriver`."""
        posted = super().send_nowait(message)
        self._wire.carry()
        return posted

    def over(self) -> None:
        """As in `ServerDriver`. Nothing waits for it."""

    def log_access(self, record: AccessRecord) -> None:
        """As in `ServerDriver`. Not logged in a test."""

    def log_notice(self, text: str) -> None:
        """As in `ServerDriver`. Not logged in a test."""

    def log_failure(self, text: str, error: BaseException | None) -> None:
        """As in `ServerDriver`. Not logged: `AppRunner.failure` has it."""

    async def _change(self, doing: str) -> None:
        self.doing = doing
        try:
            await self._wire.change()
        finally:
            del self.doing


class MemoryLink:
    """A client and a server. Call `carry` after any input to either core, and `change` to wait for anything."""

    def __init__(self, client: ClientConnection, server: ServerConnection) -> None:
        self.client = client
        self.server = server
        self._change = anyio.Event()
        self._patience: anyio.CancelScope | None = None
        self.client_end = Client(client, self)
        self.server_end = Server(server, self)
        self._ends: tuple[MemoryEnd[Any], MemoryEnd[Any]] = self.client_end, self.server_end
        for end, other in (self._ends, self._ends[::-1]):
            end.join(other)
        for end in self._ends:
            end.start()

    def carry(self) -> None:
        """Deliver everything that is in transit."""
        moved = True
        while moved:
            for end in self._ends:
                end.sync()
            moved = False
            for end in self._ends:
                moved |= end.take_bytes() or end.take_end() or end.hear_of_reset()

    async def change(self) -> None:
        """Wait until something changes at either end."""
        await self._change.wait()

    def changed(self) -> None:
        """Wake the tasks that wait for a change."""
        self._change.set()
        self._change = anyio.Event()

    async def keep_time(self) -> None:
        """Handle the deadlines of both ends, until cancelled."""
        while True:
            with anyio.CancelScope() as self._patience:
                self.look_by(min((end.due for end in self._ends if end.due is not None), default=None))
                await anyio.sleep_forever()
            for end in self._ends:
                if end.due is not None and end.due <= anyio.current_time():
                    end.time_out()
            self.carry()

    def look_by(self, at: float | None) -> None:
        """Let `keep_time` look at the clock at the time `at` or earlier."""
        if self._patience is not None and at is not None:
            self._patience.deadline = min(self._patience.deadline, at)
