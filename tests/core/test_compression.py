"""permessage-deflate on a connection, end to end: what is agreed, and what then comes through (RFC 7692).

The client's half is zlib by hand; what we write is read by websockets' client, set to what we answered.
"""

from __future__ import annotations

import random
import tracemalloc
import zlib
from typing import Any

import pytest

from tests.core.peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    DEFLATE,
    PING,
    PONG,
    TEXT,
    Client,
    Compressor,
    Frame,
    binary,
    fragments,
    frame,
    head,
    ping,
    read_response,
    text,
)
from wscore import Config, State

CUTS = {"whole": None, "byte by byte": 1, "in sevens": 7}


@pytest.fixture(params=list(CUTS.values()), ids=list(CUTS))
def cut(request: pytest.FixtureRequest) -> int | None:
    cut: int | None = request.param
    return cut


def opened(cut: int | None = None, offer: bytes = DEFLATE, config: Config | None = None) -> Client:
    client = Client(config, cut=cut)
    client.opens_compressed(offer)
    return client


def received(*messages: str | bytes) -> list[dict[str, Any]]:
    return [
        {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message} for message in messages
    ]


REASONS = {1002: "protocol error", 1007: "invalid payload", 1009: "message too big"}


def fails(client: Client, code: int, *before: str | bytes) -> None:
    """The connection has failed with `code`, after the messages `before`."""
    reason = REASONS[code]
    last = {"type": "websocket.disconnect", "code": code, "reason": reason}
    assert client.app_receives() == [*received(*before), last]
    assert client.reads_frames() == [Frame(CLOSE, code.to_bytes(2) + reason.encode())]
    assert client.connection.state is State.LINGERING
    client.sends(text("ignored"), Compressor().text("ignored"))
    assert (client.app_receives(), client.reads()) == ([], b"")


# -- X1-X11: the negotiation. 12 is the window that we ask for by default.

ANSWER = b"permessage-deflate; server_max_window_bits=12"
OFFERS: list[tuple[str, list[bytes], bytes | None]] = [
    ("by default", [b"permessage-deflate"], ANSWER),
    ("nothing offered", [], None),
    ("another extension alone", [b"x-webkit-deflate-frame"], None),
    (
        "what browsers send",
        [b"permessage-deflate; client_max_window_bits"],
        ANSWER + b"; client_max_window_bits=12",
    ),
    (
        "takeovers only refused where asked for",
        [b"permessage-deflate; client_no_context_takeover; server_no_context_takeover"],
        b"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12",
    ),
    ("X1 an unknown parameter", [b"permessage-deflate; x_unknown"], None),
    ("X1 an unknown parameter with a value", [b"permessage-deflate; mode=1"], None),
    (
        "X2 a parameter twice",
        [b"permessage-deflate; server_no_context_takeover; server_no_context_takeover"],
        None,
    ),
    (
        "X2 a parameter twice with different values",
        [b"permessage-deflate; client_max_window_bits=12; client_max_window_bits=13"],
        None,
    ),
    ("X3 no number", [b"permessage-deflate; client_max_window_bits=abc"], None),
    ("X3 a negative number", [b"permessage-deflate; client_max_window_bits=-9"], None),
    ("X3 a signed number", [b"permessage-deflate; client_max_window_bits=+9"], None),
    ("X4 below the range", [b"permessage-deflate; server_max_window_bits=7"], None),
    ("X4 above the range", [b"permessage-deflate; server_max_window_bits=16"], None),
    ("X4 far above the range", [b"permessage-deflate; server_max_window_bits=" + b"9" * 5000], None),
    ("X4 below the range, the client's", [b"permessage-deflate; client_max_window_bits=7"], None),
    ("X4 above the range, the client's", [b"permessage-deflate; client_max_window_bits=16"], None),
    ("X5 a leading zero", [b"permessage-deflate; server_max_window_bits=010"], None),
    ("X5 a leading zero, the client's", [b"permessage-deflate; client_max_window_bits=010"], None),
    ("X6 the server's window without a value", [b"permessage-deflate; server_max_window_bits"], None),
    ("X7 a takeover with a value", [b"permessage-deflate; server_no_context_takeover=1"], None),
    ("X7 a takeover with an empty value", [b'permessage-deflate; server_no_context_takeover=""'], None),
    ("X7 the client's takeover with a value", [b"permessage-deflate; client_no_context_takeover=true"], None),
    (
        "X8 a quoted value",
        [b'permessage-deflate; server_max_window_bits="10"'],
        b"permessage-deflate; server_max_window_bits=10",
    ),
    (
        "X8 a quoted value with an escape",
        [b'permessage-deflate; client_max_window_bits="1\\0"'],
        ANSWER + b"; client_max_window_bits=10",
    ),
    ("X9 a quoted comma", [b'x-foo; a="b,c", permessage-deflate'], ANSWER),
    ("X9 a quoted comma that would be an offer", [b'x-foo; a="b,permessage-deflate"'], None),
    (
        "X10 the second offer, after a bad one",
        [
            b"permessage-deflate; server_no_context_takeover; client_max_window_bits=9; x, "
            b"permessage-deflate; server_max_window_bits=11"
        ],
        b"permessage-deflate; server_max_window_bits=11",
    ),
    (
        "X10 the second offer, in another header",
        [b"permessage-deflate; server_max_window_bits=8", b"permessage-deflate; client_no_context_takeover"],
        b"permessage-deflate; client_no_context_takeover; server_max_window_bits=12",
    ),
    ("X10 the first of two good ones", [b"permessage-deflate, permessage-deflate; client_no_context_takeover"], ANSWER),
    ("X11 the server's window of 8", [b"permessage-deflate; server_max_window_bits=8"], None),
    # The page lets a client's window of 8 be declined or answered. Answered with 8: the client may have meant it, and
    # zlib inflates with 9 what was deflated with 8.
    (
        "X11 the client's window of 8",
        [b"permessage-deflate; client_max_window_bits=8"],
        ANSWER + b"; client_max_window_bits=8",
    ),
    (
        "a window larger than ours",
        [b"permessage-deflate; server_max_window_bits=15; client_max_window_bits=15"],
        ANSWER + b"; client_max_window_bits=12",
    ),
]


