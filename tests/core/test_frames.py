"""Frames on an open connection: messages, control frames, violations and limits (RFC 6455 5-8).

Every test runs with the client's bytes whole, byte by byte, and in sevens, which fall across headers, masks and code
points: how the network cuts them changes nothing (F30, I1). Nearly every one runs on a plain connection and again on
one with permessage-deflate, where the same frames, uncompressed, mean the same.
"""

from __future__ import annotations

import itertools
import random
import tracemalloc
from typing import Any

import pytest

from tests.core.peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Client,
    Compressor,
    Frame,
    binary,
    close,
    fragments,
    frame,
    head,
    ping,
    pong,
    text,
)
from wscore import Config, State

CUTS = {"whole": None, "byte by byte": 1, "in sevens": 7}
OFFERS = {"plain": b"", "deflate": b"permessage-deflate"}


@pytest.fixture(params=list(CUTS.values()), ids=list(CUTS))
def cut(request: pytest.FixtureRequest) -> int | None:
    cut: int | None = request.param
    return cut


@pytest.fixture(params=list(OFFERS.values()), ids=list(OFFERS))
def offer(request: pytest.FixtureRequest) -> bytes:
    offer: bytes = request.param
    return offer


@pytest.fixture
def client(cut: int | None, offer: bytes) -> Client:
    return opened(cut, offer)


def opened(cut: int | None = None, offer: bytes = b"", config: Config | None = None) -> Client:
    client = Client(config, cut=cut)
    if offer:
        client.opens_compressed(offer)
    else:
        client.opens()
    return client


def received(*messages: str | bytes) -> list[dict[str, Any]]:
    return [
        {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message} for message in messages
    ]


def disconnect(code: int, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


REASONS = {1002: "protocol error", 1007: "invalid payload", 1009: "message too big"}


def fails(client: Client, code: int, *before: str | bytes) -> None:
    """The connection has failed with `code`, after the messages `before`: one close frame, one disconnect, and what
    still comes is ignored until the connection is closed at the close timeout."""
    connection = client.connection
    reason = REASONS[code]
    assert client.app_receives() == [*received(*before), disconnect(code, reason)]
    assert client.reads_frames() == [Frame(CLOSE, code.to_bytes(2) + reason.encode())]
    assert connection.close_info is not None
    assert (connection.close_info.cause, connection.close_info.code) == ("violation", code)
    assert connection.state is State.LINGERING
    client.sends(text("ignored"), ping(b"ignored"), close(1000), b"\xff" * 20)
    client.ends_its_stream()
    assert (client.app_receives(), client.reads()) == ([], b"")
    deadline = connection.next_timeout()
    assert deadline is not None
    connection.handle_timeout(now=deadline)
    assert connection.state is State.CLOSED
    assert (client.app_receives(), client.reads()) == ([], b"")


# -- what a message is


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70000])
@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\0\xff\0", b"\x37\xfa\x21\x3d"])
def test_messages_of_each_length_and_mask_go_both_ways(size: int, mask: bytes, offer: bytes) -> None:
    """The three encodings of a length (RFC 6455 5.2), and masks that show or hide nothing."""
    client = opened(None, offer)
    message = random.Random(size).randbytes(size)
    client.sends(binary(message, mask=mask), text("x" * size, mask=mask))
    assert client.app_receives() == received(message, "x" * size)
    client.app_sends("websocket.send", bytes=message)
    client.app_sends("websocket.send", text="x" * size)
    first, second = client.reads_frames()
    assert (first.opcode, second.opcode) == (BINARY, TEXT)
    if not offer:
        assert (first.payload, second.payload) == (message, b"x" * size)


# -- F1-F10: violations that show in a header


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
def test_f1_an_unmasked_frame_fails_with_1002(client: Client, opcode: int) -> None:
    """RFC 6455 5.1."""
    client.sends(frame(opcode, b"", mask=None))
    fails(client, 1002)


