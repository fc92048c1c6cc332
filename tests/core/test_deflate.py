"""permessage-deflate: rows X and D of the edge cases, round trips, and two independent implementations as oracles."""

from __future__ import annotations

import os
import random
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.headers import parse_extension

from wscore._core.config import Config
from wscore._core.frames.deflate import (
    CorruptDeflate,
    DeflateParameters,
    Deflater,
    Inflater,
    MalformedExtensions,
    TooLarge,
    _remembered,
    negotiate,
)

CONFIG = Config()
PLENTY = 2**24


def answer(*offers: bytes, config: Config = CONFIG) -> bytes | None:
    accept_response = negotiate(list(offers), config)
    return None if accept_response is None else accept_response.header_value()


def inflater(window_bits: int = 15, *, context_takeover: bool = True) -> Inflater:
    return Inflater(window_bits=window_bits, context_takeover=context_takeover)


def deflater(window_bits: int = 15, *, context_takeover: bool = True, level: int = 6, mem_level: int = 8) -> Deflater:
    return Deflater(window_bits=window_bits, context_takeover=context_takeover, level=level, mem_level=mem_level)


def message(to: Inflater, *pieces: bytes, room: int = PLENTY) -> bytes:
    """Feed one message and give its content."""
    whole = b""
    for piece in pieces:
        whole += to.inflate(piece, room - len(whole))
    return whole + to.end_message(room - len(whole))


def compressed(data: bytes, window_bits: int = 15, level: int = 6) -> bytes:
    """Give the payload that a peer without our code would send for `data`."""
    stream = zlib.compressobj(level, zlib.DEFLATED, -window_bits)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


def finished(data: bytes, window_bits: int = 15) -> bytes:
    """Give `data` as a stream whose block is marked as the last one."""
    stream = zlib.compressobj(6, zlib.DEFLATED, -window_bits)
    return stream.compress(data) + stream.flush(zlib.Z_FINISH)


# -- negotiation


def test_what_is_remembered_of_offers_is_bounded() -> None:
    """However many offers peers think of, few are remembered, and long ones never; all are answered alike."""
    long = b", ".join([b"x" * 100] * 2 + [b"permessage-deflate"])
    for _ in range(2):
        assert answer(long) == answer(b"permessage-deflate")
    held = _remembered.cache_info()
    assert answer(long) is not None
    assert _remembered.cache_info() == held
    for number in range(200):
        assert answer(b"x%d, permessage-deflate" % number) is not None
    assert _remembered.cache_info().currsize <= 64


def test_an_offer_is_judged_by_the_configuration_at_hand() -> None:
    """What was agreed under one configuration is nothing to another."""
    for window_bits in (15, 10):
        accept_response = negotiate([b"permessage-deflate"], Config(compression_window_bits=window_bits))
        assert accept_response is not None
        assert accept_response.server_window_bits == window_bits
    assert negotiate([b"permessage-deflate"], Config(compression=False)) is None


BROWSER = b"permessage-deflate; client_max_window_bits"


def test_what_a_browser_offers_is_accepted_by_default_with_small_windows() -> None:
    """Compression is offered by default; takeover is never refused unasked; our own window is small."""
    accept_response = negotiate([BROWSER], CONFIG)
    assert accept_response == DeflateParameters(
        server_no_context_takeover=False,
        client_no_context_takeover=False,
        server_window_bits=12,
        client_window_bits=12,
    )
    assert accept_response.header_value() == b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"


@pytest.mark.parametrize(
    ("offer", "expected"),
    [
        (b"", b"server_max_window_bits=12"),
        (b"; server_max_window_bits=15", b"server_max_window_bits=12"),
        (b"; server_max_window_bits=9", b"server_max_window_bits=9"),
        (b"; client_max_window_bits=15", b"server_max_window_bits=12; client_max_window_bits=12"),
        (b"; client_max_window_bits=10", b"server_max_window_bits=12; client_max_window_bits=10"),
        (b";server_no_context_takeover", b"server_no_context_takeover; server_max_window_bits=12"),
        (b" ; client_no_context_takeover", b"client_no_context_takeover; server_max_window_bits=12"),
        (
            b"; client_max_window_bits; client_no_context_takeover; server_no_context_takeover",
            b"server_no_context_takeover; client_no_context_takeover"
            b"; server_max_window_bits=12; client_max_window_bits=12",
        ),
    ],
)
def test_an_offer_is_answered_with_what_it_asked_within_our_limits(offer: bytes, expected: bytes) -> None:
    """What is asked is honoured and echoed; what was not offered about the client is not in the answer."""
    assert answer(b"permessage-deflate" + offer) == b"permessage-deflate; " + expected