@pytest.mark.parametrize(("offers", "answer"), [o[1:] for o in OFFERS], ids=[o[0] for o in OFFERS])
def test_x_an_offer_is_answered_and_messages_come_through(
    offers: list[bytes], answer: bytes | None, cut: int | None
) -> None:
    """X1-X11: each offer with its answer, and compressed or not, messages go both ways afterwards."""
    client = Client(cut=cut)
    response = client.opens(head(*(b"Sec-WebSocket-Extensions: " + offer for offer in offers)))
    assert response.status == 101
    assert response.values(b"sec-websocket-extensions") == ([] if answer is None else [answer])
    if answer is None:
        client.sends(text("plain"))
        assert client.app_receives() == received("plain")
        client.app_sends("websocket.send", text="plain" * 20)
        assert client.reads_frames() == [Frame(TEXT, b"plain" * 20)]
        client.sends(Compressor().text("compressed"))
        fails(client, 1002)
    else:
        compressor = Compressor(window_bits=9, context_takeover=b"client_no_context_takeover" not in answer)
        client.sends(compressor.text("häl€😀" * 5), compressor.text("häl€😀" * 5))
        assert client.app_receives() == received("häl€😀" * 5, "häl€😀" * 5)
        for _ in range(2):
            client.app_sends("websocket.send", text="back " * 1000)
        assert client.reads_messages() == ["back " * 1000] * 2


@pytest.mark.parametrize(
    "offer",
    [b"", b";", b"permessage-deflate;", b"permessage-deflate; =1", b'permessage-deflate; a="', b"a b", b"permessage/x"],
)
def test_x_a_malformed_header_is_refused(offer: bytes) -> None:
    """RFC 6455 9.1: whoever meets a value that breaks the grammar fails the connection: 400, as for other headers."""
    client = Client()
    client.sends(head(b"Sec-WebSocket-Extensions: " + offer))
    assert read_response(client.reads()).status == 400


