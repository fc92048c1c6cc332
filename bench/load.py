"""The load, the same for every server and cheap: plain sockets, frames made beforehand, every reply compared.

Each function is one round: it prepares, runs between the stopwatch's two readings until the budget is used up, and
gives how many messages (or connections) were answered. WrongReply where an answer is not what it has to be.
`offered_rate.py`, `worker_spread.py` and `client_load.py` have more of them.
"""

from __future__ import annotations

import contextlib
import re
import resource
import select
import socket
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.accounting import Stopwatch, resident
from bench.connections import (
    BATCH,
    PATIENCE,
    Declined,
    Target,
    WrongReply,
    connect,
    open_many,
    opened,
    receive_exactly,
    receive_head,
)
from bench.frames import CLOSE, CLOSED, Exchange, frame, json_document

__all__ = [
    "Budget",
    "Outcome",
    "broadcast",
    "bursts",
    "compressed",
    "connects",
    "converse",
    "memory_per_connection",
    "mostly_idle",
    "one_in_flight",
]


OTHER_FILES: Final = 300
"""Open files that are no idle connections, at most."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Where a round ends: whichever comes first."""

    messages: int
    seconds: float
    idle: int = 0
    """Connections that do nothing, in the modes that have some."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round gives."""

    done: int
    """Messages or connections that were answered."""
    also: Mapping[str, float] = field(default_factory=dict)
    """What was measured besides, by its unit or name; the same ones in each round of a mode."""


# -- one message in flight on each connection


@dataclass(slots=True)
class _Conversation:
    sock: socket.socket
    exchanges: list[Exchange]
    awaited: bytes = b""
    received: bytes = b""
    turn: int = 0

    def ask(self) -> None:
        exchange = self.exchanges[self.turn]
        self.turn ^= 1
        self.awaited = exchange.reply
        self.received = b""
        self.sock.sendall(exchange.sent)

    def answered(self) -> bool:
        self.received += self.sock.recv(65536)
        if self.received == self.awaited:
            return True
        if len(self.received) < len(self.awaited) and self.received and self.awaited.startswith(self.received):
            return False
        raise WrongReply(f"{self.received[:80]!r} instead of {self.awaited[:80]!r}")


def one_in_flight(
    target: Target, budget: Budget, watch: Stopwatch, exchanges: Sequence[Exchange], *, connections: int
) -> Outcome:
    """Send on each connection, and again once the reply is there. `exchanges`: two per connection, taken in turn."""
    with opened(target, connections) as sockets:
        return Outcome(converse(sockets, budget, watch, exchanges))


def mostly_idle(
    target: Target, budget: Budget, watch: Stopwatch, exchanges: Sequence[Exchange], *, connections: int
) -> Outcome:
    """Do the same while `budget.idle` other connections of the server are open and say nothing."""
    _have_files_for(budget.idle)
    with opened(target, budget.idle):
        return one_in_flight(target, budget, watch, exchanges, connections=connections)


def _have_files_for(connections: int) -> None:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < connections + OTHER_FILES:
        raise Declined(f"{connections:,} connections need more open files than the limit, {most:,}")


def converse(sockets: Sequence[socket.socket], budget: Budget, watch: Stopwatch, exchanges: Sequence[Exchange]) -> int:
    """Have one message in flight on each of the connections; give how many were answered."""
    done = 0
    with contextlib.closing(select.epoll()) as poll:
        conversations: dict[int, _Conversation] = {}
        for number, sock in enumerate(sockets):
            conversations[sock.fileno()] = _Conversation(sock, list(exchanges[2 * number : 2 * number + 2]))
            poll.register(sock, select.EPOLLIN)
        with watch:
            deadline = time.perf_counter() + budget.seconds
            asked = len(conversations)
            for conversation in conversations.values():
                conversation.ask()
            more = True
            while done < asked:
                ready = poll.poll(PATIENCE)
                if not ready:
                    raise WrongReply(f"no reply within {PATIENCE:g} s")
                more = more and asked < budget.messages and time.perf_counter() < deadline
                for descriptor, _ in ready:
                    conversation = conversations[descriptor]
                    if conversation.answered():
                        done += 1
                        if more:
                            conversation.ask()
                            asked += 1
    return done


# -- many frames in one write


def bursts(target: Target, budget: Budget, watch: Stopwatch, burst: Exchange, *, frames: int) -> Outcome:
    """Write `frames` frames at once, read all replies, and again. It reads while it writes, or both might wait."""
    done = 0
    received = bytearray(len(burst.reply))
    with opened(target, 1) as (sock,):
        sock.setblocking(False)
        poll = select.poll()
        with watch:
            deadline = time.perf_counter() + budget.seconds
            while done == 0 or (done + frames <= budget.messages and time.perf_counter() < deadline):
                _burst(sock, poll, memoryview(burst.sent), memoryview(received))
                if received != burst.reply:
                    raise WrongReply(f"other bytes than were due, beginning with {bytes(received[:80])!r}")
                done += frames
    return Outcome(done)


def _burst(sock: socket.socket, poll: select.poll, unsent: memoryview, free: memoryview) -> None:
    while free:
        if unsent:
            with contextlib.suppress(BlockingIOError):
                unsent = unsent[sock.send(unsent) :]
        poll.register(sock, select.POLLIN | (select.POLLOUT if unsent else 0))
        events = poll.poll(PATIENCE * 1000)
        if not events:
            raise WrongReply(f"{len(free)} bytes missing after {PATIENCE:g} s")
        if events[0][1] & ~select.POLLOUT:
            size = sock.recv_into(free)
            if not size:
                raise WrongReply(f"end of stream, {len(free)} bytes missing")
            free = free[size:]


# -- permessage-deflate