def test_a_client_that_cannot_be_limited_is_inflated_with_the_full_window() -> None:
    """Without client_max_window_bits in the offer the client's window is deflate's own."""
    accept_response = negotiate([b"permessage-deflate"], CONFIG)
    assert accept_response is not None
    assert accept_response.client_window_bits == 15


@pytest.mark.parametrize("bits", range(9, 16))
def test_the_configured_window_limits_both_sides(bits: int) -> None:
    """Both windows are the configured one where the offer allows any."""
    accept_response = negotiate([BROWSER], Config(compression_window_bits=bits))
    assert accept_response is not None
    assert (accept_response.server_window_bits, accept_response.client_window_bits) == (bits, bits)


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param(b"x_unknown", id="X1"),
        pytest.param(b"server_max_window_bit=10", id="X1-prefix"),
        pytest.param(b"client_max_window_bits_=10", id="X1-longer"),
        pytest.param(b"Client_Max_Window_Bits", id="X1-case"),
        pytest.param(b"client_max_window_bits; client_max_window_bits", id="X2"),
        pytest.param(b"client_max_window_bits; client_max_window_bits=10", id="X2-other-value"),
        pytest.param(b"server_no_context_takeover; server_no_context_takeover", id="X2-flag"),
        pytest.param(b"client_max_window_bits=abc", id="X3"),
        pytest.param(b"client_max_window_bits=+10", id="X3-sign"),
        pytest.param(b"client_max_window_bits=1_0", id="X3-underscore"),
        pytest.param(b'client_max_window_bits=" 10"', id="X3-space"),
        pytest.param(b'client_max_window_bits=""', id="X3-empty"),
        pytest.param(b"client_max_window_bits=" + b"9" * 5000, id="X3-endless"),
        pytest.param(b"client_max_window_bits=7", id="X3-small"),
        pytest.param(b"client_max_window_bits=16", id="X3-large"),
        pytest.param(b"server_max_window_bits=7", id="X4-7"),
        pytest.param(b"server_max_window_bits=16", id="X4-16"),
        pytest.param(b"server_max_window_bits=010", id="X5"),
        pytest.param(b"client_max_window_bits=010", id="X5-client"),
        pytest.param(b"server_max_window_bits", id="X6"),
        pytest.param(b"server_no_context_takeover=1", id="X7"),
        pytest.param(b"client_no_context_takeover=1", id="X7-client"),
        pytest.param(b"server_max_window_bits=8", id="X11"),
    ],
)
def test_x_an_offer_that_cannot_be_done_is_declined(parameters: bytes) -> None:
    """X1-X7, X11: what RFC 7692 does not know, and what zlib cannot do, declines that offer and nothing else."""
    bad = b"permessage-deflate; " + parameters
    assert answer(bad) is None
    # X10: a later offer is answered as if the declined one had not been there.
    good = b"permessage-deflate; server_max_window_bits=11"
    assert answer(bad + b", " + good) == answer(good) == answer(bad, good)


def test_x8_a_quoted_value_equals_the_bare_one() -> None:
    """X8: quotes and escapes within them are notation."""
    for value in (b"10", b'"10"', rb'"\10"', rb'"\1\0"'):
        assert answer(b"permessage-deflate; server_max_window_bits=" + value) == (
            b"permessage-deflate; server_max_window_bits=10"
        )


