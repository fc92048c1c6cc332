"""Each call that a core has is recorded, replayed and drawn."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from tests.core import peer
from wscore import Config, InvalidMessage, LocalProtocolError, PreparedMessage
from wscore._cli.replay.conversation import conversation
from wscore._cli.replay.diagram import diagram
from wscore._cli.replay.page import page
from wscore.recording import Payloads, Recording, replay

from .memory import MemoryRecorder

TLS = {"tls_version": 0x0304, "client_cert_chain": [], "cipher_suite": 0x1301}
ACCEPTANCE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
)


def drawn(recording: Recording) -> list[str]:
    """Replay and draw, and return the rows' titles."""
    found = replay(recording)
    assert (found.difference, found.untold) == (None, None)
    rows = conversation(recording)
    assert all(len(line) <= 60 for line in diagram(recording, rows, width=60, differs=None))
    text = page(recording, rows, found)
    assert text.count('<details class="row"') == len(rows)
    return [row.title for row in rows]


@pytest.mark.parametrize("payloads", ["whole", "hashed"])
def test_a_servers_calls(payloads: Payloads):
    """Inputs of the network, the application, the operator and the transport."""
    recorder = MemoryRecorder(payloads)
    server: Any = recorder.server(Config(), now=0)
    server.secured(TLS)
    server.receive_data(peer.head(), now=0)
    server.next_message(now=0)
    server.send({"type": "websocket.accept", "headers": iter([(b"a", b"b")])}, now=0)
    assert server.send_nowait(PreparedMessage("to all"))
    server.data_to_send()
    server.receive_data(peer.binary(b"x" * 200)[:100], now=1)
    server.receive_data(peer.binary(b"x" * 200)[100:] + b"\x8b\x00", now=1)
    server.report_unsent(10, now=1)
    server.report_unsent(0, now=1)
    server.next_message(now=1)
    for wrong in ({"type": "websocket.send", "text": 5}, 7):
        with pytest.raises(InvalidMessage):
            server.send(wrong, now=1)
    with pytest.raises(InvalidMessage):
        server.begin_shutdown(now=1, code=1)
    server.begin_shutdown(now=2, reason="enough")
    server.data_to_send()
    server.application_raised(now=3)
    server.handle_timeout(now=30)
    server.forget_scope()
    titles = drawn(recorder.recording())
    for title in (
        "transport: TLS is up",
        "websocket.accept",
        "text, 6 bytes",
        "binary, 200 bytes",
        "opcode 0xb, which is reserved, 0 bytes",
        "send - InvalidMessage",
        "operator: shutdown",
        "raised",
        "clock: a deadline has passed",
    ):
        assert title in titles


def test_a_refusals_calls():
    """A server that is full, and an application that denies in parts."""
    recorder = MemoryRecorder("hashed")
    full: Any = recorder.server(Config(), now=0)
    full.reject(now=0)
    full.receive_data(peer.head(), now=0)
    full.data_to_send()
    denied: Any = recorder.server(Config(), now=0)
    denied.receive_data(peer.head(), now=0)
    denied.send({"type": "websocket.http.response.start", "status": 404, "headers": [(b"a", b"b")]}, now=0)
    denied.send({"type": "websocket.http.response.body", "body": b"part", "more_body": True}, now=0)
    denied.send({"type": "websocket.http.response.body"}, now=0)
    denied.data_to_send()
    assert "operator: too many connections" in drawn(recorder.recording(0))
    titles = drawn(recorder.recording(1))
    assert "websocket.http.response.start, 404" in titles
    assert "HTTP/1.1 404 Not Found" in titles


@pytest.mark.parametrize("payloads", ["whole", "truncated", "hashed"])
def test_a_clients_calls(payloads: Payloads):
    """A client's own: pings and pongs, fragments, an abandoned message, a close; and what it refuses."""
    recorder = MemoryRecorder(payloads)
    client: Any = recorder.client("ws://h/", Config(compression=False), now=0, random=bytes)
    with pytest.raises(LocalProtocolError):
        client.send("early", now=0)
    client.data_to_send()
    accept = b"ICX+Yqv66kxgM0FcWaLWlFLwTAI="  # for a key of zeros
    acceptance = ACCEPTANCE % accept
    client.receive_data(acceptance[:40], now=0)
    client.receive_data(acceptance[40:] + b"\x81\x05hello", now=0)
    assert client.opened
    assert client.next_message(now=0) == "hello"
    assert client.next_message(now=0) is None
    client.ping(b"mine", now=1)
    client.ping(now=1)
    client.receive_data(b"\x8a\x04mine", now=2)
    assert client.pongs_received() == [(b"mine", 1)]
    assert client.pongs_received() == []
    for wrong in (5, "\ud800"):
        with pytest.raises(InvalidMessage):
            client.send(wrong, now=2)
    with pytest.raises(InvalidMessage):
        client.ping("text", now=2)
    with pytest.raises(InvalidMessage):
        client.close(5, now=2)
    client.send(bytearray(b"whole"), now=2)
    client.send_fragment("part", final=False, now=2)
    client.abandon_message(now=3)
    client.data_to_send()
    client.close(now=3)
    client.connection_lost(now=4, error=OSError(104, "Connection reset by peer"))
    with suppress(ConnectionError):
        client.send("late", now=5)
    titles = drawn(recorder.recording())
    for title in (
        "pong 6d696e65 after 1000.0 ms",
        "ping 6d696e65",
        "send - InvalidMessage",
        "abandons a message",
        "text, not final, 4 bytes",
        "text, 5 bytes",
        "close, 1000",
        "transport: the connection is gone",
    ):
        assert title in titles


def test_a_clients_refusal():
    """A body in chunks, whose sizes stay while its content goes."""
    recorder = MemoryRecorder("hashed")
    client: Any = recorder.client("ws://h/", Config(), now=0, random=bytes)
    client.data_to_send()
    refusal = b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsecr\r\n2\r\net\r\n0\r\n\r\n"
    client.receive_data(refusal[:60], now=1)
    client.receive_data(refusal[60:], now=1)
    assert client.response.body == b"secret"
    assert "HTTP/1.1 403 Forbidden" in drawn(recorder.recording())
