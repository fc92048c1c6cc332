"""permessage-deflate with a peer that writes its own deflate: rows D1-D11 and X1-X11, on the wire (RFC 7692)."""

from __future__ import annotations

import os
import zlib
from typing import Any

import pytest

from .apps import Noting, echo
from .harness import quick
from .wire import BINARY, CONTINUATION, PING, PONG, TEXT, Frame, Wire, close_frame, deflated, frame

OFFER = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
RSV1 = 4


class Inflating:
    """The client's decompressor, which keeps its context over messages."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-15)

    def read(self, wire: Wire) -> bytes:
        message = wire.read_frame()
        assert message.rsv == RSV1, message
        return self._stream.decompress(message.payload + b"\0\0\xff\xff")


DECLINED = {
    "x1": "permessage-deflate; unknown",
    "x2": "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    "x3": "permessage-deflate; client_max_window_bits=abc",
    "x4_too_small": "permessage-deflate; server_max_window_bits=7",
    "x4_too_large": "permessage-deflate; server_max_window_bits=16",
    "x5": "permessage-deflate; server_max_window_bits=010",
    "x6": "permessage-deflate; server_max_window_bits",
    "x7": "permessage-deflate; server_no_context_takeover=1",
    "x11": "permessage-deflate; server_max_window_bits=8",
}


@pytest.mark.parametrize("case", DECLINED)
def test_declined_offers(case: str, serve: Any) -> None:
    """A bad offer is declined, and the connection works without compression."""
    wire = serve(echo, config=quick(compression_min_size=0)).connect()
    assert wire.upgrade(("Sec-WebSocket-Extensions", DECLINED[case])).get("sec-websocket-extensions") is None
    wire.send(frame(TEXT, "plain"))
    assert wire.read_text() == "plain"


TAKEN = {
    "x8_quoted": ('permessage-deflate; server_max_window_bits="10"', {"server_max_window_bits=10"}),
    "x9_quoted_comma": ('x-foo; a="b,c", permessage-deflate', set()),
    "x10_second": ("permessage-deflate; server_no_context_takeover; x, permessage-deflate", set()),
    "server_no_context_takeover": (
        "permessage-deflate; server_no_context_takeover",
        {"server_no_context_takeover"},
    ),
    "client_no_context_takeover": (
        "permessage-deflate; client_no_context_takeover",
        {"client_no_context_takeover"},
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_taken_offers(case: str, serve: Any) -> None:
    """A good offer is answered with what it asked for, and nothing left over from another one."""
    offer, expected = TAKEN[case]
    wire = serve(echo, config=quick(compression_min_size=0)).connect()
    answer = wire.upgrade(("Sec-WebSocket-Extensions", offer)).get("sec-websocket-extensions")
    assert answer is not None
    name, *parameters = [part.strip() for part in answer.split(";")]
    assert name == "permessage-deflate"
    assert expected <= set(parameters)
    for parameter in parameters:
        assert parameter in expected or parameter.startswith("server_max_window_bits="), answer
    wire.send(frame(TEXT, deflated(b"squeezed"), rsv=RSV1))
    assert Inflating().read(wire) == b"squeezed"


def test_client_context_takeover_is_not_refused_unasked(serve: Any) -> None:
    """The client's context takeover is never refused unasked."""
    answer = serve(echo, config=quick(compression_min_size=0)).connect().upgrade(OFFER).get("sec-websocket-extensions")
    assert answer is not None
    assert "client_no_context_takeover" not in answer


def test_switched_off(serve: Any) -> None:
    """Without `compression` no offer is taken, and RSV1 fails with 1002 (F3)."""
    wire = serve(echo, config=quick(compression=False)).connect()
    assert wire.upgrade(OFFER).get("sec-websocket-extensions") is None
    wire.send(frame(TEXT, deflated(b"x"), rsv=RSV1))
    assert wire.read_close().code == 1002


def test_d1_ping_between_two_compressed_fragments(serve: Any) -> None:
    """D1: a ping between two compressed fragments is answered, and the message stays whole."""
    wire = serve(echo, config=quick(compression_min_size=0)).open(OFFER)
    text = b"fragmented and compressed " * 50
    data = deflated(text)
    wire.send(frame(TEXT, data[:20], fin=False, rsv=RSV1), frame(PING, b"p" * 40), frame(CONTINUATION, data[20:]))
    assert wire.read_frame() == Frame(PONG, b"p" * 40)
    assert Inflating().read(wire) == text


FAILS = {
    "d2_rsv1_on_continuation": (
        frame(TEXT, deflated(b"x" * 99)[:5], fin=False, rsv=RSV1) + frame(CONTINUATION, b"x", rsv=RSV1),
        1002,
    ),
    "d2_rsv1_on_ping": (frame(PING, b"x", rsv=RSV1), 1002),
    "d2_rsv1_on_close": (frame(8, b"\x03\xe8", rsv=RSV1), 1002),
    "d3_corrupt": (frame(BINARY, b"\xff" * 50, rsv=RSV1), 1007),
    "d3_truncated": (frame(BINARY, deflated(os.urandom(500))[:200], rsv=RSV1), 1007),
    "d7_one_byte_more": (frame(BINARY, deflated(b"x" * 1001), rsv=RSV1), 1009),
    "d7_two_bytes_more": (frame(BINARY, deflated(b"x" * 1002), rsv=RSV1), 1009),
    "bad_utf8": (frame(TEXT, deflated(b"abc\xff"), rsv=RSV1), 1007),
}