def test_x9_a_quoted_comma_does_not_split() -> None:
    """X9: the comma and the semicolon in quotes belong to the value; the second extension is used."""
    assert answer(b'x-foo; a="b,c", permessage-deflate') == answer(b"permessage-deflate")
    assert answer(b'x-foo; a="permessage-deflate; b, permessage-deflate"') is None
    assert answer(rb'x-foo; a="\", permessage-deflate"') is None


def test_x10_nothing_is_left_of_a_declined_offer() -> None:
    """X10: parameters of the first offer, read before it proved bad, do not show in the second's answer."""
    first = b"permessage-deflate; server_no_context_takeover; client_max_window_bits=9; server_max_window_bits=9; x"
    assert answer(first + b", permessage-deflate") == b"permessage-deflate; server_max_window_bits=12"


def test_x11_a_client_window_of_8_is_answered_with_8() -> None:
    """X11: client_max_window_bits=8 is accepted, and never answered with more."""
    accept_response = negotiate([b"permessage-deflate; client_max_window_bits=8"], CONFIG)
    assert accept_response is not None
    assert accept_response.client_window_bits == 8
    assert accept_response.header_value().endswith(b"; client_max_window_bits=8")
    # No zlib writes 8; those that were asked to have long written 9 instead.
    data = random.Random(8).randbytes(300) * 4
    assert message(inflater(accept_response.client_window_bits), compressed(data, 9)) == data


def test_the_first_acceptable_offer_wins_across_headers() -> None:
    """Several headers are one list, and its order is the client's preference."""
    assert answer(b"x-foo", b"permessage-deflate; server_max_window_bits=9, permessage-deflate", b"x-bar") == (
        b"permessage-deflate; server_max_window_bits=9"
    )


@pytest.mark.parametrize("offer", [b"x-webkit-deflate-frame", b"permessage-deflate2", b"Permessage-Deflate"])
def test_other_extensions_are_ignored(offer: bytes) -> None:
    """Names are compared byte for byte; what is not permessage-deflate is nothing."""
    assert answer(offer) is None


def test_no_header_is_no_compression() -> None:
    """A client that offers nothing gets nothing."""
    assert answer() is None


@pytest.mark.parametrize("header", [b" , permessage-deflate", b"permessage-deflate ,,\t,", b"\tpermessage-deflate "])
def test_empty_elements_of_the_list_are_skipped(header: bytes) -> None:
    """RFC 7230 7: a list may have empty elements, and an empty header beside another is one."""
    assert answer(header) == answer(b"permessage-deflate") == answer(b"", b"permessage-deflate")


MALFORMED = [
    b"",
    b" , ",
    b";",
    b"; client_max_window_bits",
    b"permessage-deflate;",
    b"permessage-deflate; ;",
    b"permessage-deflate client_max_window_bits",
    b"permessage-deflate; client_max_window_bits=",
    b"permessage-deflate; client_max_window_bits=10 11",
    b"permessage-deflate; =10",
    b"permessage-deflate=10",
    b'permessage-deflate; a="10',
    b'permessage-deflate; a="10\\"',
    b'permessage-deflate; a="10"x',
    b"permessage-deflate, x(y)",
    b"permessage-deflate\x00",
    b"permessage-deflate; a=\x7f",
    b'permessage-deflate; a="\n"',
    pytest.param(b"permessage-deflat\xe9", id="E11-name"),
    pytest.param(b'x; a="\xc3\xa9", permessage-deflate', id="E11-quoted"),
    pytest.param("permessage-deflate; server_max_window_bits=\uff11\uff10".encode(), id="E11-digits"),
]


@pytest.mark.parametrize("header", MALFORMED)
@pytest.mark.parametrize("compression", [True, False])
def test_e11_a_header_that_breaks_the_grammar_is_malformed(header: bytes, compression: bool) -> None:
    """E11, RFC 6455 9.1: broken grammar and non-ASCII bytes are told apart from an offer that is declined."""
    with pytest.raises(MalformedExtensions):
        negotiate([header], Config(compression=compression))


def test_compression_switched_off_declines_every_offer() -> None:
    """Config.compression=False: no offer is accepted."""
    assert answer(BROWSER, config=Config(compression=False)) is None