@pytest.mark.parametrize("rsv", [0b010, 0b001, 0b011, 0b110, 0b111])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_f2_rsv2_and_rsv3_fail_with_1002(client: Client, rsv: int, opcode: int) -> None:
    """RFC 6455 5.2: no extension that we speak gives them a meaning."""
    client.sends(frame(opcode, b"", rsv=rsv))
    fails(client, 1002)


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_f3_rsv1_without_the_extension_fails_with_1002(cut: int | None, opcode: int) -> None:
    """RFC 6455 5.2: permessage-deflate was not agreed on."""
    client = opened(cut)
    client.sends(frame(opcode, b"", rsv=0b100))
    fails(client, 1002)


@pytest.mark.parametrize("opcode", [*range(3, 8), *range(0xB, 0x10)])
@pytest.mark.parametrize("fin", [True, False])
def test_f4_a_reserved_opcode_fails_with_1002(client: Client, opcode: int, fin: bool) -> None:
    """RFC 6455 5.2."""
    client.sends(frame(opcode, b"x", fin=fin))
    fails(client, 1002)


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_f5_a_fragmented_control_frame_fails_with_1002(client: Client, opcode: int) -> None:
    """RFC 6455 5.5."""
    client.sends(frame(opcode, b"", fin=False))
    fails(client, 1002)


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
@pytest.mark.parametrize("size", [126, 65536])
def test_f6_a_control_payload_above_125_bytes_fails_with_1002(client: Client, opcode: int, size: int) -> None:
    """RFC 6455 5.5. It shows in the header: none of the payload is waited for."""
    client.sends(frame(opcode, b"", announces=size))
    fails(client, 1002)


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("before", [[], [text("whole")], fragments(TEXT, b"wh", b"ole")])
def test_f7_a_continuation_without_a_start_fails_with_1002(client: Client, fin: bool, before: list[bytes]) -> None:
    """RFC 6455 5.4; also after a message that is finished."""
    client.sends(*before, frame(CONTINUATION, b"x", fin=fin))
    fails(client, 1002, *(["whole"] if before else []))


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("first", [b"start", b""])
def test_f8_a_new_message_inside_a_fragmented_one_fails_with_1002(client: Client, opcode: int, first: bytes) -> None:
    """RFC 6455 5.4: fragments of two messages are not interleaved."""
    client.sends(frame(TEXT, first, fin=False), frame(opcode, b"x"))
    fails(client, 1002)


def test_f7_and_f8_show_in_the_header(client: Client) -> None:
    """No byte of the payload is waited for."""
    client.sends(frame(TEXT, b"start", fin=False), frame(TEXT, b"", announces=10))
    fails(client, 1002)
    client = opened(client.cut)
    client.sends(frame(CONTINUATION, b"", announces=10))
    fails(client, 1002)


def test_f8_a_compressed_message_inside_a_fragmented_one_fails_with_1002(cut: int | None) -> None:
    """Even where what it holds is no deflate data: it is not looked at."""
    client = opened(cut, OFFERS["deflate"])
    client.sends(frame(TEXT, b"start", fin=False), frame(TEXT, b"\xff\xff\xff", rsv=0b100))
    fails(client, 1002)


@pytest.mark.parametrize(("size", "length_in"), [(0, 16), (125, 16), (0, 64), (126, 64), (65535, 64)])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_f9_a_length_not_in_its_shortest_form_fails_with_1002(
    client: Client, size: int, length_in: int, opcode: int
) -> None:
    """RFC 6455 5.2: the minimal number of bytes must be used."""
    client.sends(frame(opcode, b"", announces=size, length_in=length_in))
    fails(client, 1002)


@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1])
def test_f10_a_length_with_the_top_bit_set_fails_with_1002(client: Client, length: int) -> None:
    """RFC 6455 5.2. A protocol error, and not a size to compare with the limit."""
    client.sends(frame(BINARY, b"", announces=length))
    fails(client, 1002)


# -- F11-F14: UTF-8

NO_UTF8 = [
    b"\xff",
    b"\x80",
    b"a\x80",
    b"\xce\xba\xed\xa0\x80edited",
    b"\xc3",
    b"\xe2\x82",
    b"\xf0\x9f\x98",
    b"\xc3(",
]


