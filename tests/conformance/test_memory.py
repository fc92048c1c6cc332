"""What a hostile peer costs in memory: the growth of a server's process stays below a stated bound.

The figures are printed; on two machines they differ, so the bounds leave room. Each is far below what the peer sent.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
import time
from collections.abc import Callable, Sequence

import pytest

from ..real_time import PATIENCE, scaled
from .harness import Transport
from .subprocesses import ServerProcess, server_process
from .wire import BINARY, TEXT, Wire, deflated, frame, request

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

LogEntry = Callable[[str, float, float, float], None]


@pytest.fixture
def report(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> LogEntry:
    def show(what: str, sent: float, growth: float, bound: float) -> None:
        line = (
            f"{request.node.name}: {what}: {sent:.0f} MiB sent, grew by {growth:.1f} MiB at the peak, bound {bound} MiB"
        )
        with capsys.disabled():
            print(f"\n{line}")
        assert growth < bound, line

    return show


def send_until_stuck(wires: Sequence[Wire], data: bytes, limit: int) -> float:
    """Send on all of them until nobody reads for a while, or `limit` bytes each; give MiB sent."""
    sent = dict.fromkeys(wires, 0)
    with selectors.DefaultSelector() as selector:
        for wire in wires:
            wire.sock.setblocking(False)
            selector.register(wire.sock, selectors.EVENT_WRITE, wire)
        while selector.get_map() and (ready := selector.select(scaled(0.2))):
            for key, _ in ready:
                wire = key.data
                with contextlib.suppress(BlockingIOError):
                    try:
                        sent[wire] += wire.sock.send(memoryview(data)[sent[wire] % len(data) :])
                    except (ConnectionResetError, BrokenPipeError):
                        sent[wire] = limit
                if sent[wire] >= limit:
                    selector.unregister(wire.sock)
    for wire in wires:
        wire.sock.settimeout(PATIENCE)
    return sum(sent.values()) / 2**20


def warm(server: ServerProcess, target: str = "/") -> float:
    """Have everything imported and used once."""
    for _ in range(3):
        wire = server.connect()
        wire.send(request(target=target))
        wire.send_eof()
        wire.read_to_any_end()
        wire.close()
    server.forget_peak()
    return server.memory()


def test_e26_flood_before_the_accept(transport: Transport, report: LogEntry) -> None:
    """E26: what comes before the accept is held up to a small cap; then TCP stops the client."""
    with server_process(transport.name, "undecided") as server:
        before = warm(server)
        wires = [server.connect() for _ in range(5)]
        for wire in wires:
            wire.send(request())
        sent = send_until_stuck(wires, frame(BINARY, bytes(2**16)) * 16, 2**25)
        report("5 clients flood before the accept", sent, server.peak() - before, 15)


def test_flood_while_the_application_does_not_read(transport: Transport, report: LogEntry) -> None:
    """Messages that an application does not ask for are held up to max_queue_size; then TCP stops the client."""
    with server_process(transport.name, "deaf", max_queue_size=2**20) as server:
        before = warm(server)
        wires = [server.open() for _ in range(5)]
        sent = send_until_stuck(wires, frame(BINARY, bytes(2**16)) * 16, 2**26)
        report("5 clients flood a deaf application", sent, server.peak() - before, 40)
        wire = server.open(target="/echo")
        wire.send(frame(TEXT, "x"))
        assert wire.read_text() == "x"


def test_flood_of_tiny_messages(transport: Transport, report: LogEntry) -> None:
    """Messages of a byte each are bounded by their count."""
    with server_process(transport.name, "deaf") as server:
        before = warm(server)
        wires = [server.open() for _ in range(5)]
        sent = send_until_stuck(wires, frame(TEXT, "x") * 100_000, 2**24)
        report("5 clients send tiny messages", sent, server.peak() - before, 25)


def test_d6_deflate_bomb(transport: Transport, report: LogEntry) -> None:
    """D6: a compressed message that inflates to 64 MiB never takes more than the message limit and a little."""
    with server_process(transport.name, "echo", max_message_size=2**20) as server:
        before = warm(server)
        bomb = deflated(bytes(2**26))
        for _ in range(5):
            wire = server.open(("Sec-WebSocket-Extensions", "permessage-deflate"))
            wire.send_regardless(frame(BINARY, bomb, rsv=4))
            assert wire.read_close().code == 1009
            wire.close()
        report("5 deflate bombs of 64 MiB", 5 * len(bomb) / 2**20, server.peak() - before, 12)


def test_d6_bomb_of_many_fragments(transport: Transport, report: LogEntry) -> None:
    """A bomb spread over many small messages is held up by the queue where the application does not read."""
    with server_process(transport.name, "deaf", max_queue_size=2**20) as server:
        before = warm(server)
        wire = server.open(("Sec-WebSocket-Extensions", "permessage-deflate; client_no_context_takeover"))
        message = frame(BINARY, deflated(bytes(2**20)), rsv=4)
        sent = send_until_stuck([wire], message * 200, len(message) * 2000)
        report("messages of 1 KiB that inflate to 1 MiB", sent, server.peak() - before, 20)


def test_slow_heads(transport: Transport, report: LogEntry) -> None:
    """200 connections that send half a head of 10 KiB cost little more than those 10 KiB each."""
    with server_process(transport.name, "echo") as server:
        before = warm(server)
        wires = [server.connect() for _ in range(200)]
        for wire in wires:
            wire.send(b"GET / HTTP/1.1\r\nX-A: " + b"b" * 10_000)
        fence = server.open()  # accepted, and read, after them
        fence.send(frame(TEXT, "x"))
        assert fence.read_text() == "x"
        report("200 half heads", 200 * 10_000 / 2**20, server.peak() - before, 25)


def test_a_client_that_never_reads(transport: Transport, report: LogEntry) -> None:
    """An application that sends for ever to clients that never read is stopped by its send()."""
    with server_process(transport.name, "flood") as server:
        before = warm(server)
        wires = []
        for _ in range(5):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", server.port))
            wires.append(Wire(sock))
            server.clients.callback(sock.close)
            wires[-1].upgrade()
        time.sleep(0.5)  # what is measured is what it takes in that time
        report("5 clients that never read", 0, server.peak() - before, 15)
