"""What the suite judges with: its own frames, heads and extensions, and scripts that need no socket."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscore.conformance.cases import CASES, chosen
from wscore.conformance.deflate import BadExtensions, Compressor, Decompressor, Parameters, extensions, parameters
from wscore.conformance.frames import MASK, BadFrame, Frame, FrameReader, Opcode, encode
from wscore.conformance.heads import BadHead, accept_of, read_head
from wscore.conformance.outcome import Failed
from wscore.conformance.server_peer import Address, ServerPeer
from wscore.conformance.steps import Gone, Note, Receive, Reply, Send, Step

PAYLOADS = st.one_of(st.binary(max_size=130), st.sampled_from([b"x" * 125, b"x" * 126, b"x" * 65535, b"x" * 65536]))


@given(PAYLOADS, st.sampled_from([0, 1, 2]), st.booleans(), st.integers(0, 7), st.sampled_from([None, MASK]), st.data())
def test_frames_are_read_as_they_were_written(
    payload: bytes, opcode: int, fin: bool, rsv: int, mask: bytes | None, data: st.DataObject
) -> None:
    """However the bytes are cut."""
    written = encode(opcode, payload, fin=fin, rsv=rsv, mask=mask)
    cut = data.draw(st.integers(0, min(len(written) - 1, 20)))
    reader = FrameReader()
    reader.feed(written[:cut])
    assert reader.next_frame() is None
    reader.feed(written[cut:])
    assert reader.next_frame() == Frame(opcode, payload, fin, rsv, mask)
    assert not reader.is_within_frame


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (encode(3), "the reserved opcode 0x3"),
        (encode(Opcode.PING, b"x", fin=False), "a ping frame in fragments"),
        (encode(Opcode.CLOSE, b"x" * 126), "a close frame of 126 bytes"),
        (encode(Opcode.TEXT, b"x", length=b"\x7e\x00\x01"), "a length of 1 that is not in its shortest form"),
        (encode(Opcode.TEXT, b"x", length=b"\x7f" + bytes(6) + b"\xff\xff"), "a length of 65535 that is not"),
        (encode(Opcode.TEXT, b"", length=b"\x7f\x80" + bytes(7)), "with the most significant bit set"),
    ],
)
def test_a_frame_that_is_wrong_is_named(written: bytes, says: str) -> None:
    """What no endpoint may write is not forgiven."""
    reader = FrameReader()
    reader.feed(written)
    with pytest.raises(BadFrame, match=re.escape(says)):
        reader.next_frame()


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(8, 15), st.booleans())
def test_messages_inflate_to_what_they_were(messages: list[bytes], bits: int, takeover: bool) -> None:
    """With each window and with context takeover or without."""
    compressor, decompressor = Compressor(bits=bits, takeover=takeover), Decompressor(bits=bits, takeover=takeover)
    for message in messages:
        assert decompressor.message(compressor.message(message)) == message
    assert decompressor.message(compressor.message(b"last", final=True)) == b"last"


def test_extensions_are_read() -> None:
    """Names with their parameters, quoted values among them."""
    assert extensions(['a; b="10"; c', "d;e=1"]) == [("a", [("b", "10"), ("c", None)]), ("d", [("e", "1")])]
    agreed = parameters([("server_max_window_bits", "10"), ("client_no_context_takeover", None)])
    assert agreed == Parameters(client_no_context_takeover=True, server_max_window_bits=10)


@pytest.mark.parametrize("given_text", ["a=1", "a; b=", "a;;b", "a b", 'a; b="c d"'])
def test_extensions_that_break_the_grammar(given_text: str) -> None:
    """They are a fault of the peer's."""
    with pytest.raises(BadExtensions):
        extensions([given_text])


@pytest.mark.parametrize(
    "pairs",
    [
        [("unknown", None)],
        [("server_max_window_bits", "7")],
        [("server_max_window_bits", "010")],
        [("client_max_window_bits", None)],
        [("server_no_context_takeover", "1")],
        [("server_no_context_takeover", None)] * 2,
    ],
)
def test_parameters_that_break_the_rules(pairs: list[tuple[str, str | None]]) -> None:
    """They are a fault of the peer's."""
    with pytest.raises(BadExtensions):
        parameters(pairs)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 OK\r\n\r\n",
        b"SSH-2.0\r\n\r\n",
        b"HTTP/1.1 101 x\r\nno colon\r\n\r\n",
        b"HTTP/1.1 101 x\r\na : b\r\n\r\n",
    ],
)
def test_a_head_that_breaks_the_grammar(head: bytes) -> None:
    """It is a fault of the peer's."""
    with pytest.raises(BadHead):
        read_head(head, response=True)


def test_the_accept_is_that_of_the_rfc() -> None:
    """RFC 6455 1.3 has an example."""
    assert accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def _held(case: str, *replies: Reply) -> list[Step]:
    """Hold a case without a socket: each wait takes the next reply. Raises what the script raises."""
    [found] = chosen("server", [case])
    assert found.server is not None
    script, left, steps = found.server(ServerPeer(Address())), list(replies), list[Step]()
    reply: Reply = None
    while True:
        try:
            steps.append(script.send(reply))
        except StopIteration:
            return steps
        reply = left.pop(0) if isinstance(steps[-1], Receive) else None


def test_a_case_needs_no_socket() -> None:
    """It asks for steps, and judges what comes of them."""
    steps = _held("frames.length.1-text", ACCEPTED[:50], ACCEPTED[50:] + b"\x81\x01*")
    assert [type(step) for step in steps if not isinstance(step, Note)] == [Send, Receive, Receive, Send]
    assert isinstance(steps[-2], Send)
    assert steps[-2].data == encode(Opcode.TEXT, b"*", mask=MASK)
    assert steps[-1] == Note("text b'*'")


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (b"\x82\x01*", "a binary b'*' came in place of the echo of a text b'*'"),
        (b"\x81\x01x", "a text b'x' came in place of the echo"),
        (b"\x81\x81\x00\x00\x00\x00*", "it sent a frame that is masked"),
        (b"\xc1\x01*", "it sent a frame with the reserved bits 100"),
        (b"\x80\x01*", "it sent a continuation frame outside a message"),
        (b"\x01\x01*\x81\x01*", "it sent a text frame within a message"),
        (b"\x81\x01\xff", "it sent text that is not UTF-8"),
        (b"\x88\x02\x03\xed", "it sent a close frame with 1005, which must not be sent"),
        (b"\x88\x01\x03", "it sent a close frame of one byte"),
        (b"\x88\x03\x03\xe8\xff", "it sent a close frame whose reason is not UTF-8"),
        (Gone.RESET, "a reset came in place of the echo"),
    ],
)
def test_what_a_peer_sends_is_held_to_the_rules(reply: bytes | Gone, says: str) -> None:
    """In every case, whatever it is about."""
    with pytest.raises(Failed, match=re.escape(says)):
        _held("frames.length.1-text", ACCEPTED, reply)


def test_each_case_has_an_id_of_its_own() -> None:
    """Ids are lower case in two or more parts, each case says what has to happen, and where that is written."""
    assert len({case.id for case in CASES}) == len(CASES)
    for case in CASES:
        assert re.fullmatch(r"[a-z0-9]+(\.[a-z0-9+-]+)+", case.id), case.id
        assert case.title.endswith("."), case.title
        assert re.fullmatch(r"RFC \d{4} [\d.]+", case.source), case.source