def test_compression_that_is_switched_off_is_not_answered() -> None:
    """The operator decides; offers are declined by silence (RFC 6455 9.1)."""
    client = Client(Config(compression=False))
    answer = client.opens(head(b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"))
    assert answer.values(b"sec-websocket-extensions") == []


def test_a_short_offer_of_any_configured_window_is_kept_to() -> None:
    """What we write can be read with the window that we answered, and no larger one."""
    for bits in range(9, 16):
        client = Client(Config(compression_window_bits=bits))
        client.opens_compressed(DEFLATE)
        noise = random.Random(bits).randbytes(20_000)
        client.app_sends("websocket.send", bytes=noise * 2)
        [written] = client.reads_frames()
        assert written.rsv1
        inflater = zlib.decompressobj(-bits)
        assert inflater.decompress(written.payload + b"\0\0\xff\xff") == noise * 2


@pytest.mark.parametrize(("size", "smallest"), [(63, 64), (64, 64), (0, 0), (1, 0), (1, 1), (99, 100), (100, 100)])
def test_messages_too_small_to_gain_go_out_as_they_are(size: int, smallest: int) -> None:
    """RFC 7692 6: RSV1 says of each message whether it is compressed; one of exactly `compression_min_size` is."""
    client = Client(Config(compression_min_size=smallest))
    client.opens_compressed()
    client.app_sends("websocket.send", text="x" * size)
    client.app_sends("websocket.send", bytes=b"x" * size)
    client.connection.send({"type": "websocket.send", "text": "again " * 99}, now=0.0)
    assert [frame.rsv1 for frame in client.reads_frames()] == [size >= smallest, size >= smallest, True]


# -- D1-D11: messages


def test_d1_a_ping_between_two_compressed_fragments_leaves_the_message_whole(cut: int | None) -> None:
    """Control frames are not compressed (RFC 7692 6.1) and do not end the message's compression."""
    client = opened(cut)
    payload = Compressor().payload(b"compressed " * 20)
    start, end = fragments(TEXT, payload[:5], payload[5:], rsv=0b100)
    client.sends(start, ping(b"between"), end)
    assert client.reads_frames() == [Frame(PONG, b"between")]
    assert client.app_receives() == received("compressed " * 20)


def test_d2_rsv1_on_a_continuation_fails_with_1002(cut: int | None) -> None:
    """RFC 7692 6.1: it marks a message, on its first frame."""
    client = opened(cut)
    payload = Compressor().payload(b"compressed " * 20)
    start, _ = fragments(TEXT, payload[:5], payload[5:], rsv=0b100)
    client.sends(start, frame(CONTINUATION, payload[5:], rsv=0b100))
    fails(client, 1002)


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_d2_rsv1_on_a_control_frame_fails_with_1002(cut: int | None, opcode: int) -> None:
    """RFC 7692 6.1: control frames are not compressed."""
    client = opened(cut)
    client.sends(frame(opcode, b"", rsv=0b100))
    fails(client, 1002)


def test_d2_rsv1_on_a_ping_between_compressed_fragments_fails_with_1002(cut: int | None) -> None:
    """Also there."""
    client = opened(cut)
    start, _ = fragments(TEXT, Compressor().payload(b"x" * 100), b"", rsv=0b100)
    client.sends(start, frame(PING, b"", rsv=0b100))
    fails(client, 1002)


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff" * 10,
        b"\x07",
        b"\x06",
        b"plain text, marked as compressed",
        Compressor().payload(b"cut short " * 50)[:-3],
        b"\x02\x5e\x00\x00\x00",  # a reference to 24 KiB before the beginning
    ],
)
def test_d3_corrupt_data_fails_with_1007(cut: int | None, payload: bytes) -> None:
    """RFC 7692 7.2.2 leaves the code open; a message that cannot be read is an invalid payload."""
    client = opened(cut)
    client.sends(Compressor().text("good"), frame(BINARY, payload, rsv=0b100))
    fails(client, 1007, "good")


def test_d3_bad_utf8_inside_compressed_text_fails_with_1007(cut: int | None) -> None:
    """Text is UTF-8 after inflating."""
    client = opened(cut)
    client.sends(frame(TEXT, Compressor().payload(b"a\xffb"), rsv=0b100))
    fails(client, 1007)


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\x02\x00", b"\x03\x00", b"\x00\x00\x00\xff\xff\x00"])
@pytest.mark.parametrize(("opcode", "empty"), [(TEXT, ""), (BINARY, b"")])
def test_d4_an_empty_compressed_message_is_delivered(
    cut: int | None, opcode: int, empty: str | bytes, payload: bytes
) -> None:
    """RFC 7692 7.2.3.6 has a byte of zero; others write an empty block of another kind, or nothing at all."""
    client = opened(cut)
    client.sends(*[frame(opcode, payload, rsv=0b100)] * 2, Compressor().text("next"))
    assert client.app_receives() == received(empty, empty, "next")