@pytest.mark.parametrize("payload", NO_UTF8)
def test_f11_text_that_is_no_utf8_fails_with_1007(client: Client, payload: bytes) -> None:
    """RFC 6455 8.1; a text cut short within a code point among it."""
    client.sends(frame(TEXT, payload))
    fails(client, 1007)


@pytest.mark.parametrize("payload", NO_UTF8)
def test_f11_the_same_bytes_are_a_binary_message(client: Client, payload: bytes) -> None:
    """Binary is anything."""
    client.sends(frame(BINARY, payload))
    assert client.app_receives() == received(payload)


@pytest.mark.parametrize("payload", [b"a\xffb", b"\xe2\x28", b"\xf4\x90", b"\xc0"])
def test_f12_bad_utf8_in_the_first_fragment_fails_at_once(client: Client, payload: bytes) -> None:
    """No further fragment is waited for; Autobahn's 6.4 calls that fail-fast."""
    client.sends(frame(TEXT, payload, fin=False))
    fails(client, 1007)


def test_f12_a_surrogate_fails_with_its_third_byte_at_the_latest(client: Client) -> None:
    """After ED, A0 is wrong already; CPython's incremental decoder, made for "surrogatepass" too, looks one further."""
    client.sends(frame(TEXT, b"\xed\xa0", fin=False), frame(CONTINUATION, b"\x80", fin=False))
    fails(client, 1007)


def test_f12_bad_utf8_in_the_first_half_of_a_frame_fails_at_once(client: Client) -> None:
    """Nor is the rest of the frame."""
    client.sends(frame(TEXT, b"ab\xff", announces=100))
    fails(client, 1007)


def test_f12_a_message_cut_short_within_a_code_point_fails_at_its_last_fragment(client: Client) -> None:
    """An empty last fragment included."""
    client.sends(*fragments(TEXT, b"\xe2\x82", b""))
    fails(client, 1007)


@pytest.mark.parametrize("message", ["€", "😀", "aä€😀z", "\N{BYTE ORDER MARK}x"])
def test_f13_a_code_point_split_over_fragments_is_fine(client: Client, message: str) -> None:
    """RFC 6455 5.6: the message as a whole is UTF-8. A byte order mark is a character like others (8.1)."""
    payload = message.encode()
    for at in range(len(payload) + 1):
        client.sends(*fragments(TEXT, payload[:at], payload[at:]))
        assert client.app_receives() == received(message)
    client.sends(*fragments(TEXT, *(bytes([byte]) for byte in payload)))
    assert client.app_receives() == received(message)


@pytest.mark.parametrize(
    "payload",
    [
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xed\xa0\xbd\xed\xb8\x80",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x80\x80",
        b"\xf0\x80\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
    ],
)
def test_f14_surrogates_overlong_forms_and_numbers_beyond_unicode_fail_with_1007(
    client: Client, payload: bytes
) -> None:
    """RFC 3629 3 and 4."""
    client.sends(frame(TEXT, b"ok" + payload + b"ok"))
    fails(client, 1007)


@pytest.mark.parametrize("message", ["\ud7ff\ue000", "\uffff\ufffe", "\U0010ffff", "\0"])
def test_f14_the_last_code_points_beside_them_pass(client: Client, message: str) -> None:
    """Noncharacters are characters here (RFC 3629 has no exception for them)."""
    client.sends(text(message))
    assert client.app_receives() == received(message)


# -- F15-F22: close frames


def test_f15_a_close_payload_of_one_byte_fails_with_1002(client: Client) -> None:
    """RFC 6455 5.5.1: a body begins with two bytes of code."""
    client.sends(frame(CLOSE, b"\x03"))
    fails(client, 1002)


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 5001, 65535])
def test_f16_a_close_code_that_must_not_be_sent_fails_with_1002(client: Client, code: int) -> None:
    """RFC 6455 7.4."""
    client.sends(close(code, "reason"))
    fails(client, 1002)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999])
