"""Broadcast under load, on real sockets: some receivers do not read, and the others do not notice."""

from __future__ import annotations

import resource
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from wscore import ServerConfig
from wscore.app import App, Member, Registry, WebSocket

from ..serving import BACKENDS, serving

PATIENCE = 120.0
SIZE = 1024
MAX_QUEUE = 20
BATCH = 10  # broadcast at once; below MAX_QUEUE, so that a receiver that reads misses nothing

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame, with a mask that changes nothing (RFC 6455 5.3 forbids none)."""
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def broadcast_app() -> App:
    app = App(registry=Registry(max_queue=MAX_QUEUE))

    @app.websocket("/")
    async def listen(websocket: WebSocket, member: Member) -> None:
        import anyio

        await websocket.accept()
        member.enter("all")
        while True:
            match await websocket.receive_text():
                case "crash":
                    raise LookupError("on purpose")
                case "hang":
                    await anyio.sleep_forever()

    return app


class Receiver:
    """A socket whose bytes are compared with what is expected, and not kept."""

    def __init__(self, port: int, *, small: bool) -> None:
        self.sock = socket.socket()
        if small:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(("127.0.0.1", port))
        self.sock.sendall(REQUEST)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.sock.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        self.sock.setblocking(False)
        self.count = 0

    def read(self, expected: bytes) -> None:
        data = self.sock.recv(2**18)
        assert data, "the server ended the connection"
        assert data == expected[self.count : self.count + len(data)], "lost, changed or out of order"
        self.count += len(data)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def memory() -> int:
    """The most memory that this process has used, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def until(true: Callable[[], bool]) -> None:
    event = threading.Event()
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not come about"
        event.wait(0.01)


CASES = [pytest.param(100, 100, id="100"), pytest.param(1000, 100, id="1000", marks=pytest.mark.long)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("connections", "broadcasts"), CASES)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_broadcast_under_load(backend: str, connections: int, broadcasts: int, capsys: Any) -> None:
    """All who read get every message in order while one in ten does not; nobody stays in the registry."""
    app = broadcast_app()
    registry = app.registry
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # or the system would hold what nobody reads
    listener.bind(("127.0.0.1", 0))
    config = ServerConfig(max_output_size=4096, shutdown_grace=0.2, close_timeout=2.0)
    with serving(app, backend, sock=listener, config=config) as port:
        receivers = [Receiver(port, small=index % 10 == 0) for index in range(connections)]
        slow, fast = receivers[::10], [each for index, each in enumerate(receivers) if index % 10]
        until(lambda: len(registry.ids("all")) == connections)
        before = memory()

        messages = [b"%06d" % number + b"x" * (SIZE - 6) for number in range(broadcasts)]
        expected = b"".join(b"\x82\x7e" + struct.pack(">H", SIZE) + message for message in messages)
        started = time.perf_counter()
        with selectors.DefaultSelector() as selector:
            for each in fast:
                selector.register(each.sock, selectors.EVENT_READ, each)
            for start in range(0, broadcasts, BATCH):
                for message in messages[start : start + BATCH]:
                    registry.broadcast("all", message)
                wanted = (start + BATCH) * (SIZE + 4)
                waiting = sum(each.count < wanted for each in fast)
                while waiting:
                    ready = selector.select(PATIENCE)
                    assert ready, "a receiver waits for what does not come"
                    for key, _ in ready:
                        had = key.data.count >= wanted
                        key.data.read(expected)
                        waiting -= not had and key.data.count >= wanted
        seconds = time.perf_counter() - started

        outboxes = [member.outbox for id in registry.ids() if (member := registry.get(id))]
        queued = [len(outbox._messages) for outbox in outboxes]
        skipped = sum(outbox.skipped > 0 for outbox in outboxes)
        grown = memory() - before
        with capsys.disabled():
            print(
                f"\n{backend}: {connections} connections, {len(slow)} of them not reading, {broadcasts} x {SIZE} B: "
                f"{seconds:.2f} s, {len(fast) * broadcasts / seconds:,.0f} messages/s delivered and checked, "
                f"{skipped} receivers skipped, at most {max(queued)} queued, memory grew by {grown / 2**20:.1f} MiB"
            )
        assert skipped == len(slow)
        assert max(queued) <= MAX_QUEUE
        # Unbounded and one copy each, the slow ones alone would hold all messages; each may have its queue, what the
        # transport holds, and as much again for what is around them.
        assert grown < connections * 2 * (MAX_QUEUE * SIZE + config.max_output_size)

        # Everybody leaves, each in their way; the last ones are still there when the server ends, and are cancelled.
        ways = [fast[index::4] for index in range(4)]
        for each in ways[0]:
            each.sock.sendall(frame(8, struct.pack(">H", 1000)))
        for each in [*ways[1], *slow]:
            each.reset()
        for each in ways[2]:
            each.sock.sendall(frame(1, b"crash"))
        for each in ways[3]:
            each.sock.sendall(frame(1, b"hang"))
        until(lambda: len(registry) == len(ways[3]))
    assert (len(registry), registry.rooms()) == (0, [])
    for each in receivers:
        each.sock.close()
