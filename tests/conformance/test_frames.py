"""Frames that a peer may send, and those it must not: rows F1-F32, as seen on the wire (RFC 6455 5)."""

from __future__ import annotations

from typing import Any

import pytest

from .apps import Noting, echo
from .harness import Gate, quick
from .wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, close_frame, frame

BIG = b"\x7f" + (2**62).to_bytes(8)

FAILS: dict[str, tuple[bytes, int]] = {
    "f1_unmasked": (frame(TEXT, "x", mask=None), 1002),
    "f1_unmasked_close": (frame(CLOSE, b"\x03\xe8", mask=None), 1002),
    "f2_rsv2": (frame(TEXT, "x", rsv=2), 1002),
    "f2_rsv3": (frame(TEXT, "x", rsv=1), 1002),
    "f2_rsv_on_ping": (frame(PING, "x", rsv=2), 1002),
    "f3_rsv1_without_extension": (frame(TEXT, "x", rsv=4), 1002),
    **{f"f4_opcode_{op:x}": (frame(op, "x"), 1002) for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "f5_fragmented_ping": (frame(PING, "x", fin=False), 1002),
    "f5_fragmented_close": (frame(CLOSE, b"\x03\xe8", fin=False), 1002),
    "f6_ping_of_126_bytes": (frame(PING, b"x" * 126), 1002),
    "f6_pong_of_126_bytes": (frame(PONG, b"x" * 126), 1002),
    "f6_close_of_126_bytes": (frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    "f7_continuation_without_start": (frame(CONTINUATION, "x"), 1002),
    "f7_continuation_after_a_whole_message": (frame(CONTINUATION, "x", fin=False), 1002),
    "f8_text_within_a_message": (frame(TEXT, "x", fin=False) + frame(TEXT, "y"), 1002),
    "f8_binary_within_a_message": (frame(TEXT, "x", fin=False) + frame(BINARY, "y"), 1002),
    "f9_two_bytes_for_a_short_length": (frame(TEXT, "x", length=b"\x7e\0\1"), 1002),
    "f9_eight_bytes_for_a_short_length": (frame(TEXT, "x", length=b"\x7f" + bytes(7) + b"\1"), 1002),
    "f9_eight_bytes_for_a_middling_length": (frame(TEXT, "x" * 200, length=b"\x7f" + bytes(7) + b"\xc8"), 1002),
    "f10_top_bit": (frame(TEXT, "x", length=b"\x7f\x80" + bytes(7)), 1002),
    "f11_bad_utf8": (frame(TEXT, b"\xff"), 1007),
    "f11_cut_code_point": (frame(TEXT, b"\xe2\x82"), 1007),
    "f12_bad_utf8_in_first_fragment": (frame(TEXT, b"x\xff", fin=False), 1007),
    "f12_bad_utf8_in_second_fragment": (frame(TEXT, b"\xe2", fin=False) + frame(CONTINUATION, b"x", fin=False), 1007),
    "f14_surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "f14_overlong": (frame(TEXT, b"\xc0\x80"), 1007),
    "f14_beyond_unicode": (frame(TEXT, b"\xf4\x90\x80\x80"), 1007),
    "f15_close_payload_of_1": (frame(CLOSE, b"\x03"), 1002),
    **{
        f"f16_close_code_{code}": (close_frame(code), 1002)
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    "f18_bad_utf8_in_reason": (close_frame(1000, b"\xff"), 1007),
    "f28_one_byte_more": (frame(BINARY, b"x" * 1001), 1009),
    "f28_sum_of_fragments": (frame(BINARY, b"x" * 600, fin=False) + frame(CONTINUATION, b"x" * 401), 1009),
    "f28_bytes_and_not_characters": (frame(TEXT, "ä" * 501), 1009),
    "f29_announced": (b"\x82\xfe\x03\xe9", 1009),
    "f29_announced_far_too_much": (b"\x82" + b"\xff" + BIG[1:], 1009),
}


@pytest.mark.parametrize("case", FAILS)
def test_failures(case: str, serve: Any) -> None:
    """A violation is answered with a close frame of the right code, one disconnect with that code, and the end."""
    data, code = FAILS[case]
    app = Noting()
    wire = serve(app, config=quick(max_message_size=1000)).open()
    wire.send(data)
    closing = wire.read_close()
    assert closing.code == code
    wire.send_regardless(frame(TEXT, "ignored"))
    assert wire.read_to_end() == b""
    assert app.disconnect() == (code, closing.reason)


ECHOED: dict[str, tuple[list[bytes], list[Frame]]] = {
    "f13_code_point_over_fragments": (
        [frame(TEXT, b"\xe2", fin=False), frame(CONTINUATION, b"\x82", fin=False), frame(CONTINUATION, b"\xac")],
        [Frame(TEXT, "€".encode())],
    ),
    "f24_three_pings": (
        [frame(PING, b"1"), frame(PING, b"2"), frame(PING, b"3")],
        [Frame(PONG, b"1"), Frame(PONG, b"2"), Frame(PONG, b"3")],
    ),
    "f25_unsolicited_pong": ([frame(PONG, b"nobody asked"), frame(TEXT, "x")], [Frame(TEXT, b"x")]),
    "f26_empty_ping": ([frame(PING)], [Frame(PONG, b"")]),
    "f26_ping_of_125": ([frame(PING, bytes(range(125)))], [Frame(PONG, bytes(range(125)))]),
    "f27_empty_text": ([frame(TEXT)], [Frame(TEXT, b"")]),
    "f27_empty_binary": ([frame(BINARY)], [Frame(BINARY, b"")]),
    "f27_three_empty_fragments": (
        [frame(TEXT, fin=False), frame(CONTINUATION, fin=False), frame(CONTINUATION)],
        [Frame(TEXT, b"")],
    ),
    "f27_three_empty_binary_fragments": (
        [frame(BINARY, fin=False), frame(CONTINUATION, fin=False), frame(CONTINUATION)],
        [Frame(BINARY, b"")],
    ),
    "f28_exactly_the_limit": ([frame(BINARY, b"x" * 1000)], [Frame(BINARY, b"x" * 1000)]),
    "f28_exactly_the_limit_in_two": (
        [frame(BINARY, b"x" * 600, fin=False), frame(CONTINUATION, b"x" * 400)],
        [Frame(BINARY, b"x" * 1000)],
    ),
    "ping_within_a_message": (
        [frame(TEXT, "a", fin=False), frame(PING, b"p"), frame(CONTINUATION, "b")],
        [Frame(PONG, b"p"), Frame(TEXT, b"ab")],
    ),
    "lengths_around_125": (
        [frame(BINARY, b"x" * n) for n in (125, 126, 127, 999)],
        [Frame(BINARY, b"x" * n) for n in (125, 126, 127, 999)],
    ),
    "zero_mask": ([frame(TEXT, "abc", mask=bytes(4))], [Frame(TEXT, b"abc")]),
}


@pytest.mark.parametrize("cut", ["whole", "bytewise"])
@pytest.mark.parametrize("case", ECHOED)
def test_echoed(case: str, cut: str, serve: Any) -> None:
    """F30: what a peer may send is delivered and answered the same, whole or byte by byte."""
    pieces, answers = ECHOED[case]
    wire = serve(echo, config=quick(max_message_size=1000)).open()
    data = b"".join(pieces)
    wire.send(data) if cut == "whole" else wire.send_bytewise(data)
    assert [wire.read_frame() for _ in answers] == answers
    wire.send(close_frame(1000))
    assert wire.read_close().code == 1000
    assert wire.read_to_end() == b""


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999])
def test_f17_f20_close_codes(code: int, serve: Any) -> None:
    """F17, F20: a close frame is echoed with its code, and the application sees code and reason."""
    app = Noting()
    wire = serve(app).open()
    wire.send(close_frame(code, "grund: ä"))
    assert wire.read_close().code == code
    assert wire.read_to_end() == b""
    assert app.disconnect() == (code, "grund: ä")


@pytest.mark.uvloop_too
def test_f21_empty_close(serve: Any) -> None:
    """F21: an empty close frame is answered with an empty one; the application sees 1005."""
    app = Noting()
    wire = serve(app).open()
    wire.send(close_frame())
    assert wire.read_close().payload == b""
    assert wire.read_to_end() == b""
    assert app.disconnect() == (1005, "")


def test_f19_close_within_a_message(serve: Any) -> None:
    """F19: a close within a fragmented message is echoed; the unfinished message is dropped."""
    app = Noting()
    wire = serve(app).open()
    wire.send(frame(TEXT, "unfinished", fin=False), close_frame(1000))
    assert wire.read_close().code == 1000
    assert app.disconnect()[0] == 1000


def test_f22_after_the_close(serve: Any) -> None:
    """F22: data and pings after the peer's close are ignored: no pong, no message."""
    app = Noting()
    wire = serve(app).open()
    wire.send(close_frame(1000), frame(PING, b"late"), frame(TEXT, "late"), b"\xff" * 50)
    assert wire.read_close().code == 1000
    assert wire.read_to_end() == b""
    assert app.disconnect()[0] == 1000


def test_f23_ping_then_close(serve: Any) -> None:
    """F23: a ping and a close in one segment are answered in that order."""
    wire = serve(echo).open()
    wire.send(frame(PING, b"p"), close_frame(1000))
    assert wire.read_frame() == Frame(PONG, b"p")
    assert wire.read_close().code == 1000
    assert wire.read_to_end() == b""


def test_f31_many_fragments(serve: Any) -> None:
    """F31: a message in more fragments than the cap fails with 1009; one of as many as the cap passes."""
    server = serve(echo, config=quick(max_fragments=1000))
    wire = server.open()
    wire.send(frame(BINARY, b"x", fin=False), frame(CONTINUATION, b"x", fin=False) * 998, frame(CONTINUATION, b"x"))
    assert wire.read_binary() == b"x" * 1000
    wire.send_regardless(frame(BINARY, b"x", fin=False), frame(CONTINUATION, b"x", fin=False) * 100_000)
    assert wire.read_close().code == 1009


ENDS = {
    "close": (close_frame(4000, "bye"), (4000, "bye"), 4000),
    "violation": (frame(TEXT, b"\xff"), (1007, None), 1007),
    "eof": (b"", (1006, None), None),
}


@pytest.mark.parametrize("end", ENDS)
def test_f32_messages_then_an_end(end: str, serve: Any) -> None:
    """F32: messages and then an end in one read: the messages are answered first, then the end takes effect."""
    data, (code, reason), sent = ENDS[end]
    go = Gate()
    app = Noting(answer=True, hold=go)
    wire = serve(app).open()
    wire.send(*[frame(TEXT, str(i)) for i in range(20)], data)
    if end == "eof":
        wire.send_eof()
    go.open()
    assert [wire.read_text() for _ in range(20)] == [str(i) for i in range(20)]
    if sent is not None:
        assert wire.read_close().code == sent
    assert wire.read_to_end() == b""
    assert [app.messages.next()["text"] for _ in range(20)] == [str(i) for i in range(20)]
    seen = app.disconnect()
    assert seen[0] == code
    assert reason is None or seen[1] == reason


def test_f32_an_end_waits_no_longer_than_the_close_timeout(serve: Any) -> None:
    """F32: where the application does not ask for the messages, the close takes effect after the close timeout."""
    go = Gate()
    app = Noting(hold=go)
    wire = serve(app, config=quick(close_timeout=0.2)).open()
    wire.send(frame(TEXT, "unread"), close_frame(4000))
    assert wire.read_close().code == 4000
    assert wire.read_to_any_end() == b""
    go.open()
    assert app.messages.next()["text"] == "unread"
    assert app.disconnect()[0] == 4000


@pytest.mark.uvloop_too
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 2**20, 2**23])
def test_sizes(size: int, serve: Any) -> None:
    """A message of any size within the limit comes back byte for byte."""
    wire = serve(echo).open()
    payload = bytes(range(256)) * (size // 256 + 1)
    wire.send(frame(BINARY, payload[:size]))
    assert wire.read_binary() == payload[:size]