def test_f17_f20_a_close_is_echoed_with_its_code(client: Client, code: int) -> None:
    """RFC 6455 5.5.1. The application sees code and reason; the connection then waits for the end of the stream."""
    client.sends(close(code, "why €"))
    assert client.app_receives() == [disconnect(code, "why €")]
    [echo] = client.reads_frames()
    assert echo.opcode == CLOSE
    assert echo.payload[:2] == code.to_bytes(2)
    info = client.connection.close_info
    assert info is not None
    assert (info.cause, info.code, info.reason, info.clean) == ("peer", code, "why €", True)
    assert client.connection.state is State.LINGERING


def test_f17_a_reason_of_123_bytes_fits(client: Client) -> None:
    """A control frame carries 125 bytes, two of them the code."""
    client.sends(close(1000, "r" * 123))
    assert client.app_receives() == [disconnect(1000, "r" * 123)]


@pytest.mark.parametrize("reason", [b"\xff", b"ok\xc3", b"\xed\xa0\x80"])
def test_f18_a_close_reason_that_is_no_utf8_fails_with_1007(client: Client, reason: bytes) -> None:
    """RFC 6455 5.5.1, 8.1."""
    client.sends(close(1000, reason))
    fails(client, 1007)


@pytest.mark.parametrize("start", [frame(TEXT, b"half", fin=False), frame(BINARY, b"", fin=False)])
def test_f19_a_close_inside_a_fragmented_message_is_echoed_and_the_message_dropped(
    client: Client, start: bytes
) -> None:
    """RFC 6455 5.5: control frames may stand between fragments, and after a close there are no more."""
    client.sends(text("whole"), start, close(1001))
    assert client.app_receives() == [*received("whole"), disconnect(1001)]
    assert client.reads_frames() == [Frame(CLOSE, b"\x03\xe9")]


@pytest.mark.parametrize("code", [1000, 1014, 4321])
def test_f20_the_echo_is_the_whole_close(client: Client, code: int) -> None:
    """The reason goes back with the code; RFC 6455 leaves that open."""
    client.sends(close(code, "bye"))
    assert client.reads_frames() == [Frame(CLOSE, code.to_bytes(2) + b"bye")]


def test_f21_an_empty_close_is_answered_with_an_empty_close(client: Client) -> None:
    """The application sees 1005, which never goes over the wire (RFC 6455 7.1.5)."""
    client.sends(close())
    assert client.reads_frames() == [Frame(CLOSE, b"")]
    assert client.app_receives() == [disconnect(1005)]


@pytest.mark.parametrize("after", [text("late"), ping(b"late"), close(1001), frame(0xF), b"\xff" * 9, text("x")[:3]])
def test_f22_what_comes_after_the_close_is_ignored(client: Client, after: bytes) -> None:
    """RFC 6455 5.5.1: after a close frame no data is sent; a pong would come after ours, too."""
    client.sends(close(1000), after)
    assert client.reads_frames() == [Frame(CLOSE, b"\x03\xe8")]
    assert client.app_receives() == [disconnect(1000)]
    client.sends(after)
    assert (client.reads(), client.app_receives()) == (b"", [])


# -- F23-F26: pings and pongs


def test_f23_a_ping_and_a_close_in_one_segment_get_a_pong_and_a_close(client: Client) -> None:
    """In that order."""
    client.sends(ping(b"p") + close(1000))
    assert client.reads_frames() == [Frame(PONG, b"p"), Frame(CLOSE, b"\x03\xe8")]


def test_f23_a_ping_that_found_the_output_full_is_answered_before_the_close_all_the_same() -> None:
    """The pong that was put off for want of room does not come after our close frame, nor get lost."""
    client = opened(config=Config(max_output_size=20))
    client.connection.receive_data(ping(b"x" * 30) + ping(b"late") + close(1000), now=0.0)
    assert client.reads_frames() == [Frame(PONG, b"x" * 30), Frame(PONG, b"late"), Frame(CLOSE, b"\x03\xe8")]


def test_f24_three_pings_in_one_segment_get_three_pongs(client: Client) -> None:
    """RFC 6455 5.5.3 would allow one for the latest; while our output has room, each gets its own."""
    client.sends(ping(b"1") + ping(b"2") + ping(b"3"))
    assert client.reads_frames() == [Frame(PONG, b"1"), Frame(PONG, b"2"), Frame(PONG, b"3")]


