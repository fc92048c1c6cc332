"""A client's connection, all but the waiting: see `_driver`."""

from __future__ import annotations

from collections.abc import Callable

from ..client import ClientConnection
from .base import Driver
from .channel import Channel

__all__ = ["ClientDriver"]


class ClientDriver(Driver[ClientConnection]):
    """A `Driver` for `ClientConnection`: keeps which pings tasks wait for, and why there is no connection.

    A further primitive: `tell`, since tasks wait for more than messages and room.
    """

    __slots__ = ()

    def __init__(self, core: ClientConnection, time: Callable[[], float], channel: Channel | None = None) -> None:
        super().__init__(core, time, channel)
        self.failure: OSError | None = None
        """Why TLS, or a proxy, did not lead to the server."""
        self.pongs: dict[bytes, float | None] = {}
        """Pings that a task waits for; how many seconds they took, once answered."""

    def tell(self) -> None:
        """Let who waits for anything but messages and room look again: the opening, a pong, the end."""
        raise NotImplementedError

    # -- a task's steps, without their waiting

    def next_message(self) -> str | bytes | None:
        """Give the next message; None: wait for one. Raises ConnectionClosed where none can come."""
        core = self.core
        message = core.next_message(now=self.time())
        if core.generation != self._generation:
            self.sync()
        if message is None:
            core.check_receive()
        return message

    def send_message(self, message: str | bytes | bytearray | memoryview) -> bool:
        """Send a message, unless it `must_wait`. True: it is so large that who sends it waits for room behind it.

        Raises as `ClientConnection.send`.
        """
        core = self.core
        before = core.output_size
        core.send(message, now=self.time())
        size = core.output_size
        self.sync()
        if size >= self._limit:
            self.flush()  # now, so that the library says how much it holds: what answers a message waits otherwise
        return size - before > self._limit and not self.writable

    @property
    def must_wait(self) -> bool:
        """What is sent now has to wait for room; not after the end, since sending then says so."""
        core = self.core
        return (not self.writable or core.output_size >= self._limit) and core.close_info is None

    @property
    def handshake_over(self) -> bool:
        """The connection is open, or never will be. Raises HandshakeFailed and its subclasses for the second.

        Where it was not the server that failed, the OSError of TLS or of the way to it.
        """
        core = self.core
        if not core.opened and not self.gone:
            return False
        if self.failure is not None:
            raise self.failure
        if not self._secured and core.close_info is not None and core.close_info.cause == "timeout":
            raise TimeoutError  # it is not the server that did not answer
        core.check_open()
        return True

    def pong(self, payload: bytes) -> float | None:
        """Give the seconds that a pong took; None: wait for it. Raises ConnectionClosed where none can come."""
        seconds = self.pongs[payload]
        if seconds is None:
            self.core.check_pong()
        return seconds

    def changed(self) -> None:
        """Take the pongs, and tell who waits."""
        for payload, seconds in self.core.pongs_received():
            if payload in self.pongs:
                self.pongs[payload] = seconds
        self.tell()

    def channel_failed(self, error: OSError) -> None:
        """Keep why."""
        if not self.core.opened:  # TLS 1.3 may refuse a client whose own handshake is over
            self.failure = error
        super().channel_failed(error)

    def lost(self, error: Exception | None = None) -> None:
        """As in `Driver`."""
        if not self.gone:
            super().lost(error)
            self.tell()