@pytest.mark.parametrize("offer", [DEFLATE, b"permessage-deflate; client_no_context_takeover"])
def test_d5_a_message_ending_in_a_final_block_and_another_one_both_arrive(cut: int | None, offer: bytes) -> None:
    """RFC 7692 7.2.3.4: a sender may set BFINAL, and must then begin the next one afresh."""
    client = opened(cut, offer)

    def final(message: bytes) -> bytes:
        stream = zlib.compressobj(6, zlib.DEFLATED, -15)
        return stream.compress(message) + stream.flush(zlib.Z_FINISH)

    client.sends(
        frame(TEXT, final(b"without the byte " * 9), rsv=0b100),
        frame(TEXT, final(b"with the byte of zero " * 9) + b"\x00", rsv=0b100),
        *fragments(TEXT, *(bytes([byte]) for byte in final(b"in fragments")), rsv=0b100),
        Compressor().text("next"),
    )
    assert client.app_receives() == received(
        "without the byte " * 9, "with the byte of zero " * 9, "in fragments", "next"
    )


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_d6_64_kib_that_inflate_to_64_mib_fail_with_1009_in_bounded_memory(opcode: int, parts: int) -> None:
    """What is held is the limit and little more, never what the bomb would come to."""
    limit = 1 << 20
    client = opened(config=Config(max_message_size=limit))
    bomb = Compressor(level=9).payload(bytes(1 << 26))
    assert 1 << 15 < len(bomb) < 1 << 17
    size = -(-len(bomb) // parts)
    wire = b"".join(fragments(opcode, *(bomb[at : at + size] for at in range(0, len(bomb), size)), rsv=0b100))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        client.sends(wire)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The pieces and their join, and for text the str and the decoder's input: a few times the limit; the bomb is 64.
    assert peak - before < 6 * limit
    fails(client, 1009)


LIMIT = 1000


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
@pytest.mark.parametrize("parts", [1, 5])
def test_d7_what_inflates_to_the_limit_passes(cut: int | None, size: int, parts: int) -> None:
    """The limit counts inflated bytes, those of incompressible data too, which the wire has more of."""
    client = opened(cut, config=Config(max_message_size=LIMIT))
    compressor = Compressor()
    for message in (b"x" * size, random.Random(size).randbytes(size), b"y" * size):
        payload = compressor.payload(message)
        step = -(-len(payload) // parts)
        client.sends(*fragments(BINARY, *(payload[at : at + step] for at in range(0, len(payload), step)), rsv=0b100))
        assert client.app_receives() == received(message)


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 2, 2 * LIMIT])
@pytest.mark.parametrize("noise", [False, True])
def test_d7_what_inflates_to_more_fails_with_1009(cut: int | None, size: int, noise: bool) -> None:
    """One byte is enough, compressible or not."""
    client = opened(cut, config=Config(max_message_size=LIMIT))
    message = random.Random(size).randbytes(size) if noise else b"x" * size
    client.sends(Compressor().binary(message))
    fails(client, 1009)


def test_d8_an_uncompressed_message_on_a_compressed_connection_is_delivered(cut: int | None) -> None:
    """RFC 7692 6: RSV1 says it message by message; the compression context is none the wiser."""
    client = opened(cut)
    compressor = Compressor()
    client.sends(compressor.text("a" * 50), text("plain"), binary(b"\xff"), compressor.text("a" * 50))
    assert client.app_receives() == received("a" * 50, "plain", b"\xff", "a" * 50)


NOISE = random.Random(9).randbytes(300).hex()