def test_f24_a_client_that_does_not_read_gets_a_pong_for_its_latest_ping() -> None:
    """Pongs that nobody reads do not pile up: above max_output_size only the latest is kept."""
    client = opened(config=Config(max_output_size=1000))
    connection = client.connection
    for index in range(1000):
        connection.receive_data(ping(b"%4d" % index), now=0.0)
    pongs = client.reads_frames()
    assert len(pongs) * 6 < 1000 + 2 * 6
    assert pongs[0] == Frame(PONG, b"   0")
    assert pongs[-1] == Frame(PONG, b" 999")


@pytest.mark.parametrize("payload", [b"", b"stale", b"\0\0\0\1", b"x" * 125])
def test_f25_an_unsolicited_pong_is_ignored(client: Client, payload: bytes) -> None:
    """RFC 6455 5.5.3. It answers no ping, neither an earlier nor a later one."""
    before = client.connection.next_timeout()
    client.sends(pong(payload), text("on"))
    assert client.connection.next_timeout() == before
    assert client.reads() == b""
    assert client.app_receives() == received("on")


def test_f25_a_stale_pong_answers_no_later_ping() -> None:
    """Bytes are life and give the ping's answer more time (T3), but only its own pong ends the wait."""
    client = opened(config=Config(ping_interval=20.0, ping_timeout=20.0))
    connection = client.connection
    client.now = 20.0
    connection.handle_timeout(now=20.0)
    [sent] = client.reads_frames()
    assert sent.opcode == PING
    client.now = 25.0
    client.sends(pong(b"not " + sent.payload))
    assert (connection.stats.latency, connection.next_timeout()) == (None, 45.0)
    connection.handle_timeout(now=44.9)
    assert client.reads() == b""
    client.now = 30.0
    client.sends(pong(sent.payload))
    assert connection.stats.latency == 10.0


@pytest.mark.parametrize("payload", [b"", b"\0", b"\xff\x00\x80", bytes(range(125)), b"x" * 125])
def test_f26_ping_payloads_come_back_byte_for_byte(client: Client, payload: bytes) -> None:
    """RFC 6455 5.5.3: they are application data, and not text."""
    client.sends(ping(payload))
    assert client.reads_frames() == [Frame(PONG, payload)]


def test_a_ping_between_two_fragments_is_answered_and_the_message_whole(client: Client) -> None:
    """RFC 6455 5.4: before the message is finished."""
    start, end = fragments(TEXT, b"hel\xe2", b"\x82\xaclo")
    client.sends(start, ping(b"between"))
    assert client.reads_frames() == [Frame(PONG, b"between")]
    client.sends(pong(b"between"), end)
    assert client.app_receives() == received("hel€lo")


# -- F27-F29: sizes


@pytest.mark.parametrize(("opcode", "empty"), [(TEXT, ""), (BINARY, b"")])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_f27_empty_messages_are_delivered_each_of_its_kind(
    client: Client, opcode: int, empty: str | bytes, parts: int
) -> None:
    """One frame, or several without a byte."""
    client.sends(*fragments(opcode, *[b""] * parts))
    assert client.app_receives() == received(empty)


LIMITED = Config(max_message_size=1000)


@pytest.mark.parametrize(
    "message", [b"x" * 1000, "x" * 1000, "é" * 500, "€" * 333, "😀" * 250], ids=lambda m: f"{m[:1]!r}"
)
@pytest.mark.parametrize("parts", [1, 2, 10])
def test_f28_a_message_of_exactly_the_limit_passes(
    cut: int | None, offer: bytes, message: str | bytes, parts: int
) -> None:
    """The limit is inclusive, and counts bytes, whatever the number of fragments."""
    client = opened(cut, offer, LIMITED)
    payload = message.encode() if isinstance(message, str) else message
    opcode = TEXT if isinstance(message, str) else BINARY
    for _ in range(2):  # a second message counts from zero
        client.sends(*fragments(opcode, *split(payload, parts), b""))
        assert client.app_receives() == received(message)


