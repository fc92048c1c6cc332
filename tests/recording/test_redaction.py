"""What may stand in a recording, and what may not."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core import peer
from tests.core.test_invariants import EXAMPLES
from wscore import Config, parse_uri
from wscore.recording import Payloads
from wscore.recording.redaction import Redaction
from wscore.testing.frames import AnnotatedBytes

from .memory import MemoryRecorder

few = settings(deadline=None, max_examples=max(EXAMPLES // 3, 1), suppress_health_check=list(HealthCheck))
SECRET = "s3cr3tS3cr3tS3cr3t"
HEAD = peer.head(
    f"Authorization: Bearer {SECRET}".encode(),
    f"Proxy-Authorization: Basic {SECRET}".encode(),
    f"Cookie: a=1; session={SECRET}".encode(),
    f"X-Api-Key: {SECRET}".encode(),
    f"X-Auth-Token:{SECRET}".encode(),
    f"Referer: https://h/p?token={SECRET}".encode(),
    f"Sec-WebSocket-Protocol: chat, {SECRET}".encode(),
    f"Authorization: folded\r\n {SECRET}".encode(),
    b"User-Agent: harmless",
    line=f"GET /chat?token={SECRET} HTTP/1.1".encode(),
)


@few
@given(places=st.lists(st.integers(0, len(HEAD)), max_size=12), payloads=st.sampled_from(["whole", "hashed"]))
def test_no_credential_stands_in_a_recording(places: list[int], payloads: Payloads):
    """Wherever the head is cut: neither as bytes nor in the scope, the accept, the answer; other headers do stand."""
    recorder = MemoryRecorder(payloads)
    connection = recorder.server(Config(), now=0)
    head = HEAD.replace(b"Authorization: folded\r\n " + SECRET.encode() + b"\r\n", b"")
    for piece in AnnotatedBytes(head).cut(places):
        connection.receive_data(piece, now=0)
    cookie = [(b"set-cookie", f"session={SECRET}".encode())]
    connection.send({"type": "websocket.accept", "subprotocol": SECRET, "headers": cookie}, now=1)
    connection.data_to_send()
    recorder.connections[0].finish()
    text = "\n".join(recorder.journals[0].lines)
    assert SECRET not in text
    assert SECRET.encode().hex() not in text
    assert "harmless" in text
    assert places or "/chat?" in text
    assert [found.difference for found in recorder.replays()] == [None]


def test_a_folded_value_is_redacted_too():
    """RFC 9112 5.2: a line that begins with a space continues the header before it."""
    redacted = Redaction(on=True).head(HEAD)
    assert SECRET.encode() not in redacted
    assert len(redacted) == len(HEAD)


@few
@given(st.binary(max_size=80), st.sampled_from([HEAD, b""]))
def test_redacting_twice_changes_nothing(junk: bytes, head: bytes):
    """What is redacted is as long as it was, and stays as it is; so a replay's recording is the recording."""
    data = head[: len(head) // 2] + junk + head[len(head) // 2 :]
    once = Redaction(on=True).head(data)
    assert len(once) == len(data)
    assert Redaction(on=True).head(once) == once
    assert Redaction(on=False).head(data) == data


def test_a_clients_credentials_are_redacted():
    """User information and query of the URI, headers, and what the request makes of them."""
    recorder = MemoryRecorder()
    uri = parse_uri(f"ws://user:{SECRET}@h/p?token={SECRET}")
    headers = {"X-Token": SECRET, "X-Other": "kept"}
    client = recorder.client(uri, Config(), now=0, random=bytes, headers=headers, subprotocols=[SECRET, "chat"])
    assert SECRET.encode() in client.data_to_send()
    client.connection_lost(now=1)
    text = "\n".join(recorder.journals[0].lines)
    assert SECRET not in text
    assert "kept" in text
    assert "dXNlcjp" not in text, "the user's name in Base64"
    assert [found.difference for found in recorder.replays()] == [None]


def test_credentials_are_kept_where_that_is_asked_for():
    """`Recorder(credentials=True)` keeps the head as it was."""
    recorder = MemoryRecorder(credentials=True)
    connection = recorder.server(Config(), now=0)
    connection.receive_data(peer.head(f"Cookie: {SECRET}".encode()), now=0)
    assert SECRET in recorder.journals[0].lines[1]
    assert [found.difference for found in recorder.replays()] == [None]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("chat", True),
        ("graphql-transport-ws", True),
        ("v10.stomp", True),
        ("abcdefghijk1", False),
        ("bearer.eyJhbGciOiJIUzI1NiJ9.e30.abc", False),
        ("a-subprotocol-with-a-long-name", False),
    ],
)
def test_subprotocols_that_look_like_tokens(name: str, kept: bool):
    """Long names, and shorter ones with a digit, are taken for tokens; two of them stay two."""
    redaction = Redaction(on=True)
    assert (redaction.subprotocol(name) == name) is kept
    assert redaction.subprotocol(name) == redaction.subprotocol(name)
    assert redaction.subprotocol(name) != redaction.subprotocol(f"{name[:-1]}_")


@pytest.mark.parametrize("payloads", ["hashed", "truncated"])
def test_no_payload_stands_in_a_hashed_recording(payloads: Payloads):
    """Neither of what came nor of what was sent, neither whole nor in fragments nor in a refusal's body."""
    recorder = MemoryRecorder(payloads)
    connection = recorder.server(Config(), now=0)
    connection.receive_data(peer.head(), now=0)
    connection.next_message(now=0)
    connection.send({"type": "websocket.accept"}, now=0)
    for frame in (peer.text(SECRET), *peer.fragments(2, SECRET.encode(), SECRET.encode())):
        connection.receive_data(frame, now=0)
    for _ in range(2):
        message = connection.next_message(now=0)
        assert message is not None
        connection.send({**message, "type": "websocket.send"}, now=0)
    connection.data_to_send()
    other = recorder.server(Config(), now=0)
    other.receive_data(peer.head(), now=0)
    other.send({"type": "websocket.http.response.start", "status": 403}, now=0)
    other.send({"type": "websocket.http.response.body", "body": SECRET.encode(), "more_body": True}, now=0)
    other.send({"type": "websocket.http.response.body", "body": SECRET.encode()}, now=0)
    other.data_to_send()
    for journal in recorder.journals:
        text = "\n".join(journal.lines)
        assert SECRET not in text
        assert SECRET.encode().hex() not in text
    sizes = [message["size"] for line in recorder.recording().lines for message in line.get("messages", ())]
    assert sizes == [len(SECRET), 2 * len(SECRET)]
    assert [found.difference for found in recorder.replays()] == [None, None]
