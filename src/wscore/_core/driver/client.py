"""The driver of a client's connection: see `driver.base`."""

from __future__ import annotations

from collections.abc import Callable

from ..client import ClientConnection
from .base import Driver
from .channel import Channel

__all__ = ["ClientDriver"]


class ClientDriver(Driver[ClientConnection]):
    """A `Driver` for `ClientConnection`: also keeps the pings that tasks wait for, and why there is no connection.

    One more primitive: `tell`, since tasks wait for more than messages and room.
    """

    __slots__ = ()

    def __init__(self, core: ClientConnection, time: Callable[[], float], channel: Channel | None = None) -> None:
        super().__init__(core, time, channel)
        self.failure: OSError | None = None
        """Why the server could not be reached through TLS, or a proxy."""
        self.pongs: dict[bytes, float | None] = {}
        """The pings that tasks wait for, with the round trip in seconds once answered."""

    def tell(self) -> None:
        """Wake the tasks that wait for anything but messages and room: the opening, a pong, the end."""
        raise NotImplementedError

    # -- a task's steps, without the waiting

    def next_message(self) -> str | bytes | None:
        """Return the next message, or None if the task has to wait for one.

        Raises:
            ConnectionClosed: No message can come any more.
        """
        core = self.core
        message = core.next_message(now=self.time())
        if core.generation != self._generation:
            self.sync()
        if message is None:
            core.check_receive()
        return message

    def send_message(self, message: str | bytes | bytearray | memoryview) -> bool:
        """Send a message; check `must_wait` first.

        Returns:
            Whether the message is so large that the sender should wait for room after it.

        Raises:
            InvalidMessage, LocalProtocolError, ConnectionClosed: As `ClientConnection.send`.
        """
        core = self.core
        before = core.output_size
        core.send(message, now=self.time())
        size = core.output_size
        self.sync()
        if size >= self._limit:
            self.flush()  # now, so that the library reports how much it holds: replies would wait otherwise
        return size - before > self._limit and not self.writable

    @property
    def must_wait(self) -> bool:
        """Whether a message has to wait for room before it is sent; False after the end, where sending raises."""
        core = self.core
        return (not self.writable or core.output_size >= self._limit) and core.close_info is None

    @property
    def handshake_over(self) -> bool:
        """Whether the handshake is over, that is, the connection is open.

        Raises:
            HandshakeFailed: The connection will never be open; includes its subclasses.
            OSError: Likewise, if TLS or a proxy failed rather than the server.
        """
        core = self.core
        if not core.opened and not self.gone:
            return False
        if self.failure is not None:
            raise self.failure
        if not self._secured and core.close_info is not None and core.close_info.cause == "timeout":
            raise TimeoutError  # TLS or the proxy did not answer, not the server
        core.check_open()
        return True

    def pong(self, payload: bytes) -> float | None:
        """Return the round trip of an answered ping in seconds, or None if the task has to wait for its pong.

        Raises:
            ConnectionClosed: No pong can come any more.
        """
        seconds = self.pongs[payload]
        if seconds is None:
            self.core.check_pong()
        return seconds

    def changed(self) -> None:
        """Collect the pongs, and wake the waiting tasks."""
        for payload, seconds in self.core.pongs_received():
            if payload in self.pongs:
                self.pongs[payload] = seconds
        self.tell()

    def channel_failed(self, error: OSError) -> None:
        """Keep the error, if the connection is not open yet."""
        if not self.core.opened:  # in TLS 1.3 a server may refuse a client whose own handshake is over
            self.failure = error
        super().channel_failed(error)

    def lost(self, error: Exception | None = None) -> None:
        """As in `Driver`."""
        if not self.gone:
            super().lost(error)
            self.tell()
