"""seldom's WebSocketClient: a connection in a thread, for blocking tests."""

from __future__ import annotations

import os
import ssl as ssl_module
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from wscore import (
    ClientConnection,
    CloseCode,
    Config,
    ConnectionClosed,
    HandshakeFailed,
    InvalidMessage,
    LocalProtocolError,
)
from wscore.transport.connecting import Destination

from ._case import log
from ._connection import Connection

__all__ = ["WebSocketClient"]

# Tests close often, and a server that has not answered a close by then will not.
_CONFIG: Final = Config(close_timeout=2.0)


class WebSocketClient(threading.Thread):
    """A connection to `url` in a daemon thread. Override `on_open`, `on_message`, `on_error` and `on_close`.

    Args:
        url: A `ws://` or `wss://` URL.
        subprotocols: To offer, most preferred first.
        headers: More request headers.
        origin: The Origin header.
        ssl: For `wss://`; by default the system's CAs are trusted.
        config: Limits and timeouts; by default `Config(close_timeout=2.0)`.
        raise_errors: `send_message` raises what it otherwise passes to `on_error`.

    Raises:
        InvalidURI: The URL is malformed.
        ValueError: `ssl` is given for a `ws://` URL.
    """

    def __init__(
        self,
        url: str,
        *,
        subprotocols: Sequence[str] = (),
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        origin: str | None = None,
        ssl: ssl_module.SSLContext | None = None,
        config: Config | None = None,
        raise_errors: bool = False,
    ) -> None:
        super().__init__(name=f"WebSocketClient {url.partition('?')[0]}", daemon=True)
        self.url = url
        self.received_messages: list[str | bytes] = []
        """The messages received, in order: text as `str`, binary as `bytes`."""
        self.error: Exception | None = None
        """The last error: in connecting, on the connection or in a hook."""
        self._destination = Destination(url, tls=ssl, proxy=None)
        self._request = (subprotocols, headers, origin)
        self._config = config or _CONFIG
        self._raise_errors = raise_errors
        self._connection: Connection | None = None
        self._stopped = False
        self._opened = False
        self._over = False

    # -- what a test calls

    def start(self, wait: bool = False, timeout: float | None = None) -> None:
        """Start to connect.

        Args:
            wait: Wait until the connection is open, as `wait_open` does.
            timeout: Seconds, for `wait`.

        Raises:
            RuntimeError: It was already started.
            InvalidMessage: A header, the origin or a subprotocol cannot be in the request.
            HandshakeFailed: No certificate can be for this host; with `wait`, any failure.
            TimeoutError: With `wait`, `timeout` has expired.
        """
        if self._connection is None:
            subprotocols, headers, origin = self._request
            core = ClientConnection(
                self._destination.uri,
                self._config,
                now=time.monotonic(),
                random=os.urandom,
                subprotocols=subprotocols,
                headers=headers,
                origin=origin,
            )
            self._connection = Connection(self._destination, core)
        super().start()
        if wait:
            self.wait_open(timeout)

    def wait_open(self, timeout: float | None = None) -> None:
        """Wait until the connection is open and `on_open` has returned.

        Args:
            timeout: Seconds; without it only `config.handshake_timeout` applies.

        Raises:
            HandshakeFailed: Connecting has failed; also its subclasses.
            TimeoutError: `timeout` has expired.
            RuntimeError: It was not started.
        """
        connection = self._begun("wait_open")
        with connection.lock:
            if not connection.lock.wait_for(lambda: self._opened or self._over, timeout):
                raise TimeoutError(f"no connection to {self._destination.uri} within {timeout:g} s")
            if not self._opened:
                assert self.error is not None
                raise self.error

    def wait_for(self, n: int, timeout: float = 5.0) -> list[str | bytes]:
        """Wait until `n` messages have been received in total, and return `received_messages`.

        Raises:
            TimeoutError: Fewer came within `timeout` seconds.
            ConnectionClosed: The connection has ended with fewer.
            HandshakeFailed: The connection was never open.
            RuntimeError: It was not started.
        """
        connection, received = self._begun("wait_for"), self.received_messages
        with connection.lock:
            if not connection.lock.wait_for(lambda: len(received) >= n or self._over, timeout):
                raise TimeoutError(f"{len(received)} of {n} messages from {self._destination.uri} within {timeout:g} s")
            if len(received) >= n:
                return received
            error = _closed(connection.core) if connection.core.opened else self.error
            assert error is not None
            error.add_note(f"{len(received)} of {n} messages had come")
            raise error from (None if error is self.error else self.error)

    def send_message(self, message: str | bytes | bytearray | memoryview) -> None:
        """Send a `str` as text, bytes as binary. Waits for the opening, and while the server reads too slowly.

        Errors are passed to `on_error`; with `raise_errors` they are raised.

        Raises:
            ConnectionClosed: The connection has ended.
            HandshakeFailed: The connection was never open.
            InvalidMessage: `message` cannot be sent.
            LocalProtocolError: It was not started.
        """
        try:
            self._send(message)
        except (ConnectionClosed, HandshakeFailed, InvalidMessage, LocalProtocolError) as error:
            if self._raise_errors:
                raise
            self.error = error
            self.on_error(error)

    def stop(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection, even before it is open; does nothing before `start` and after the end.

        The thread then ends within `config.close_timeout`, whatever the server does.

        Raises:
            InvalidMessage: No close frame can carry this code or reason.
        """
        connection = self._connection
        if connection is not None:
            with connection.lock:
                connection.core.close(code, reason, now=time.monotonic())
                self._stopped = True
            connection.ring()

    def __enter__(self) -> Self:
        """Start, and wait until the connection is open."""
        self.start(wait=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and wait until the thread has ended."""
        self.stop()
        self.join()

    # -- what a test may look at

    @property
    def ws(self) -> ClientConnection | None:
        """The connection; None until it is open. Use it only in the client's thread, as in hooks."""
        connection = self._connection
        return connection.core if connection is not None and connection.core.opened else None

    @property
    def running(self) -> bool:
        """Whether it was started, was not stopped, and has not ended."""
        return self._connection is not None and not self._stopped and not self._over

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server selected, or None."""
        return None if self.ws is None else self.ws.subprotocol

    @property
    def close_code(self) -> int | None:
        """The close code; None while the connection has not ended."""
        info = None if self._connection is None else self._connection.core.close_info
        return None if info is None else info.code

    @property
    def close_reason(self) -> str | None:
        """The close reason; None while the connection has not ended."""
        info = None if self._connection is None else self._connection.core.close_info
        return None if info is None else info.reason

    # -- what a test may override; the thread calls it

    def on_open(self) -> None:
        """Handle the opening of the connection."""
        log.info("WebSocket connection opened.")

    def on_message(self, message: str | bytes) -> None:
        """Handle a message; it is already in `received_messages`."""

    def on_error(self, error: Exception) -> None:
        """Handle an error: in connecting, in sending, on the connection, or in another hook."""
        log.error("WebSocket error: %s", error)

    def on_close(self) -> None:
        """Handle the end of a connection that was open; see `close_code` and `close_reason`."""
        log.info("WebSocket connection closed.")

    # -- the thread

    def run(self) -> None:
        """Connect, receive until the end, and call the hooks."""
        connection = self._begun("run")
        try:
            self._live(connection)
        finally:
            connection.release()
            with connection.lock:
                self._over = True
                connection.lock.notify_all()

    def _live(self, connection: Connection) -> None:
        try:
            connection.open()
        except HandshakeFailed as error:
            self.error = error
            if not self._stopped:
                self.on_error(error)
            return
        try:
            self.on_open()
            with connection.lock:
                self._opened = True
                connection.lock.notify_all()
            for message in self._received(connection):
                self.on_message(message)
        except Exception as error:  # a hook's
            self.error = error
            self.on_error(error)
            self.stop(CloseCode.INTERNAL_ERROR)
            for _ in self._received(connection):
                pass
        info = connection.core.close_info
        if info is not None and info.cause != "application" and not info.clean:
            self.error = _closed(connection.core)
            self.on_error(self.error)
        self.on_close()

    def _received(self, connection: Connection) -> Iterator[str | bytes]:
        """Yield messages as they come, until the end."""
        while True:
            with connection.lock:
                message = connection.core.next_message(now=time.monotonic())
                if message is not None:
                    self.received_messages.append(message)
                    connection.lock.notify_all()
            if message is not None:
                yield message
            elif connection.gone:
                return
            else:
                connection.turn()

    def _send(self, message: str | bytes | bytearray | memoryview) -> None:
        connection = self._connection
        if connection is None:
            raise LocalProtocolError("send_message() before start()")
        core, lock = connection.core, connection.lock
        with lock:
            if threading.current_thread() is not self:  # a hook that waited for its own thread would deadlock
                lock.wait_for(lambda: core.opened or self._over)
                lock.wait_for(lambda: not connection.must_wait)
            if not core.opened and self.error is not None:
                raise self.error
            core.send(message, now=time.monotonic())
        connection.ring()

    def _begun(self, name: str) -> Connection:
        if self._connection is None:
            raise RuntimeError(f"{name}() before start()")
        return self._connection


def _closed(core: ClientConnection) -> ConnectionClosed:
    info = core.close_info
    assert info is not None
    return ConnectionClosed(info.code, info.reason, info.sent, info.received, str(core.uri))
