"""Data that stands for a compressed message has its size, and inflates to the message's size."""

from __future__ import annotations

import zlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wscore._core.frames.deflate import Inflater
from wscore.recording.deflating import deflated

messages = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.text(max_size=40).map(str.encode),
        st.builds(
            lambda word, times: word * times, st.sampled_from([b"x", b"hello world ", b'{"a":1}']), st.integers(0, 200)
        ),
        st.integers(0, 3000).map(lambda size: b"0" * size),
    ),
    max_size=8,
)


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=40)
@given(messages, st.sampled_from([(9, 1, 8), (12, 6, 5), (15, 9, 9)]), st.booleans())
def test_what_was_compressed_can_be_stood_for(sent: list[bytes], how: tuple[int, int, int], takeover: bool):
    """For what zlib compressed, whatever its settings: nearly always, and then exactly."""
    bits, level, memory = how
    inflater = Inflater(window_bits=bits, context_takeover=takeover)
    stream, history = None, False
    for message in sent:
        if stream is None or not takeover:
            stream = zlib.compressobj(level, zlib.DEFLATED, -bits, memory)
        size = len((stream.compress(message) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff"))
        made = deflated(size, len(message), history=history)
        if made is None:
            assert not message or (takeover and len(message) > 8 * size), "only what compresses very well"
            continue
        assert len(made) == size
        content = inflater.inflate(made, len(message)) + inflater.end_message(len(message))
        assert len(content) == len(message)
        assert content.isascii()
        history = takeover and (history or bool(content))


def test_what_cannot_be():
    """Nothing inflates from no bytes, and a byte does not inflate to a thousand."""
    assert deflated(0, 5, history=True) is None
    assert deflated(1, 1000, history=True) is None
    assert deflated(1, 0, history=False) == b"\x00"
