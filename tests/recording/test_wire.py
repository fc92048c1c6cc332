"""One direction's bytes are taken apart the same way however they are cut, and nothing is lost."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core import peer
from tests.core.test_invariants import EXAMPLES, closes, hostile_frames, requests, valid_frames
from wscore.recording.wire import WireReader
from wscore.testing.frames import AnnotatedBytes

RESPONSES = [
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nlink: </s>\r\n\r\nHTTP/1.1 101 \r\n\r\n",
    b"HTTP/1.1 403 Forbidden\r\ncontent-length: 3\r\n\r\nabc",
    b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n10; x=y\r\n0123456789abcdef\r\n0\r\nt: 1\r\n\r\n",
    b"HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\nnot a size\r\nabc",
    b"nothing of the kind\n\n",
]
few = settings(deadline=None, max_examples=max(EXAMPLES // 2, 1), suppress_health_check=list(HealthCheck))
streams = st.lists(st.one_of(valid_frames, closes, hostile_frames), max_size=6).map(b"".join)


def taken_apart(pieces: list[bytes], kind: Literal["request", "response"]) -> list[tuple[str, bytes, int]]:
    """Read pieces, and join what is of the same kind and frame."""
    reader = WireReader(kind)
    joined: list[tuple[str, bytes, int]] = []
    for piece in pieces:
        for segment in reader.read(piece):
            assert segment.data
            at = -1 if segment.frame is None else segment.frame.message
            if joined and joined[-1][0] == segment.kind:
                joined[-1] = (segment.kind, joined[-1][1] + segment.data, at)
            else:
                joined.append((segment.kind, segment.data, at))
    return joined


@few
@given(
    head=st.one_of(
        requests.map(lambda head: ("request", head)), st.sampled_from(RESPONSES).map(lambda r: ("response", r))
    ),
    stream=streams,
    places=st.lists(st.integers(0, 500), max_size=20),
)
def test_cuts_change_nothing(head: tuple[Literal["request", "response"], bytes], stream: bytes, places: list[int]):
    """Bytes that come one by one, at once, or cut anywhere, have the same heads, frames and bodies."""
    data = head[1] + stream
    whole = taken_apart([data], head[0])
    assert b"".join(piece for _, piece, _ in whole) == data
    assert taken_apart(AnnotatedBytes(data).cut(places), head[0]) == whole
    assert taken_apart([data[at : at + 1] for at in range(len(data))], head[0]) == whole


def test_what_stands_in_a_stream():
    """A head, a compressed message in two frames with a ping between them, and a close."""
    data = (
        peer.head() + peer.frame(1, b"ab", rsv=4, fin=False) + peer.ping(b"p") + peer.frame(0, b"c") + peer.close(1000)
    )
    seen = [
        (segment.kind, segment.frame.opcode, segment.frame.message, segment.frame.compressed, segment.frame.final)
        for segment in WireReader("request").read(data)
        if segment.frame is not None
    ]
    assert seen == [
        ("header", 1, 0, True, False),
        ("payload", 1, 0, True, False),
        ("header", 9, -1, False, True),
        ("control", 9, -1, False, True),
        ("header", 0, 0, True, True),
        ("payload", 0, 0, True, True),
        ("header", 8, -1, False, True),
        ("control", 8, -1, False, True),
    ]


@pytest.mark.parametrize(
    ("response", "kinds"),
    [
        (RESPONSES[2], ["head", "body"]),
        (RESPONSES[3], ["head", "framing", "body", "framing", "body", "framing"]),
        (RESPONSES[1] + b"\x81\x01x", ["head", "header", "payload"]),
    ],
)
def test_what_follows_a_head(response: bytes, kinds: list[str]):
    """A refusal's body is told from its chunks' sizes, and a 101 after an interim response has frames."""
    assert [kind for kind, _, _ in taken_apart([response], "response")] == kinds