def test_d9_context_is_taken_over_from_message_to_message(cut: int | None) -> None:
    """Ours and the client's: a repeated message shrinks to a reference."""
    client = opened(cut)
    compressor = Compressor()
    first, second = compressor.text(NOISE), compressor.text(NOISE)
    assert len(second) < len(first) // 4
    client.sends(first, second)
    assert client.app_receives() == received(NOISE, NOISE)
    for _ in range(2):
        client.app_sends("websocket.send", text=NOISE)
    first_frame, second_frame = client.reads_frames()
    assert len(second_frame.payload) < len(first_frame.payload) // 4


def test_d9_no_context_is_taken_over_where_that_was_agreed(cut: int | None) -> None:
    """Ours then compresses each message for itself, and of the client's nothing is kept to refer to."""
    client = opened(cut, b"permessage-deflate; server_no_context_takeover; client_no_context_takeover")
    for _ in range(2):
        client.app_sends("websocket.send", text=NOISE)
    first, second = client.reads_frames()
    assert first == second
    fresh = Compressor(context_takeover=False)
    client.sends(fresh.text(NOISE), fresh.text(NOISE))
    assert client.app_receives() == received(NOISE, NOISE)
    cheating = Compressor()
    client.sends(cheating.text(NOISE), cheating.text(NOISE))
    fails(client, 1007, NOISE)


def test_d10_a_larger_window_than_agreed_fails_with_1007(cut: int | None) -> None:
    """A reference from beyond the window cannot be resolved: 8 KiB back, where 4 KiB were agreed on."""
    client = opened(cut, b"permessage-deflate; client_max_window_bits=12")
    noise = random.Random(10).randbytes(8192)
    client.sends(Compressor(window_bits=15).binary(noise * 2))
    fails(client, 1007)


def test_d10_the_window_that_was_agreed_is_enough(cut: int | None) -> None:
    """The same message, compressed as agreed; and with the full window where nothing was said of the client's."""
    noise = random.Random(10).randbytes(8192)
    for offer, bits in ((b"permessage-deflate; client_max_window_bits=12", 12), (DEFLATE, 15)):
        client = opened(cut, offer)
        client.sends(Compressor(window_bits=bits).binary(noise * 2))
        assert client.app_receives() == received(noise * 2)


@pytest.mark.parametrize("message", ["€" * 3000, "😀" * 5000, "aé€😀" * 4000])
@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_d11_a_code_point_split_over_inflated_chunks_is_fine(message: str, step: int) -> None:
    """Where zlib's output is cut says nothing about the text."""
    client = opened()
    payload = Compressor().payload(message.encode())
    client.sends(*fragments(TEXT, *(payload[at : at + step] for at in range(0, len(payload), step)), rsv=0b100))
    assert client.app_receives() == received(message)


# -- both halves together


def test_a_read_may_hold_more_messages_than_the_queue(cut: int | None) -> None:
    """64 KiB of compressed messages are thousands: those beyond the queue stay compressed until there is room."""
    client = opened(cut, config=Config(max_queue=4))
    compressor = Compressor()
    numbers = [f"number {index}" for index in range(200)]
    client.sends(*(compressor.text(number) for number in numbers))
    assert not client.connection.wants_read
    assert client.app_receives() == received(*numbers)
    assert client.connection.wants_read


@pytest.mark.parametrize(
    "offer",
    [
        DEFLATE,
        b"permessage-deflate; client_max_window_bits",
        b"permessage-deflate; server_no_context_takeover",
        b"permessage-deflate; server_max_window_bits=9",
    ],
)
def test_what_we_compress_is_what_websockets_client_inflates(offer: bytes) -> None:
    """I7, with messages that are empty, random, repetitive and large."""
    client = opened(None, offer)
    chance = random.Random(11)
    sent: list[str | bytes] = ["", b"", "", "x" * 100_000, chance.randbytes(100_000), "häl€😀" * 1000, b"\0" * 70_000]
    for message in [*sent, *sent]:
        client.app_sends("websocket.send", **{"text" if isinstance(message, str) else "bytes": message})
    assert client.reads_messages() == [*sent, *sent]


def test_the_other_engine_stops_inflating_at_the_limit_too() -> None:
    """D6: with wsproto's frame layer a bomb is found out while its payload is read, and fails with 1009."""
    client = opened(config=Config(engine="wsproto", max_message_size=100_000))
    client.sends(frame(BINARY, Compressor(level=9).payload(bytes(1 << 24)), rsv=0b100))
    fails(client, 1009)
