"""Checks that a transport does what the core requires: starts it, exchanges raw bytes with it, and reports by name each
obligation that does not hold.

    assert unmet(start) == {}

The checks are independent of how a transport is built. Durations are a twentieth of the defaults, in the same
proportions. A check that fails is repeated alone and three times as slowly before it is reported, because the machine
may just have been busy.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import repeat
from typing import Any, Final, Self

from wscore import Application, ServerConfig, caused_by_disconnect

__all__ = ["OBLIGATIONS", "Address", "Start", "unmet"]

Address = tuple[str, int]
Start = Callable[[Application, ServerConfig], AbstractContextManager[Address]]

_SCALE: Final = 0.05
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_MUCH: Final = 40_000_000  # bytes: more than both ends' kernel buffers hold, each of which may grow to several million
_HEAD: Final = (
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def unmet(start: Start, names: Sequence[str] = ()) -> dict[str, str]:
    """Check a server transport against raw TCP clients.

    Args:
        start: `start(app, config)` returns a context manager that serves the ASGI application `app` with `config`, for
            example in a thread, and yields the TCP address, (host, port). The applications only wait in `receive` and
            `send`, so that blocking transports can serve them, and have no lifespan.
        names: The obligations to check; none means all of `OBLIGATIONS`.

    Returns:
        What was observed for each obligation that does not hold, by name; {} if all hold.

    Raises:
        KeyError: A name is not in `OBLIGATIONS`.
        Exception: Whatever `start` raises.
    """
    chosen = list(names or OBLIGATIONS)
    for name in chosen:
        OBLIGATIONS[name]
    with ThreadPoolExecutor(len(chosen)) as threads:  # which mostly wait
        found = list(threads.map(_played, repeat(start), chosen, repeat(_SCALE)))
    again = [name for name, seen in zip(chosen, found, strict=True) if seen is not None]
    slowly = {name: _played(start, name, 3 * _SCALE) for name in again}
    return {name: seen for name, seen in slowly.items() if seen is not None}


class _Unmet(Exception):
    """An obligation does not hold; the text says what was observed."""


def _played(start: Start, name: str, scale: float) -> str | None:
    _, play = OBLIGATIONS[name]
    try:
        play(_Stage(start, scale))
    except _Unmet as seen:
        return str(seen)
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return None


# -- the client's end


def _frame(opcode: int, payload: bytes = b"") -> bytes:
    """Encode a frame, masked with a zero key (RFC 6455 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes([0x80 | opcode, 0x80 | length]) + bytes(4) + payload
    return bytes([0x80 | opcode, 0x80 | 126]) + length.to_bytes(2) + bytes(4) + payload


class _Client:
    """A socket and its unparsed bytes. `prompt` is the time, in seconds, for anything that waits for no deadline."""

    def __init__(self, address: Address, prompt: float, *, small: bool = False) -> None:
        self.prompt = prompt
        self.sock = socket.socket()
        if small:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(10.0)
        self.sock.connect(address)
        self._unread = b""
        self.ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def says(self, *data: bytes) -> None:
        self.sock.sendall(b"".join(data))

    def opens(self, *data: bytes) -> None:
        """Do the opening handshake; `data` is sent directly behind the request."""
        self.says(_HEAD, *data)
        self.reads_head(b"HTTP/1.1 101 ")

    def resets(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def reads(self, seconds: float) -> bool:
        """Read once. Return False at EOF, or if nothing came in time."""
        if self.ended or not select.select([self.sock], [], [], max(0.0, seconds))[0]:
            return False
        data = self.sock.recv(1 << 16)
        self._unread += data
        self.ended = not data
        return True

    def reads_head(self, begin: bytes, seconds: float | None = None) -> None:
        until = time.monotonic() + (4 * self.prompt if seconds is None else seconds)
        while b"\r\n\r\n" not in self._unread:
            if not self.reads(until - time.monotonic()):
                raise _Unmet(f"no whole answer to the request, but {self._unread!r}")
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        if not head.startswith(begin):
            raise _Unmet(f"{head[:40]!r}, where {begin!r} was expected")

    def frame(self, seconds: float | None = None) -> tuple[int, bytes] | None:
        """Read a frame within `seconds`, by default `prompt`. Return None if none came in time."""
        until = time.monotonic() + (self.prompt if seconds is None else seconds)
        while True:
            if len(self._unread) >= 2:
                length, begin = self._unread[1], 2
                if length == 126:
                    length, begin = int.from_bytes(self._unread[2:4]), 4
                elif length == 127:
                    length, begin = int.from_bytes(self._unread[2:10]), 10
                if len(self._unread) >= begin + length:
                    frame = self._unread[0] & 0xF, self._unread[begin : begin + length]
                    self._unread = self._unread[begin + length :]
                    return frame
            if not self.reads(until - time.monotonic()):
                return None

    def expects(self, opcode: int, payload: bytes, otherwise: str, seconds: float | None = None) -> None:
        """Read a frame, which must have this opcode and a payload that starts with `payload`."""
        frame = self.frame(seconds)
        if frame is None or frame[0] != opcode or not frame[1].startswith(payload):
            raise _Unmet(f"{otherwise}; what came is {frame}")

    def sees_end(self, seconds: float | None = None) -> bool:
        """Read until EOF. Return False if it does not come in time."""
        until = time.monotonic() + (self.prompt if seconds is None else seconds)
        while not self.ended:
            if not self.reads(until - time.monotonic()):
                return False
        return True

    def is_heard(self) -> bool:
        """Return whether the other end's socket is open: bytes sent to a closed one are answered with a reset."""
        try:
            for _ in range(3):
                self.sock.send(b"x")
                time.sleep(self.prompt / 8)
        except OSError:
            return False
        return True


class _Stage:
    """The setup of one check: its durations, and a server that runs its application."""

    def __init__(self, start: Start, scale: float) -> None:
        self._start = start
        self.config: dict[str, Any] = {
            "handshake_timeout": 10 * scale,
            "accept_timeout": 20 * scale,
            "ping_interval": 20 * scale,
            "ping_timeout": 20 * scale,
            "close_timeout": 10 * scale,
            "shutdown_grace": 5 * scale,
            "compression": False,
        }
        self.prompt = 5 * scale

    @contextlib.contextmanager
    def client(self, app: Application, *, small: bool = False, **config: Any) -> Generator[_Client]:
        failure: Exception | None = None  # not raised through `start`, whose task group would wrap it
        with self._start(app, ServerConfig(**{**self.config, **config})) as address:
            try:
                with _Client(address, self.prompt, small=small) as client:
                    yield client
            except (_Unmet, OSError) as seen:
                failure = seen
        if failure is not None:
            raise failure


# -- applications


def _app(conversation: Callable[[Any, Any], Any], *, accept: bool = True) -> Application:
    """Make an application that accepts and then runs `conversation`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            raise NotImplementedError("there is no lifespan")
        await receive()
        if accept:
            await send({"type": "websocket.accept"})
        try:
            await conversation(receive, send)
        except Exception as error:  # the checks' own disconnects must not be logged
            if not caused_by_disconnect(error):
                raise

    return app


async def _echo(receive: Any, send: Any) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def _close(receive: Any, send: Any) -> None:
    await send({"type": "websocket.close", "code": 4000})
    await receive()


async def _return(receive: Any, send: Any) -> None:
    return


async def _deny(receive: Any, send: Any) -> None:
    await send({"type": "websocket.close"})


class _Listener:
    """An application that receives everything into `heard`; `over` is set after the disconnect."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.over = threading.Event()
        self.app = _app(self._listen)

    async def _listen(self, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            self.heard.append(message["text"])
        self.heard.append(message["code"])
        self.over.set()


# -- the checks


def _handle_timeout(stage: _Stage) -> None:
    # No deadline precedes the ping's, to distinguish a transport that only fails to re-arm its timer afterwards.
    with stage.client(_app(_echo), handshake_timeout=60.0, accept_timeout=None) as client:
        client.opens()
        time.sleep(1.4 * stage.config["ping_interval"])
        client.says(_frame(_TEXT, b"?"))
        client.expects(_PING, b"", "no ping after ping_interval, nor with the next message")


def _look_after_timeout(stage: _Stage) -> None:
    with stage.client(_app(_echo)) as client:
        client.opens()
        for which in ("the opening", "the pong"):
            frame = client.frame(1.6 * stage.config["ping_interval"])
            if frame is None or frame[0] != _PING:
                raise _Unmet(f"no ping within ping_interval from {which}, though nothing else was said; {frame}")
            client.says(_frame(_PONG, frame[1]))
            client.says(_frame(_TEXT, b"!"))
            client.expects(_TEXT, b"!", "no answer")


def _handshake_timeout(stage: _Stage) -> None:
    with stage.client(_app(_echo)) as client:
        client.says(_HEAD[:20])
        client.reads_head(b"HTTP/1.1 408 ", 2 * stage.config["handshake_timeout"])


def _look_after_next_message(stage: _Stage) -> None:
    listener = _Listener()
    message = _frame(_TEXT, b"x" * 1000)
    with stage.client(listener.app, max_queue=4, ping_interval=None) as client:
        client.opens()
        client.says(message * 500)
        until = time.monotonic() + 4 * stage.prompt
        while len(listener.heard) < 500:
            if time.monotonic() > until:
                raise _Unmet(f"the application has taken {len(listener.heard)} of 500 messages, and no more come")
            time.sleep(stage.prompt / 50)


def _look_before_waiting(stage: _Stage) -> None:
    with stage.client(_app(_echo), ping_interval=None) as client:
        client.says(_HEAD)
        client.reads_head(b"HTTP/1.1 101 ")
        for text in (b"one", b"two"):
            client.says(_frame(_TEXT, text))
            client.expects(_TEXT, text, "no answer, though the application has sent one and waits")


def _expect_message(stage: _Stage) -> None:
    told = threading.Event()

    async def asks_again(receive: Any, send: Any) -> None:
        while (await receive())["type"] == "websocket.receive":
            pass
        try:
            await receive()
        except Exception:
            told.set()

    with stage.client(_app(asks_again)) as client:
        client.opens()
        client.says(_frame(_CLOSE, b"\x03\xe8"))
        if not told.wait(4 * stage.prompt):
            raise _Unmet("an application that asks again after the disconnect is not told so, and waits for ever")


def _expect_delivery(stage: _Stage) -> None:
    seen: list[bool] = []
    begun, done = threading.Event(), threading.Event()

    async def sends_much(receive: Any, send: Any) -> None:
        try:
            begun.set()
            await send({"type": "websocket.send", "bytes": bytes(_MUCH // 2)})
            seen.append(False)
        except OSError:
            seen.append(True)
        finally:
            done.set()

    with stage.client(_app(sends_much), small=True, ping_interval=None) as client:
        client.opens()
        begun.wait(4 * stage.prompt)
        if done.wait(stage.prompt):
            raise _Unmet(f"send() of {_MUCH // 2} bytes returned, though nobody has read them")
        client.resets()
        if not done.wait(4 * stage.prompt):
            raise _Unmet("send() that waits for room waits on after the connection is lost")
        if not seen[0]:
            raise _Unmet("send() of what cannot arrive any more returned as if it had gone out")


def _wants_read(stage: _Stage) -> None:
    async def does_not_listen(receive: Any, send: Any) -> None:
        await send({"type": "websocket.send", "bytes": bytes(_MUCH // 2)})

    with stage.client(_app(does_not_listen), small=True, ping_interval=None) as client:
        client.opens()
        chunk = _frame(_TEXT, b"x" * 10_000) * 20
        client.sock.setblocking(False)
        sent = 0
        while sent < _MUCH and select.select([], [client.sock], [], 4 * stage.prompt)[1]:
            # a partial frame does no harm: none of it is parsed
            sent += client.sock.send(chunk)
        if sent >= _MUCH:
            raise _Unmet(f"{sent} bytes were read for an application that takes no message")


def _room(stage: _Stage) -> None:
    count = 0
    over = threading.Event()

    async def sends_on(receive: Any, send: Any) -> None:
        nonlocal count
        try:
            for _ in range(_MUCH // 50_000):
                await send({"type": "websocket.send", "bytes": bytes(50_000)})
                count += 1
        finally:
            over.set()

    with stage.client(_app(sends_on), small=True, ping_interval=None) as client:
        client.opens()
        if over.wait(4 * stage.prompt):
            raise _Unmet(f"{count} messages of 50,000 bytes were taken, though nobody has read them")
        last = time.monotonic() + 20 * stage.prompt  # the machine may be busy
        while not over.is_set() and time.monotonic() < last:
            if select.select([client.sock], [], [], stage.prompt)[0]:
                client.sock.recv(1 << 20)
        if not over.wait(stage.prompt):
            raise _Unmet("send() that waits for room waits on after the peer has read everything")


def _shut_down_writing(stage: _Stage) -> None:
    with stage.client(_app(_close), handshake_timeout=60.0) as client:
        client.opens()
        client.expects(_CLOSE, b"\x0f\xa0", "no close frame")
        client.says(_frame(_CLOSE, b"\x0f\xa0"))
        if not client.sees_end():
            raise _Unmet("after both close frames the stream does not end")


def _no_early_close(stage: _Stage) -> None:
    with stage.client(_app(_deny, accept=False), close_timeout=60.0) as client:
        client.says(_HEAD)
        client.reads_head(b"HTTP/1.1 403 ")
        if not client.sees_end():
            raise _Unmet("after the refusal the stream does not end")
        if not client.is_heard():
            raise _Unmet("the socket was closed, and not our half of it alone: what still comes resets the connection")


def _abort(stage: _Stage) -> None:
    for timeout, what in ((stage.config["handshake_timeout"], ""), (60.0, ", which is earlier than the one before")):
        with stage.client(_app(_close), handshake_timeout=timeout) as client:
            client.opens()
            client.expects(_CLOSE, b"\x0f\xa0", "no close frame")
            time.sleep(1.6 * stage.config["close_timeout"])
            if client.is_heard():
                raise _Unmet(f"a client that does not close is not cut at the closing's deadline{what}")


def _application_returned(stage: _Stage) -> None:
    with stage.client(_app(_return)) as client:
        client.opens()
        client.expects(_CLOSE, b"\x03\xe8", "no close frame with 1000 for an application that has returned")


def _receive_eof(stage: _Stage) -> None:
    listener = _Listener()
    with stage.client(listener.app, ping_interval=None) as client:
        client.opens()
        client.sock.shutdown(socket.SHUT_WR)
        if not listener.over.wait(4 * stage.prompt):
            raise _Unmet("the application does not hear that the client has ended its stream")
        if not client.sees_end():
            raise _Unmet("a client that has ended its stream is kept")


def _end_behind_messages(stage: _Stage) -> None:
    listener = _Listener()
    with stage.client(listener.app, max_queue=4, ping_interval=None) as client:
        client.opens()
        client.says(_frame(_TEXT, b"x" * 1000) * 200, _frame(_CLOSE, b"\x0f\xa0"))
        client.sock.shutdown(socket.SHUT_WR)
        if not listener.over.wait(4 * stage.prompt):
            raise _Unmet(f"{len(listener.heard)} messages of 200 before an end of stream were heard, and no end")
        if len(listener.heard) != 201 or listener.heard[-1] != 4000:
            raise _Unmet(f"{len(listener.heard) - 1} messages of 200 before the end, which is {listener.heard[-1]}")
        client.expects(_CLOSE, b"\x0f\xa0", "the close frame is not answered")


def _connection_lost(stage: _Stage) -> None:
    listener = _Listener()
    with stage.client(listener.app, ping_interval=None) as client:
        client.opens()
        client.resets()
        if not listener.over.wait(4 * stage.prompt):
            raise _Unmet("the application does not hear that the connection was reset")


OBLIGATIONS: Final[dict[str, tuple[str, Callable[[_Stage], None]]]] = {
    "handle_timeout": ("when the deadline has come, handle_timeout is called", _handle_timeout),
    "look after handle_timeout": ("what it wants written is written, and its next deadline kept", _look_after_timeout),
    "handshake_timeout": ("a client that does not send its request is answered with 408", _handshake_timeout),
    "look after next_message": ("taking messages starts reading again", _look_after_next_message),
    "look before waiting": ("what the application has sent goes out before it waits", _look_before_waiting),
    "check_receive": ("who asks for a message that cannot come is told", _expect_message),
    "check_delivery": ("who waited for room is told where the connection has ended", _expect_delivery),
    "wants_read": ("while it is False nothing is read", _wants_read),
    "room": ("send waits while the peer does not read", _room),
    "SHUT_DOWN_WRITING": ("our half of the TCP connection ends", _shut_down_writing),
    "SHUT_DOWN_WRITING is no close": ("and the other half is read until it ends", _no_early_close),
    "ABORT": ("the socket is closed when the closing's time is over", _abort),
    "application_returned": ("the application's end is told", _application_returned),
    "receive_eof": ("the end of the peer's stream is told, at once", _receive_eof),
    "end behind messages": ("and behind what came before it", _end_behind_messages),
    "connection_lost": ("a reset is told", _connection_lost),
}
"""The obligations by name: each with a sentence, and the function that checks it."""