@given(st.lists(st.binary(max_size=60) | st.text('permsagdflt-;=," \\019_', max_size=60).map(str.encode), max_size=3))
def test_any_header_is_answered_or_malformed(headers: list[bytes]) -> None:
    """No header value raises anything else, and an answer keeps within what zlib can do."""
    try:
        accept_response = negotiate(headers, CONFIG)
    except MalformedExtensions:
        return
    assert accept_response is None or (
        9 <= accept_response.server_window_bits <= 12 and 8 <= accept_response.client_window_bits <= 15
    )


BITS = st.none() | st.integers(9, 15)


@given(st.booleans(), st.booleans(), BITS, st.just(True) | BITS, st.integers(9, 15))
def test_an_independent_client_accepts_the_answer(
    server_no: bool, client_no: bool, server_bits: int | None, client_bits: int | bool | None, ours: int
) -> None:
    """The client of `websockets` agrees to our answer, and both sides then mean the same by it."""
    factory = ClientPerMessageDeflateFactory(server_no, client_no, server_bits, client_bits)
    parameters = [f"; {name}" + ("" if value is None else f"={value}") for name, value in factory.get_request_params()]
    accept_response = negotiate(
        [f"permessage-deflate{''.join(parameters)}".encode()], Config(compression_window_bits=ours)
    )
    assert accept_response is not None
    [(name, answered)] = parse_extension(accept_response.header_value().decode())
    assert name == "permessage-deflate"
    theirs = factory.process_response_params(answered, [])
    assert accept_response == DeflateParameters(
        server_no_context_takeover=theirs.remote_no_context_takeover,
        client_no_context_takeover=theirs.local_no_context_takeover,
        server_window_bits=theirs.remote_max_window_bits,
        client_window_bits=theirs.local_max_window_bits,
    )


# -- messages

CONTENT = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda part, times: part * times, st.binary(max_size=40), st.integers(0, 400)),
    st.builds(lambda seed, size: random.Random(seed).randbytes(size) * 2, st.integers(0, 9), st.integers(0, 3000)),
)
CONTENTS = st.lists(CONTENT, max_size=6)
WINDOWS = st.integers(9, 15)