@pytest.mark.parametrize("case", FAILS)
def test_failures(case: str, serve: Any) -> None:
    """What is no deflate data, or too much of it, fails with the right code and nothing but that."""
    data, code = FAILS[case]
    app = Noting()
    wire = serve(app, config=quick(compression_min_size=0, max_message_size=1000)).open(OFFER)
    wire.send(data)
    assert wire.read_close().code == code
    assert wire.read_to_end() == b""
    assert app.disconnect()[0] == code


def test_d4_empty_messages(serve: Any) -> None:
    """D4: an empty compressed message is "", also from a client that sends no byte for the second one."""
    wire = serve(echo, config=quick(compression_min_size=0)).open(OFFER)
    inflating = Inflating()
    for payload in (b"\0", b"\0", b""):
        wire.send(frame(TEXT, payload, rsv=RSV1))
        assert inflating.read(wire) == b""


def test_d5_final_block(serve: Any) -> None:
    """D5: a message that ends in a BFINAL=1 block, then another compressed message: both arrive."""
    wire = serve(echo, config=quick(compression_min_size=0)).open(OFFER)
    inflating = Inflating()
    wire.send(frame(TEXT, deflated(b"one", final=True), rsv=RSV1), frame(TEXT, deflated(b"two"), rsv=RSV1))
    assert [inflating.read(wire), inflating.read(wire)] == [b"one", b"two"]


def test_d6_bomb(serve: Any) -> None:
    """D6: 64 KiB on the wire that inflate to 64 MiB fail with 1009."""
    app = Noting()
    wire = serve(app, config=quick(compression_min_size=0, max_message_size=2**20)).open(OFFER)
    wire.send_regardless(frame(BINARY, deflated(bytes(2**26)), rsv=RSV1))
    assert wire.read_close().code == 1009
    assert wire.read_to_end() == b""
    assert app.disconnect()[0] == 1009


@pytest.mark.parametrize("size", [999, 1000])
def test_d7_up_to_the_limit(size: int, serve: Any) -> None:
    """D7: a message that inflates to just the limit passes."""
    wire = serve(echo, config=quick(compression_min_size=0, max_message_size=1000)).open(OFFER)
    wire.send(frame(BINARY, deflated(b"x" * size), rsv=RSV1))
    assert Inflating().read(wire) == b"x" * size


def test_d8_uncompressed_message(serve: Any) -> None:
    """D8: an uncompressed message on a compressed connection is delivered."""
    app = Noting()
    wire = serve(app, config=quick(compression_min_size=0)).open(OFFER)
    wire.send(frame(TEXT, "plain"), frame(TEXT, deflated(b"squeezed"), rsv=RSV1))
    assert [app.messages.next()["text"] for _ in range(2)] == ["plain", "squeezed"]


def test_d9_context_takeover(serve: Any) -> None:
    """D9: both directions keep their context over messages: a repetition costs a few bytes."""
    server = serve(echo, config=quick(compression_min_size=0))
    wire = server.open(OFFER)
    squeeze = zlib.compressobj(wbits=-12)
    inflating = Inflating()
    text = os.urandom(1000)
    sizes = []
    for _ in range(3):
        data = (squeeze.compress(text) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]
        wire.send(frame(BINARY, data, rsv=RSV1))
        message = wire.read_frame()
        sizes.append(len(message.payload))
        assert inflating._stream.decompress(message.payload + b"\0\0\xff\xff") == text
    assert sizes[0] > 900
    assert sizes[1] < 100
    assert sizes[2] < 100


def test_d9_no_context_takeover(serve: Any) -> None:
    """D9: with server_no_context_takeover every message can be inflated for itself."""
    wire = serve(echo, config=quick(compression_min_size=0)).open(
        ("Sec-WebSocket-Extensions", "permessage-deflate; server_no_context_takeover")
    )
    for _ in range(3):
        wire.send(frame(TEXT, deflated(b"again and again " * 10), rsv=RSV1))
        assert Inflating().read(wire) == b"again and again " * 10


def test_d10_larger_window_than_agreed(serve: Any) -> None:
    """D10: a client that compresses with a larger window than agreed fails with 1007."""
    app = Noting()
    wire = serve(app, config=quick(compression_min_size=0)).open(
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits=9")
    )
    block = os.urandom(4000)
    wire.send(frame(BINARY, deflated(block + block, bits=15), rsv=RSV1))
    assert wire.read_close().code == 1007
    assert app.disconnect()[0] == 1007


def test_d11_code_point_over_chunks(serve: Any) -> None:
    """D11: code points that lie across inflated chunks are fine."""
    wire = serve(echo, config=quick(compression_min_size=0)).open(OFFER)
    text = ("x" + "€ä😀" * 40_000).encode()
    wire.send(frame(TEXT, deflated(text), rsv=RSV1), close_frame(1000))
    assert Inflating().read(wire) == text