@pytest.mark.parametrize("message", ["x" * 1001, "x" + "é" * 500, "€" * 334, "x" + "😀" * 250])
@pytest.mark.parametrize("parts", [1, 2, 10])
def test_f28_one_byte_more_fails_with_1009(cut: int | None, offer: bytes, message: str, parts: int) -> None:
    """The sum of the fragments counts; of characters these are at most as many as the limit."""
    client = opened(cut, offer, LIMITED)
    client.sends(*fragments(TEXT, *split(message.encode(), parts)))
    fails(client, 1009)


def split(payload: bytes, parts: int) -> list[bytes]:
    size = -(-len(payload) // parts)
    return [payload[at : at + size] for at in range(0, len(payload), size)]


@pytest.mark.parametrize("size", [1001, 65536, 1 << 40, (1 << 63) - 1])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_f29_a_header_that_announces_more_than_the_limit_fails_before_its_payload(
    cut: int | None, offer: bytes, size: int, opcode: int
) -> None:
    """Nothing is waited for, and nothing kept."""
    client = opened(cut, offer, LIMITED)
    client.sends(frame(opcode, b"", announces=size))
    fails(client, 1009)


def test_f29_a_later_fragment_s_header_counts_with_what_came_before(cut: int | None, offer: bytes) -> None:
    """600 bytes are there, and 401 announced."""
    client = opened(cut, offer, LIMITED)
    client.sends(frame(BINARY, b"x" * 600, fin=False), frame(CONTINUATION, b"", announces=401))
    fails(client, 1009)


# -- F30: cuts

CONVERSATION = [
    text("hello"),
    ping(b"one"),
    binary(bytes(range(256))),
    *fragments(TEXT, b"\xe2", b"\x82", b"\xac"),
    frame(BINARY, b"a", fin=False),
    ping(b"two"),
    frame(CONTINUATION, b"b"),
    text(""),
    pong(b"unsolicited"),
    text("x" * 200),
]
ENDINGS = {
    "a close": close(4000, "bye"),
    "an empty close": close(),
    "a violation": frame(0xB),
    "bad UTF-8": frame(TEXT, b"\xff"),
    "too much": frame(TEXT, b"", announces=1 << 40),
    "half a frame": text("half")[:-1],
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_f30_any_way_of_cutting_gives_the_same_messages_and_output(ending: bytes, offer: bytes) -> None:
    """Whole, in pieces of each size up to 64, and cut a hundred times at random."""
    stream = b"".join(CONVERSATION) + ending
    whole = conversation([stream], offer)
    assert len(whole[0]) >= 6
    assert len(whole[1]) >= 2
    cuts = [[stream[at : at + size] for at in range(0, len(stream), size)] for size in range(1, 65)]
    chance = random.Random(30)
    for _ in range(100):
        places = sorted(chance.sample(range(1, len(stream)), chance.randint(1, 20)))
        cuts.append([stream[a:b] for a, b in itertools.pairwise([0, *places, len(stream)])])
    assert all(conversation(cut, offer) == whole for cut in cuts)


def conversation(cut: list[bytes], offer: bytes) -> tuple[list[Any], list[Frame], State]:
    client = opened(None, offer)
    for piece in cut:
        client.sends(piece)
    return client.app_receives(), client.reads_frames(), client.connection.state


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_f30_bytes_and_a_buffer_that_is_used_again_are_read_alike(size: int, offer: bytes) -> None:
    """The same messages and the same output, however much a read gives."""
    stream = b"".join(CONVERSATION) + close(4000, "bye")
    cut = [stream[at : at + size] for at in range(0, len(stream), size)]
    client = opened(None, offer)
    for piece in cut:
        client.connection.receive_data(piece, now=0.0)
        client.take_output()
    assert (client.app_receives(), client.reads_frames(), client.connection.state) == conversation(cut, offer)


def test_a_read_buffer_of_another_kind_is_read_as_its_bytes(offer: bytes) -> None:
    """A view of numbers, one with gaps, and one of a picture's rows."""
    data = text("abcdefgh")[:-2]
    with_gaps = bytes(byte for each in data for byte in (each, 0))
    for view in (
        memoryview(data).cast("I"),
        memoryview(with_gaps)[::2],
        memoryview(data).cast("B", (3, 4)),
        memoryview(data).cast("c"),
    ):
        client = opened(None, offer)
        client.connection.receive_data(view, now=0.0)
        client.sends(text("abcdefgh")[-2:])
        assert client.app_receives() == received("abcdefgh")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_input_is_copied_where_it_is_kept(kind: type, offer: bytes) -> None:
    """A transport may use its read buffer again."""
    client = opened(None, offer)
    data = text("first") + text("second")[:7]
    buffer = bytearray(data)
    client.connection.receive_data(buffer if kind is bytearray else kind(buffer), now=0.0)
    buffer[:] = b"\xff" * len(buffer)
    client.sends(text("second")[7:])
    assert client.app_receives() == received("first", "second")


def test_no_bytes_are_no_sign_of_life() -> None:
    """A transport that reads nothing has heard nothing: the awaited pong's deadline stays."""
    client = opened(config=Config(ping_interval=20.0, ping_timeout=20.0))
    client.connection.handle_timeout(now=20.0)
    client.connection.receive_data(b"", now=30.0)
    assert client.connection.next_timeout() == 40.0


def test_no_bytes_mean_nothing(client: Client) -> None:
    """They are not the end of the stream."""
    client.connection.receive_data(b"", now=0.0)
    client.sends(text("on"))
    assert client.app_receives() == received("on")


# -- F31: fragments


@pytest.mark.parametrize("payload", [b"", b"x"])
def test_f31_a_hundred_thousand_tiny_fragments_fail_with_1009(payload: bytes, offer: bytes) -> None:
    """The default allows Autobahn's longest honest case, of 65,537 frames, and ends short of a hundred thousand."""
    client = opened(None, offer)
    client.sends(frame(BINARY, payload, fin=False))
    for _ in range(100):
        client.sends(frame(CONTINUATION, payload, fin=False) * 1000)
    fails(client, 1009)


def test_f31_tiny_fragments_are_held_in_bounded_memory() -> None:
    """Objects of two bytes each would weigh thirty times as much. (Of single bytes CPython keeps one each.)"""
    client = opened()
    part = frame(CONTINUATION, b"xy", fin=False)
    client.sends(frame(TEXT, b"x", fin=False))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            client.sends(part * 1000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 500_000


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_f31_as_many_fragments_as_the_limit_pass_and_one_more_fails(cut: int | None, offer: bytes, opcode: int) -> None:
    """The limit is inclusive, counts each message for itself, and no control frames."""
    client = opened(cut, offer, Config(max_fragments=3))
    for _ in range(2):
        a, b, c = fragments(opcode, b"a", b"b", b"c")
        client.sends(a, ping(), b, ping(), c)
        assert client.app_receives() == received("abc" if opcode == TEXT else b"abc")
    client.reads_frames()
    client.sends(*fragments(opcode, b"a", b"b", b"c", b"d"))
    fails(client, 1009)


# -- F32: the end waits behind the messages


@pytest.mark.parametrize(
    ("end", "told", "last"),
    [
        (close(3000, "bye"), disconnect(3000, "bye"), Frame(CLOSE, b"\x0b\xb8bye")),
        (close(), disconnect(1005), Frame(CLOSE, b"")),
        (frame(0xB), disconnect(1002, "protocol error"), Frame(CLOSE, b"\x03\xeaprotocol error")),
        (frame(TEXT, b"\xff"), disconnect(1007, "invalid payload"), Frame(CLOSE, b"\x03\xefinvalid payload")),
    ],
)
def test_f32_answers_to_the_messages_before_a_close_go_out_before_our_close_frame(
    client: Client, end: bytes, told: dict[str, Any], last: Frame
) -> None:
    """Autobahn calls servers that drop these answers non-strict."""
    connection = client.connection
    client.sends(text("one") + text("two") + end)
    assert (client.reads(), connection.state) == (b"", State.OPEN)
    for number in ("one", "two"):
        assert connection.next_message(now=0.0) == received(number)[0]
        client.app_sends("websocket.send", bytes=number.encode())
    assert connection.state is State.OPEN
    assert connection.next_message(now=0.0) == told
    *answers, final = client.reads_frames()
    assert [answer.opcode for answer in answers] == [BINARY, BINARY]
    assert final == last
    assert connection.state is State.LINGERING


def test_f32_an_end_of_stream_waits_behind_the_messages_too(client: Client) -> None:
    """The client may have shut down its writing half only, and still read the answers."""
    connection = client.connection
    client.sends(text("one"))
    client.ends_its_stream()
    assert (connection.state, connection.wants_read) == (State.OPEN, False)
    assert connection.next_message(now=0.0) == received("one")[0]
    client.app_sends("websocket.send", text="answer")
    last = connection.next_message(now=0.0)
    assert last is not None
    assert (last["type"], last.get("code")) == ("websocket.disconnect", 1006)
    [answer] = client.reads_frames()
    assert answer.opcode == TEXT
    assert connection.state is State.LINGERING


def test_f32_an_end_takes_effect_at_once_where_no_message_waits(client: Client) -> None:
    """Whether or not the application asks."""
    client.sends(text("one"))
    client.app_receives()
    client.sends(close(1000))
    assert client.connection.state is State.LINGERING
    assert client.reads_frames() == [Frame(CLOSE, b"\x03\xe8")]


def test_f32_an_end_takes_effect_after_close_timeout_where_nobody_asks() -> None:
    """The messages before it can still be read, and the disconnect comes last; answers are too late."""
    client = opened(config=Config(close_timeout=5.0, ping_interval=None))
    connection = client.connection
    client.now = 1.0
    client.sends(text("one"), close(1001))
    assert connection.next_timeout() == 6.0
    connection.handle_timeout(now=5.9)
    assert (client.reads(), connection.state) == (b"", State.OPEN)
    client.now = 6.0
    connection.handle_timeout(now=6.0)
    assert client.reads_frames() == [Frame(CLOSE, b"\x03\xe9")]
    assert connection.state is State.LINGERING
    assert client.app_receives() == [*received("one"), disconnect(1001)]


def test_f32_pings_before_the_end_are_answered_at_once(client: Client) -> None:
    """Only the end waits, not what came before it."""
    client.sends(text("one"), ping(b"p"), close(1000))
    assert client.reads_frames() == [Frame(PONG, b"p")]
    assert client.app_receives() == [*received("one"), disconnect(1000)]
    assert client.reads_frames() == [Frame(CLOSE, b"\x03\xe8")]


def test_f32_an_end_that_came_before_the_accept_waits_behind_early_messages(cut: int | None) -> None:
    """E24 and F32 together: a client that says all it has to say in one segment."""
    client = Client(cut=cut)
    client.sends(head(), text("one"), close(1000))
    client.app_sends("websocket.accept")
    assert client.connection.state is State.OPEN
    assert client.app_receives() == [{"type": "websocket.connect"}, *received("one"), disconnect(1000)]
    assert client.reads_response().status == 101
    assert client.reads_frames() == [Frame(CLOSE, b"\x03\xe8")]


def test_f32_an_end_waits_behind_more_messages_than_the_queue_holds(cut: int | None, offer: bytes) -> None:
    """Those beyond the queue are read when there is room; none is lost, and the order is the client's."""
    client = opened(cut, offer, Config(max_queue=4))
    numbers = [str(number) for number in range(50)]
    client.sends(*(text(number) for number in numbers), close(1000))
    assert not client.connection.wants_read
    client.ends_its_stream()
    assert client.app_receives() == [*received(*numbers), disconnect(1000)]
    assert client.reads_frames() == [Frame(CLOSE, b"\x03\xe8")]


# -- our own writing


def test_what_the_application_sends_is_one_frame_each_and_well_formed(offer: bytes) -> None:
    """I7: websockets' client reads them, and gives what was sent."""
    client = opened(None, offer)
    sent: list[str | bytes] = ["", b"", "häl€😀", b"\xff" * 126, "x" * 70_000, bytes(70_000), "x" * 70_000]
    for message in sent:
        client.app_sends("websocket.send", **{"text" if isinstance(message, str) else "bytes": message})
    assert client.reads_messages() == sent
    client.sends(Compressor().text("back") if offer else text("back"))
    assert client.app_receives() == received("back")