def cut(data: bytes, cuts: random.Random) -> list[bytes]:
    """Cut `data` into pieces of random sizes, empty ones among them."""
    places = sorted(cuts.randrange(len(data) + 1) for _ in range(cuts.randrange(5)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


@given(CONTENTS, WINDOWS, st.booleans(), st.integers(0, 9), st.integers(1, 9), st.randoms(use_true_random=False))
def test_d9_what_is_deflated_inflates_to_itself(
    contents: list[bytes], bits: int, takeover: bool, level: int, mem_level: int, cuts: random.Random
) -> None:
    """D9: any messages, any cut of the payload, with and without takeover, for every window and setting of zlib."""
    out = deflater(bits, context_takeover=takeover, level=level, mem_level=mem_level)
    back = inflater(bits, context_takeover=takeover)
    for content in contents:
        payload = out.deflate(content)
        assert payload
        assert message(back, *cut(payload, cuts), room=len(content)) == content


@given(CONTENTS, WINDOWS, st.booleans())
def test_zlib_alone_agrees_in_both_directions(contents: list[bytes], bits: int, takeover: bool) -> None:
    """What zlib itself writes is read, and what is written zlib reads as RFC 7692 7.2 says."""
    out, back = deflater(bits, context_takeover=takeover), inflater(bits, context_takeover=takeover)
    theirs_out, theirs_back = zlib.compressobj(wbits=-bits), zlib.decompressobj(-bits)
    for content in contents:
        if not takeover:
            theirs_out, theirs_back = zlib.compressobj(wbits=-bits), zlib.decompressobj(-bits)
        assert theirs_back.decompress(out.deflate(content) + b"\x00\x00\xff\xff") == content
        payload = theirs_out.compress(content) + theirs_out.flush(zlib.Z_SYNC_FLUSH)
        assert message(back, payload.removesuffix(b"\x00\x00\xff\xff")) == content


@given(CONTENTS, WINDOWS, st.booleans())
def test_websockets_agrees_in_both_directions(contents: list[bytes], bits: int, takeover: bool) -> None:
    """An independent permessage-deflate reads what is written, and its messages are read."""
    theirs = PerMessageDeflate(not takeover, not takeover, bits, bits)
    out, back = deflater(bits, context_takeover=takeover), inflater(bits, context_takeover=takeover)
    for content in contents:
        ours = Frame(Opcode.BINARY, out.deflate(content), rsv1=True)
        assert bytes(theirs.decode(ours).data) == content
        assert message(back, bytes(theirs.encode(Frame(Opcode.BINARY, content)).data)) == content


@pytest.mark.parametrize("takeover", [True, False])
def test_d4_empty_messages_come_through_each_time(takeover: bool) -> None:
    """D4, RFC 7692 7.2.3.6: an empty message is one zero byte, the second in a row too, and disturbs no other."""
    out, back = deflater(context_takeover=takeover), inflater(context_takeover=takeover)
    contents = [b"", b"", b"one", b"", b"", b"one"]
    payloads = [out.deflate(content) for content in contents]
    assert [payloads[i] for i in (0, 1, 3, 4)] == [b"\x00"] * 4
    assert [message(back, payload, room=3) for payload in payloads] == contents


def test_d4_a_message_of_no_bytes_is_empty_and_harmless() -> None:
    """D4: zlib flushed twice in a row gives no bytes; a peer that sends just that means an empty message."""
    stream = zlib.compressobj(wbits=-15)
    back = inflater()
    for content in (b"one", b"", b"", b"", b"one"):
        payload = (stream.compress(content) if content else b"") + stream.flush(zlib.Z_SYNC_FLUSH)
        assert bool(payload) == bool(content)
        assert message(back, payload.removesuffix(b"\x00\x00\xff\xff")) == content
    assert message(back) == b""
    assert message(back, b"", b"") == b""


def test_d9_takeover_refers_to_earlier_messages_and_its_absence_does_not() -> None:
    """D9: the second of two equal messages is small with takeover, and stands alone without."""
    data = random.Random(9).randbytes(500)
    keeping, forgetting = deflater(), deflater(context_takeover=False)
    first, second = keeping.deflate(data), keeping.deflate(data)
    assert len(second) < 20 < 500 < len(first)
    assert forgetting.deflate(data) == forgetting.deflate(data) == first

    back = inflater(context_takeover=False)
    assert message(back, first) == data
    with pytest.raises(CorruptDeflate):
        message(back, second)


RFC_EXAMPLES = {  # RFC 7692 7.2.3
    "7.2.3.1": ["f248cdc9c90700"],
    "7.2.3.2": ["f248cdc9c90700", "f200110000"],
    "7.2.3.3": ["000500faff48656c6c6f00"],
    "7.2.3.4": ["f348cdc9c9070000"],
    "7.2.3.5": ["f248050000 00ffffcac9c90700"],
}


@pytest.mark.parametrize("payloads", RFC_EXAMPLES.values(), ids=RFC_EXAMPLES.keys())
def test_the_examples_of_the_rfc_say_hello(payloads: list[str]) -> None:
    """RFC 7692 7.2.3: each of its payloads is "Hello"."""
    back = inflater()
    for payload in payloads:
        assert message(back, bytes.fromhex(payload), room=5) == b"Hello"


@pytest.mark.parametrize("takeover", [True, False])
def test_contexts_are_held_only_where_they_are_of_use(takeover: bool) -> None:
    """A connection that compressed nothing holds no context, and without takeover none is held between messages."""
    tracemalloc.start()
    try:
        pairs = [(deflater(context_takeover=takeover), inflater(context_takeover=takeover)) for _ in range(20)]
        unused = tracemalloc.get_traced_memory()[0]
        for out, back in pairs:
            message(back, out.deflate(b"some"))
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    one_context = 2**12  # less than the smallest that zlib makes
    assert unused < len(pairs) * one_context
    assert (used - unused >= len(pairs) * one_context) == takeover


# -- blocks marked as the last


@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("trailing", [b"\x00", b"", b"\x00\x00\x00\xff\xff\x00"])
def test_d5_a_last_block_ends_neither_message_nor_connection(takeover: bool, trailing: bytes) -> None:
    """D5, RFC 7692 7.2.3.4: after a BFINAL block the message may go on, and the next message arrives."""
    payload = finished(b"first") + trailing
    for pieces in ([payload], [payload[i : i + 1] for i in range(len(payload))]):
        back = inflater(context_takeover=takeover)
        assert message(back, *pieces, room=5) == b"first"
        assert message(back, compressed(b"second")) == b"second"
        assert message(back, *pieces, room=5) == b"first"


def test_d5_a_last_block_of_any_size_may_end_a_message() -> None:
    """D5: the end of a BFINAL block is seen also where zlib read it before it had written everything."""
    back = inflater(9)
    for size in range(1, 1200):
        assert message(back, finished(b"a" * size, 9), room=size) == b"a" * size


def test_d5_several_last_blocks_in_one_message() -> None:
    """D5, RFC 7692 7.2.1: any number of BFINAL blocks may make up a message, and together they have one limit."""
    payload = finished(b"one ") + finished(b"") + finished(b"two ") + compressed(b"three")
    assert message(inflater(), payload, room=13) == b"one two three"
    with pytest.raises(TooLarge):
        message(inflater(), payload, room=12)


def test_d5_a_chain_of_last_blocks_is_cut_off() -> None:
    """D5: 64 BFINAL blocks in a message are read; more of them, which could be two bytes of nothing each, are not."""
    assert message(inflater(), finished(b"a") * 64, room=64) == b"a" * 64
    with pytest.raises(CorruptDeflate):
        message(inflater(), finished(b"a") * 65, room=65)
    two_messages = inflater()
    for _ in range(2):  # the count begins anew
        assert message(two_messages, finished(b"") * 64, room=0) == b""


# -- limits


@pytest.mark.parametrize("limit", [1, 2, 127, 128, 129, 1000, 1024, 4096, 8192, 8193, 65536])
@pytest.mark.parametrize("bits", [9, 12, 15])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "byte by byte"])
def test_d7_the_limit_is_exact(limit: int, bits: int, whole: bool) -> None:
    """D7: limit - 1 and limit pass, limit + 1 and limit + 2 do not, wherever zlib's output is cut off."""
    for size in (limit - 1, limit, limit + 1, limit + 2):
        payload = compressed(b"a" * size, bits)
        pieces = [payload] if whole else [payload[i : i + 1] for i in range(len(payload))]
        if size <= limit:
            assert message(inflater(bits), *pieces, room=limit) == b"a" * size
        else:
            with pytest.raises(TooLarge):
                message(inflater(bits), *pieces, room=limit)


