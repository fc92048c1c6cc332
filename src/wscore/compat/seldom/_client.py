"""seldom's WebSocketClient: a connection in a thread of its own, for tests that block."""

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

# A test ends often, and a server that has not answered a close in that time is not going to.
_CONFIG: Final = Config(close_timeout=2.0)


class WebSocketClient(threading.Thread):
    """A connection to `url`, in a daemon thread; `on_open`, `on_message`, `on_error`, `on_close` are there to override.

    `ssl` is for `wss://`, whose default is the system's certificates. `config` holds limits and timeouts, by default
    `Config(close_timeout=2.0)`. With `raise_errors`, `send_message` raises what it otherwise gives to `on_error`.
    Raises InvalidURI, and ValueError for `ssl` with `ws://`.
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
        """What has come: text as `str`, binary as bytes, in its order."""
        self.error: Exception | None = None
        """What went wrong last, in connecting, on the connection or in a hook."""
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
        """Begin to connect; with `wait`, be connected, as with `wait_open`.

        Raises RuntimeError the second time, InvalidMessage for what cannot stand in the request, and HandshakeFailed
        for a host that no certificate can be for.
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
        """Wait until the connection is open and `on_open` has returned; `config.handshake_timeout` holds without one.

        Raises HandshakeFailed and its subclasses, TimeoutError after `timeout` seconds, RuntimeError before `start`.
        """
        connection = self._begun("wait_open")
        with connection.lock:
            if not connection.lock.wait_for(lambda: self._opened or self._over, timeout):
                raise TimeoutError(f"no connection to {self._destination.uri} within {timeout:g} s")
            if not self._opened:
                assert self.error is not None
                raise self.error

    def wait_for(self, n: int, timeout: float = 5.0) -> list[str | bytes]:
        """Wait until `n` messages have been received in all, and give `received_messages`.

        Raises TimeoutError after `timeout` seconds; ConnectionClosed or HandshakeFailed where no more can come.
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

        What cannot be sent is an error for `on_error`; with `raise_errors` it is raised: ConnectionClosed,
        HandshakeFailed, InvalidMessage for anything else, LocalProtocolError before `start`.
        """
        try:
            self._send(message)
        except (ConnectionClosed, HandshakeFailed, InvalidMessage, LocalProtocolError) as error:
            if self._raise_errors:
                raise
            self.error = error
            self.on_error(error)

    def stop(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection, open or not yet; does nothing before `start` and after the end.

        The thread then ends within `config.close_timeout`, whatever the server does. Raises InvalidMessage for a code
        or a reason that no close frame can carry.
        """
        connection = self._connection
        if connection is not None:
            with connection.lock:
                connection.core.close(code, reason, now=time.monotonic())
                self._stopped = True
            connection.ring()

    def __enter__(self) -> Self:
        """Start, and wait for the opening."""
        self.start(wait=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and wait for the end of the thread."""
        self.stop()
        self.join()

    # -- what a test may look at

    @property
    def ws(self) -> ClientConnection | None:
        """The connection; None before it is open, and where it never was. Not to be used from another thread."""
        connection = self._connection
        return connection.core if connection is not None and connection.core.opened else None

    @property
    def running(self) -> bool:
        """It was started, was not stopped, and has not ended."""
        return self._connection is not None and not self._stopped and not self._over

    @property
    def subprotocol(self) -> str | None:
        """What the server chose from those offered."""
        return None if self.ws is None else self.ws.subprotocol

    @property
    def close_code(self) -> int | None:
        """How the connection ended; None while it has not."""
        info = None if self._connection is None else self._connection.core.close_info
        return None if info is None else info.code

    @property
    def close_reason(self) -> str | None:
        """Why the connection ended; None while it has not."""
        info = None if self._connection is None else self._connection.core.close_info
        return None if info is None else info.reason

    # -- what a test may override; the thread calls it

    def on_open(self) -> None:
        """Hear that the connection is open."""
        log.info("WebSocket connection opened.")

    def on_message(self, message: str | bytes) -> None:
        """Hear of a message; it is in `received_messages` already."""

    def on_error(self, error: Exception) -> None:
        """Hear what went wrong: in connecting, in sending, on the connection, or in another hook."""
        log.error("WebSocket error: %s", error)

    def on_close(self) -> None:
        """Hear that a connection that was open has ended; `close_code` and `close_reason` say how."""
        log.info("WebSocket connection closed.")

    # -- the thread

    def run(self) -> None:
        """Connect, receive until the end, and call the hooks on the way."""
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
        """Give messages as they come, until the end."""
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
            if threading.current_thread() is not self:  # a hook that waited for its own thread would do so for ever
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
