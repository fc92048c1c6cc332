"""The soak's clients: each kind is a function that plays one connection from its opening to its end, and checks it.

`AssertionError` is a finding. Ours are made with our own `connect`; raw ones write their frames by hand, and do what no
library would: end in the middle, reset, never close, say nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import random
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import anyio
from anyio.abc import SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream

from wscore import Config, ConnectionClosed, HandshakeRefused

HEAD: Final = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
SIZES: Final = (0, 1, 125, 126, 5_000, 65_536, 200_000)


@dataclass
class Soak:
    """What the clients share."""

    connect: Callable[..., Any]
    port: int
    tls: ssl.SSLContext | None
    config: Config
    chance: random.Random
    lag: float = 0.0
    """The longest that an echo took lately, in seconds: on a machine that is busy nothing can be in time by less."""
    asked: float | None = None
    """When the echo was asked for that is on its way."""
    pings: list[float] = field(default_factory=list)
    """Seconds from a pong, or the opening, to the next ping, of those that are idle."""

    def open(self, path: str, **changes: Any) -> Any:
        """Connect, with changes to the configuration."""
        scheme = "wss" if self.tls else "ws"
        config = dataclasses.replace(self.config, **changes)
        return self.connect(f"{scheme}://127.0.0.1:{self.port}{path}", ssl=self.tls, config=config, proxy=None)

    def late(self) -> float:
        """Give how far behind the two processes are, an echo that is on its way included."""
        return max(self.lag, 0 if self.asked is None else anyio.current_time() - self.asked)

    def patience(self, *durations: float | None) -> float:
        """Give the time in which something has to happen that is due after `durations`."""
        return 2 * sum(duration or 0 for duration in durations) + 1.0 + 4 * self.late()

    def payload(self) -> str | bytes:
        size = self.chance.choice(SIZES)
        return self.chance.randbytes(size) if self.chance.random() < 0.5 else self.chance.choice("abcß€") * size


# -- with our own connect


async def echoes(soak: Soak, path: str = "/echo") -> None:
    """Everything comes back, in order, whoever is quicker."""
    sent = [soak.payload() for _ in range(soak.chance.randrange(20))]
    async with soak.open(path) as ws, anyio.create_task_group() as tasks:

        async def send() -> None:
            for message in sent:
                await ws.send(message)

        tasks.start_soon(send)
        for message in sent:
            assert await ws.recv() == message, "another message than was sent"


async def cancelled(soak: Soak) -> None:
    """A conversation that is cancelled at some moment."""
    with anyio.move_on_after(soak.chance.random() * 0.2):
        await echoes(soak, soak.chance.choice(("/echo", "/slow")))
        await read_numbers(soak, "/push", 1_000_000)


async def read_numbers(soak: Soak, path: str = "/push", count: int = 100, pause: float = 0.0) -> None:
    """Messages that are numbered come without a gap, and the client leaves while more are on their way."""
    async with soak.open(path) as ws:
        last = int(str(await ws.recv()).split()[0])
        for _ in range(soak.chance.randrange(count)):
            number = int(str(await ws.recv()).split()[0])
            assert number == last + 1, f"message {number} after {last}"
            last = number
            await anyio.sleep(pause)


async def fills(soak: Soak) -> None:
    """What an application takes is what was sent."""
    digest = hashlib.sha256()
    async with soak.open("/sink") as ws:
        for _ in range(soak.chance.randrange(30)):
            digest.update(message.encode() if isinstance(message := soak.payload(), str) else message)
            await ws.send(message)
        await ws.send("end")
        assert await ws.recv() == digest.hexdigest(), "other messages than were sent"


async def is_refused(soak: Soak, path: str, status: int) -> None:
    try:
        async with soak.open(path, handshake_timeout=soak.patience(soak.config.accept_timeout)):
            raise AssertionError("it was let in")
    except HandshakeRefused as refused:
        if refused.status != status:
            raise AssertionError(f"{refused.status} instead of {status}") from None


async def is_closed(soak: Soak, path: str, code: int) -> None:
    async with soak.open(path) as ws:
        await ws.send("x")
        try:
            await ws.recv()
        except ConnectionClosed:
            assert ws.close_code == code, f"{ws.close_code} instead of {code}"
        else:
            raise AssertionError("it was not closed")


async def stays_idle(soak: Soak, path: str) -> None:
    """Nothing is said for some intervals, and the connection is still there."""
    assert soak.config.ping_interval
    async with soak.open(path) as ws:
        await anyio.sleep(soak.config.ping_interval * soak.chance.uniform(1, 4))
        if ws.close_code is not None:
            raise ConnectionError(f"an idle connection ended with {ws.close_code}, as after a ping timeout")


# -- by hand


class Raw:
    """A connection that was opened by hand."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.buffer = BufferedByteReceiveStream(stream)

    async def frame(self) -> tuple[int, bytes]:
        """Read a frame: its opcode and its payload."""
        first, size = await self.buffer.receive_exactly(2)
        if size >= 126:
            size = int.from_bytes(await self.buffer.receive_exactly(2 if size == 126 else 8))
        return first & 15, await self.buffer.receive_exactly(size)

    async def send(self, opcode: int, payload: bytes = b"") -> None:
        """Write a frame, with a mask of zeros."""
        await self.stream.send(bytes((0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload)


@contextlib.asynccontextmanager
async def raw(soak: Soak, path: str | None = None) -> AsyncIterator[Raw]:
    """Have a TCP connection, or with a path one that is open; what breaks at the end is nobody's fault."""
    tls: dict[str, Any] = {"ssl_context": soak.tls, "tls_standard_compatible": False} if soak.tls else {}
    stream = await anyio.connect_tcp("127.0.0.1", soak.port, tls_hostname="localhost" if tls else None, **tls)
    connection = Raw(stream)
    try:
        if path is not None:
            await stream.send(HEAD.format(path=path).encode())
            head = await connection.buffer.receive_until(b"\r\n\r\n", 4096)
            assert head.startswith(b"HTTP/1.1 101 "), head
        yield connection
    finally:
        await anyio.aclose_forcefully(stream)


async def is_pinged(soak: Soak, path: str) -> None:
    """An idle client that answers pings gets one after each interval, for its whole life."""
    assert soak.config.ping_interval
    interval = soak.config.ping_interval
    async with raw(soak, path) as connection:
        for _ in range(soak.chance.randint(2, 3)):
            began = anyio.current_time()
            opcode = -1
            with anyio.move_on_after(soak.patience(interval)):
                opcode, payload = await connection.frame()
            waited = anyio.current_time() - began
            if opcode == CLOSE:
                raise ConnectionError(f"closed instead of pinged: {payload[2:].decode()}")
            assert opcode == PING, f"no ping within {waited:.2f} s, with an interval of {interval:g} s"
            assert waited >= 0.7 * interval - soak.late(), (
                f"a ping after {waited:.2f} s, with an interval of {interval:g} s"
            )
            soak.pings.append(waited)
            await connection.send(PONG, payload)


async def answers_no_ping(soak: Soak) -> None:
    """A client that is gone without a word is found out."""
    async with raw(soak, "/deaf") as connection:
        due = soak.config.ping_interval, soak.config.ping_timeout, soak.config.close_timeout
        assert await ended(connection, soak.patience(*due)), "a peer that answers no ping is still there"


async def never_closes(soak: Soak) -> None:
    """A client that does not answer a close frame is cut."""
    async with raw(soak, "/closes") as connection:
        await connection.send(TEXT, b"x")
        assert await ended(connection, soak.patience(soak.config.close_timeout)), "it was never cut"


async def says_half(soak: Soak) -> None:
    """A head that does not end is answered in time."""
    async with raw(soak) as connection:
        await connection.stream.send(b"GET / HTTP/1.1\r\nHost")
        due = soak.patience(soak.config.handshake_timeout, soak.config.close_timeout)
        assert await ended(connection, due), "half a head is waited for without end"


async def ended(connection: Raw, within: float) -> bool:
    """Read, and answer nothing, until the server ends its side: whether it did."""
    with anyio.move_on_after(within) as scope, contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        while True:
            await connection.stream.receive()
    return not scope.cancelled_caught


async def half_closes(soak: Soak) -> None:
    """Who ends its side after its messages still gets the answers."""
    async with raw(soak, "/echo") as connection:
        count = soak.chance.randrange(1, 20)
        for number in range(count):
            await connection.send(TEXT, str(number).encode())
        if soak.tls is None:
            await connection.stream.send_eof()
        for number in range(count):
            assert await connection.frame() == (TEXT, str(number).encode()), "not all answers came"


async def resets(soak: Soak, path: str) -> None:
    """Gone with a reset, in the middle of something."""
    async with raw(soak, path) as connection:
        with contextlib.suppress(anyio.BrokenResourceError):
            for _ in range(soak.chance.choice((0, 1, 20, 60))):
                await connection.send(TEXT, b"x" * 100)
        await anyio.sleep(soak.chance.choice((0, 0.01, 0.1)))
        sock = connection.stream.extra(SocketAttribute.raw_socket)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def babbles(soak: Soak) -> None:
    """Bytes that mean nothing, instead of a head or behind it."""
    with contextlib.suppress(anyio.BrokenResourceError, anyio.EndOfStream):
        async with raw(soak, soak.chance.choice((None, "/echo"))) as connection:
            await connection.stream.send(soak.chance.randbytes(soak.chance.choice((1, 10, 1000))))
            await ended(connection, soak.chance.random() * 0.2)


KINDS: Final[dict[str, tuple[int, Callable[[Soak], Awaitable[None]]]]] = {
    "echo, in order": (6, echoes),
    "slow echo, in order": (3, partial(echoes, path="/slow")),
    "reads what is pushed": (3, read_numbers),
    "reads it slowly": (2, partial(read_numbers, count=20, pause=0.03)),
    "broadcasts, in order": (3, partial(read_numbers, path="/room", count=30)),
    "fills, and content": (3, fills),
    "cancelled": (6, cancelled),
    "refused": (2, partial(is_refused, path="/refuse", status=403)),
    "never answered": (1, partial(is_refused, path="/never", status=503)),
    "closed by the application": (2, partial(is_closed, path="/closes", code=4000)),
    "application fails": (2, partial(is_closed, path="/fails", code=1011)),
    "idle, with ours": (3, partial(stays_idle, path="/echo")),
    "idle, pings counted": (3, partial(is_pinged, path="/echo")),
    "idle, application deaf": (2, partial(is_pinged, path="/deaf")),
    "answers no ping": (2, answers_no_ping),
    "never closes": (2, never_closes),
    "half a head": (1, says_half),
    "half-closes": (3, half_closes),
    "resets": (4, partial(resets, path="/echo")),
    "resets, pushed to": (2, partial(resets, path="/push")),
    "babbles": (3, babbles),
}
"""How often, in proportion, and what."""