@given(CONTENT, WINDOWS, st.randoms(use_true_random=False), st.booleans(), st.integers(0, 9))
def test_d7_the_limit_is_exact_for_any_content(
    content: bytes, bits: int, cuts: random.Random, last: bool, level: int
) -> None:
    """D7: a message passes with room for just its content, and with one byte less it does not."""
    payload = finished(content, bits) if last else compressed(content, bits, level)
    pieces = cut(payload, cuts)
    assert message(inflater(bits), *pieces, room=len(content)) == content
    if content:
        with pytest.raises(TooLarge):
            message(inflater(bits), *pieces, room=len(content) - 1)


@pytest.mark.parametrize(("bits", "size"), [(9, 2**22), (12, 2**26), (15, 2**26)])  # zlib is slow to make one with 9
def test_d6_a_bomb_is_held_to_its_limit(bits: int, size: int) -> None:
    """D6: less than 64 KiB that inflate to 64 MiB hold the limit, a chunk, and what a growing buffer has in reserve."""
    limit = 2**20
    payload = compressed(bytes(size), bits)
    back = inflater(bits)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            back.inflate(payload, limit)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(payload) <= 2**16
    assert limit <= peak <= limit * 5 // 4


# -- damage


@pytest.mark.parametrize(
    "payload",
    [b"\xff", b"\xff" * 100, b"\x07", b"not deflate", compressed(b"Hello")[:-1], compressed(b"Hello" * 99)[:5]],
)
@pytest.mark.parametrize("takeover", [True, False])
def test_d3_corrupt_data_is_found_in_its_own_message(payload: bytes, takeover: bool) -> None:
    """D3: what is no deflate data, or ends within a block, is an error no later than at the message's end."""
    back = inflater(context_takeover=takeover)
    assert message(back, compressed(b"fine")) == b"fine"
    with pytest.raises(CorruptDeflate):
        message(back, payload)