_CLIENT_BITS: Final = re.compile(rb"client_max_window_bits *= *\"?(\d+)")


def compressed(target: Target, budget: Budget, watch: Stopwatch, *, frames: int) -> Outcome:
    """Like `bursts`, with JSON documents of 1 KiB, compressed both ways. Declined where the server does not agree.

    The client compresses each message by itself, which RFC 7692 (7.1.1) lets it do whatever was negotiated; so its
    frames can be made beforehand. The server does what it does by default, context takeover among it.
    """
    if not target.websocket:
        raise Declined("has no compression")
    documents = [json_document(number) for number in range(frames)]
    with contextlib.closing(connect(target)) as sock:
        sock.sendall(target.request(deflate=True))
        agreed = receive_head(sock)
        if b"permessage-deflate" not in agreed:
            raise Declined("declines permessage-deflate")
        bits = _CLIENT_BITS.search(agreed)
        sent = b"".join(_deflated(document, int(bits[1]) if bits else 15) for document in documents)
        replies = _Replies(sock)
        done = 0
        with watch:
            deadline = time.perf_counter() + budget.seconds
            while done == 0 or (done + frames <= budget.messages and time.perf_counter() < deadline):
                sock.sendall(sent)
                for document in documents:
                    if (reply := replies.next()) != document:
                        raise WrongReply(f"{reply[:80]!r} instead of {document[:80]!r}")
                done += frames
        sock.sendall(CLOSE)
    return Outcome(done)


def _deflated(data: bytes, bits: int) -> bytes:
    deflater = zlib.compressobj(wbits=-max(bits, 9))
    return frame((deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4], 0xC1, masked=True)


@dataclass
class _Replies:
    """Unmasked text frames, compressed or not: a server need not compress every message."""

    sock: socket.socket
    _inflater: zlib._Decompress = field(default_factory=lambda: zlib.decompressobj(wbits=-15))
    _data: bytes = b""

    def next(self) -> bytes:
        self._have(2)
        first, size = self._data[0], self._data[1]
        head = 2
        if size == 126:
            head = 4
            self._have(head)
            size = int.from_bytes(self._data[2:4])
        if first not in {0x81, 0xC1} or size > 65535:
            raise WrongReply(f"no text frame: {self._data[:80]!r}")
        self._have(head + size)
        payload, self._data = self._data[head : head + size], self._data[head + size :]
        return self._inflater.decompress(payload + b"\0\0\xff\xff") if first & 0x40 else payload

    def _have(self, size: int) -> None:
        while len(self._data) < size:
            more = self.sock.recv(2**18)
            if not more:
                raise WrongReply("end of stream")
            self._data += more


# -- connections


def connects(target: Target, budget: Budget, watch: Stopwatch) -> Outcome:
    """Open connections and close them with a close frame, 32 at a time; the floor: connect, one byte, close."""
    done = 0
    with watch:
        deadline = time.perf_counter() + budget.seconds
        while done == 0 or (done + BATCH <= budget.messages and time.perf_counter() < deadline):
            batch = list(open_many(target, BATCH))
            question, answer = (CLOSE, CLOSED) if target.websocket else (b"x", b"x")
            for sock in batch:
                sock.sendall(question)
            for sock in batch:
                if (reply := receive_exactly(sock, len(answer))) != answer:
                    raise WrongReply(f"{reply!r} instead of {answer!r}")
                if target.websocket and sock.recv(1):  # RFC 6455 7.1.1: it is the server that closes first
                    raise WrongReply("bytes after the close frame")
                sock.close()
            done += BATCH
    return Outcome(done)


def memory_per_connection(
    target: Target, budget: Budget, watch: Stopwatch, exchanges: Sequence[Exchange], *, before: int = 100
) -> Outcome:
    """Find the KiB that an idle connection adds to the server's resident memory, past the first `before`.

    The connections are those of browsers that have said something: a browser's request head, and a message that was
    answered. Both leave something behind, which a server that has seen neither would not show.
    """
    _have_files_for(budget.idle)
    with opened(target, before, browser=True) as first:
        _say_something(first, exchanges)
        start = _settled_memory(watch.pid)
        with opened(target, budget.idle, browser=True) as sockets:
            _say_something(sockets, exchanges)
            return Outcome(budget.idle, {"KiB": (_settled_memory(watch.pid) - start) / budget.idle / 1024})


def _say_something(sockets: Sequence[socket.socket], exchanges: Sequence[Exchange]) -> None:
    for number, sock in enumerate(sockets):
        exchange = exchanges[number % len(exchanges)]
        sock.sendall(exchange.sent)
        if (reply := receive_exactly(sock, len(exchange.reply))) != exchange.reply:
            raise WrongReply(f"{reply!r} instead of {exchange.reply!r}")


def _settled_memory(pid: int) -> int:
    size = resident(pid)
    for _ in range(20):
        time.sleep(0.05)
        last, size = size, resident(pid)
        if last == size:
            break
    return size


# -- broadcast


def broadcast(
    target: Target, budget: Budget, watch: Stopwatch, command: bytes, reply: bytes, *, connections: int
) -> Outcome:
    """Let the server send one payload to all connections, as `command` says; every one of them has to get it."""
    done = 0
    exchange = frame(command, 0x81, masked=True)
    with opened(target, connections) as sockets, opened(target, 1, "/control") as (control,), watch:
        deadline = time.perf_counter() + budget.seconds
        while done == 0 or (done + connections <= budget.messages and time.perf_counter() < deadline):
            control.sendall(exchange)
            for sock in sockets:
                if receive_exactly(sock, len(reply)) != reply:
                    raise WrongReply("a member got other bytes")
            done += connections
    return Outcome(done)
