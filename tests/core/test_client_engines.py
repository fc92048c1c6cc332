"""The client's two frame engines agree: on what a server sends, to the event, and on what they write, to the byte."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core import peer
from tests.core.peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame
from tests.core.test_invariants import few
from wscore import Close, Config
from wscore._core.frames.codec import ClientFrameCodec
from wscore._core.frames.deflate import DeflateParameters
from wscore._core.frames.native_client import NativeClientCodec
from wscore._core.frames.wsproto import WsprotoCodec

CONFIG = Config(max_message_size=300, max_fragments=8, compression_min_size=10)
AGREED = DeflateParameters(False, False, 12, 12)
OPCODES = st.sampled_from([TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG, 3, 0xB])

payloads = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=10).map(str.encode),
    st.sampled_from([b"", b"x" * 126, b"y" * 301, b"\xff"]),
)
frames = st.one_of(
    st.builds(frame, st.sampled_from([TEXT, BINARY]), payloads, mask=st.none()),
    st.builds(frame, st.sampled_from([TEXT, BINARY, CONTINUATION]), payloads, fin=st.booleans(), mask=st.none()),
    st.builds(
        frame,
        OPCODES,
        payloads,
        fin=st.booleans(),
        rsv=st.sampled_from([0, 0, 0b100, 0b010]),
        mask=st.sampled_from([None, None, None, peer.MASK]),
        length_in=st.sampled_from([None, None, 64]),
    ),
    st.builds(peer.close, st.sampled_from([1000, 1005, 4000]), st.just("bye"), mask=st.none()),
    st.builds(lambda data: frame(TEXT, peer.Compressor(window_bits=12).payload(data), rsv=0b100, mask=None), payloads),
    st.binary(max_size=12),
)


def codecs(deflate: DeflateParameters | None) -> list[ClientFrameCodec]:
    keys = [iter(n.to_bytes(4) for n in range(1, 1000)) for _ in range(2)]
    return [
        NativeClientCodec(CONFIG, deflate, lambda: next(keys[0])),
        WsprotoCodec(CONFIG, deflate, lambda: next(keys[1])),
    ]


def events(codec: ClientFrameCodec, data: bytes, cut: int | None) -> list[Any]:
    found: list[Any] = []
    for piece in peer.pieces(data, cut):
        codec.receive_data(piece)
        found += codec.messages(1000, 1 << 20)[0]
        found += iter(codec.next_event, None)
    return found


@given(st.lists(frames, max_size=8), st.sampled_from([None, 1, 5]), st.sampled_from([None, AGREED]))
@few
def test_they_read_alike(parts: list[bytes], cut: int | None, deflate: DeflateParameters | None):
    """Whatever a server sends, however it is cut, both give the same messages, control frames and violations."""
    native, oracle = (events(codec, b"".join(parts), cut) for codec in codecs(deflate))
    assert native == oracle


@given(
    st.lists(st.one_of(st.text(max_size=200), st.binary(max_size=200), st.just(b"z" * 70_000)), max_size=6),
    st.lists(st.text(max_size=30), min_size=1, max_size=4),
    st.sampled_from([None, AGREED, DeflateParameters(True, True, 9, 9), DeflateParameters(False, False, 8, 8)]),
)
@few
def test_they_write_alike(messages: list[str | bytes], parts: list[str], deflate: DeflateParameters | None):
    """Messages, fragments and control frames are the same bytes, masked with the same keys."""
    native, oracle = codecs(deflate)
    for message in messages:
        if isinstance(message, str):
            assert native.text(message) == oracle.text(message)
        else:
            assert native.binary(message) == oracle.binary(message)
    for text in (True, False):
        for at, part in enumerate(parts):
            options = {"first": at == 0, "final": at == len(parts) - 1}
            fragment = part if text else part.encode()
            assert native.fragment(fragment, **options) == oracle.fragment(fragment, **options)
    assert native.ping(b"p") == oracle.ping(b"p")
    assert native.pong(b"") == oracle.pong(b"")
    assert native.close(Close(4000, "bye")) == oracle.close(Close(4000, "bye"))
    assert native.close(Close(None)) == oracle.close(Close(None))


@pytest.mark.parametrize("mask", [peer.MASK, bytes(4)])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_neither_takes_a_masked_frame(opcode: int, mask: bytes):
    """A server's frame that is masked, be it with zeros, is a violation to both (RFC 6455 5.1)."""
    for codec in codecs(None):
        [violation] = events(codec, frame(opcode, b"hello", mask=mask), None)
        assert violation.code == 1002