@given(CONTENT.filter(bool), st.data(), st.booleans())
def test_d3_a_message_cut_short_is_never_taken_for_whole(content: bytes, data: st.DataObject, takeover: bool) -> None:
    """D3: any part of a payload is either refused or, where it ends with a block's data, a beginning of the content."""
    payload = compressed(content)
    part = payload[: data.draw(st.integers(1, len(payload) - 1))]
    back = inflater(context_takeover=takeover)
    try:
        got = message(back, part)
    except CorruptDeflate:
        return
    # Stored data can end where the four bytes put back complete it: to RFC 7692 7.2.2 that is a message.
    assert got[:-4] == content[: max(len(got) - 4, 0)]
    assert message(back, compressed(b"next")) == b"next"


@given(st.lists(st.binary(max_size=300), max_size=4), WINDOWS, st.booleans(), st.integers(0, 5000))
def test_any_bytes_inflate_within_their_room_or_raise_what_is_documented(
    payloads: list[bytes], bits: int, takeover: bool, room: int
) -> None:
    """No payload raises anything but TooLarge and CorruptDeflate, or gives more than there is room for."""
    back = inflater(bits, context_takeover=takeover)
    try:
        for payload in payloads:
            assert len(message(back, payload, room=room)) <= room
    except (TooLarge, CorruptDeflate):
        pass


@pytest.mark.parametrize("bits", range(8, 15))
@pytest.mark.parametrize("takeover", [True, False])
def test_d10_a_larger_window_than_agreed_is_corrupt(bits: int, takeover: bool) -> None:
    """D10: a client that reaches back beyond the agreed window is told so, even in a message fed whole."""
    used = max(bits, 9)
    block = random.Random(bits).randbytes((1 << used) * 5 // 4 + 300)
    payload = compressed(block * 2, 15)
    assert len(payload) < len(block) * 3 // 2  # it does reach back
    for pieces in ([payload], [payload[i : i + 1] for i in range(len(payload))]):
        with pytest.raises(CorruptDeflate):
            message(inflater(bits, context_takeover=takeover), *pieces)


def test_d10_across_messages() -> None:
    """D10: the same where the reach goes into an earlier message."""
    block = os.urandom(6000)
    stream, back = zlib.compressobj(wbits=-15), inflater(12)
    first, second = (stream.compress(block) + stream.flush(zlib.Z_SYNC_FLUSH) for _ in range(2))
    assert message(back, first[:-4]) == block
    with pytest.raises(CorruptDeflate):
        message(back, second[:-4])


def test_d11_a_code_point_split_over_chunks_comes_back_whole() -> None:
    """D11: pieces need not end at characters, and joined they are the text."""
    text = "𝄞é€" * 5000
    payload = compressed(text.encode(), 9)
    assert message(inflater(9), *(payload[i : i + 3] for i in range(0, len(payload), 3))).decode() == text


def test_a_piece_that_comes_to_enough_with_a_slice_is_left_from_the_next_slice_on() -> None:
    """zlib has read the slice whole, so what is unread is the rest of the piece."""
    content = random.Random(1).randbytes(3 * 4096)
    piece = compressed(content, level=0)
    to = inflater()
    first = to.inflate(piece, PLENTY, enough=1)
    assert to.unread == piece[4096:]
    assert first + message(to, to.unread) == content


def test_a_message_may_end_in_the_header_of_a_last_block() -> None:
    """RFC 7692 7.2.2: the four bytes that its end lost complete an empty stored block, here with BFINAL set."""
    to = inflater()
    assert message(to, b"\x01") == b""
    assert message(to, compressed(b"next")) == b"next"
