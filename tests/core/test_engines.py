"""The frame engines agree with each other, and with websockets' sans-IO server (I11, I12).

All three get the same bytes, cut at random: what an honest client sends, what a hostile one does, and noise. wscore's
two engines may not differ at all, in a single byte that they write; websockets may, where `DIFFERENCES` has a row.
`WSCORE_EXAMPLES=20000` runs that many examples instead of few.
"""

from __future__ import annotations

import codecs
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close as WebsocketsClose
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from tests.core.peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Client,
    Compressor,
    close,
    fragments,
    frame,
    ping,
    read_frames,
    text,
)
from wscore import Config, ServerConnection
from wscore._core.frames.codec import MORE, ProtocolViolation
from wscore._core.frames.deflate import DeflateParameters
from wscore._core.frames.native import NativeCodec
from wscore._core.frames.wsproto import WsprotoCodec

EXAMPLES = int(os.environ.get("WSCORE_EXAMPLES", "150"))
some = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

LIMIT = 300
MAX_FRAGMENTS = 8


class Outcome(NamedTuple):
    """What a connection made of the bytes."""

    messages: list[str | bytes]
    pongs: list[bytes]
    end: tuple[object, ...] | None
    """("close", code, reason) for a close frame that was taken and answered, ("fail", code), or None: it goes on."""


# -- the three


class Run(NamedTuple):
    outcome: Outcome
    written: bytes
    trace: list[Any]


def wscore(engine: Any, cuts: list[bytes], offer: bytes = b"") -> Run:
    """A whole connection on an engine, its application an echo."""
    client = Client(Config(engine=engine, max_message_size=LIMIT, max_fragments=MAX_FRAGMENTS))
    if offer:
        client.opens_compressed(offer)
    else:
        client.opens()
    connection, messages, trace = client.connection, [], []
    client.reads()
    for piece in cuts:
        client.sends(piece)
        while (message := connection.next_message(now=0.0)) is not None:
            trace.append(message)
            if message["type"] == "websocket.receive":
                messages.append(message.get("text", message.get("bytes")))
                connection.send({**message, "type": "websocket.send"}, now=0.0)
        client.take_output()
    written = client.reads()
    info = connection.close_info
    end: tuple[object, ...] | None = None
    if info is not None:
        end = ("fail", info.code) if info.cause == "violation" else ("close", info.code, info.reason)
    pongs = [each.payload for each in read_frames(written) if each.opcode == PONG]
    return Run(Outcome(messages, pongs, end), written, [*trace, connection.state, info, connection.stats])


def websockets(cuts: list[bytes], offer: bytes = b"") -> Outcome:
    """websockets' server; what its connections above the sans-IO layer do, text from frames, is done here."""
    server = ServerProtocol(state=OPEN, max_size=LIMIT)
    if offer:
        server.extensions = [PerMessageDeflate(b"client_no_context_takeover" in offer, False, 12, 12)]
    messages: list[str | bytes] = []
    parts: list[str | bytes] = []
    pongs: list[bytes] = []
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_text = False
    for piece in cuts:
        server.receive_data(piece)
        for event in server.events_received():
            if event.opcode == PING:
                pongs.append(bytes(event.data))
            if event.opcode in {TEXT, BINARY}:
                is_text, parts = event.opcode == TEXT, []
            if event.opcode in {TEXT, BINARY, CONTINUATION}:
                data = bytes(event.data)
                try:
                    parts.append(decoder.decode(data, event.fin) if is_text else data)
                except UnicodeDecodeError:
                    return Outcome(messages, pongs, ("fail", 1007))
                if event.fin:
                    messages.append(("" if is_text else b"").join(parts))  # type: ignore[arg-type]
    assert [each.payload for each in read_frames(b"".join(server.data_to_send())) if each.opcode == PONG] == pongs
    return Outcome(messages, pongs, end_of(server))


def end_of(server: ServerProtocol) -> tuple[object, ...] | None:
    if server.parser_exc is not None:
        sent = server.close_sent
        assert sent is not None
        return ("fail", sent.code)
    received: WebsocketsClose | None = server.close_rcvd
    return None if received is None else ("close", int(received.code), received.reason)


# -- where websockets may differ


class Header(NamedTuple):
    opcode: int
    size: int
    shortest: bool
    whole: bool


def headers(data: bytes) -> Iterator[Header]:
    """The frames that `data` says it holds, as far as they can be told apart."""
    while len(data) >= 2:
        size, start, shortest = data[1] & 0x7F, 2, True
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(data) < start:
                return
            shortest = int.from_bytes(data[2:start]) >= (126 if size == 126 else 1 << 16)
            size = int.from_bytes(data[2:start])
        start += 4 if data[1] & 0x80 else 0
        yield Header(data[0] & 0xF, size, shortest, len(data) >= start + size)
        data = data[start + size :]


class Difference(NamedTuple):
    """A row: in what it shows, why it is allowed, bytes that show it, and how to classify_endpoint it."""

    name: str
    reason: str
    shown_by: bytes
    offer: bytes
    classify_endpoint: Callable[[bytes, Outcome, Outcome], bool]


def alike_so_far(ours: Outcome, theirs: Outcome) -> bool:
    return (ours.messages, ours.pongs) == (theirs.messages, theirs.pongs)


DEFLATE = b"permessage-deflate; client_max_window_bits=12"

FULL = Compressor().payload(b"y" * LIMIT)

DIFFERENCES = [
    Difference(
        "a length not in its shortest form passes",
        "RFC 6455 5.2 demands the minimal number of bytes; websockets does not look (F9)",
        text("long", length_in=16),
        b"",
        lambda data, ours, _: ours.end == ("fail", 1002) and not all(each.shortest for each in headers(data)),
    ),
    Difference(
        "a length with the top bit set is too big, not malformed",
        "RFC 6455 5.2 says it must be 0, which is the protocol's rule and not a limit of ours (F10)",
        frame(BINARY, announces=1 << 63),
        b"",
        lambda data, ours, theirs: (
            (ours.end, theirs.end) == (("fail", 1002), ("fail", 1009))
            and alike_so_far(ours, theirs)
            and any(each.size >> 63 for each in headers(data))
        ),
    ),
    Difference(
        "a fault in the header, or bad UTF-8, shows when the whole frame is there",
        "we judge a header at once, and UTF-8 as it comes (F12); websockets waits for the payload",
        frame(TEXT, rsv=0b010, announces=10),
        b"",
        lambda data, ours, theirs: (
            ours.end in {("fail", 1002), ("fail", 1007), ("fail", 1009)}
            and theirs.end is None
            and alike_so_far(ours, theirs)
            and not all(each.whole for each in headers(data))
        ),
    ),
    Difference(
        "a frame that is too large, or continues nothing, and breaks another rule as well, fails with the other code",
        "the RFC gives faults no order; ours is that of the header's bytes, then limits, then bits and mask",
        frame(TEXT, bytes(LIMIT + 1), mask=None),
        b"",
        lambda _, ours, theirs: (
            {ours.end, theirs.end} == {("fail", 1002), ("fail", 1009)} and alike_so_far(ours, theirs)
        ),
    ),
    Difference(
        "a close inside a fragmented message fails with 1002",
        "RFC 6455 5.5 lets control frames stand between fragments; the unfinished message is dropped (F19)",
        frame(TEXT, b"half", fin=False) + close(1001),
        b"",
        lambda _, ours, theirs: (
            ours.end is not None
            and ours.end[0] == "close"
            and theirs.end == ("fail", 1002)
            and alike_so_far(ours, theirs)
        ),
    ),
    Difference(
        "a close with a bad code and a reason that is no UTF-8 fails with 1007",
        "the RFC gives faults no order; we read the code before the reason",
        close(1005, b"\xff"),
        b"",
        lambda data, ours, theirs: (
            (ours.end, theirs.end) == (("fail", 1002), ("fail", 1007))
            and alike_so_far(ours, theirs)
            and any(each.opcode == CLOSE and each.size > 2 for each in headers(data))
        ),
    ),
    Difference(
        "a control frame counts against the room that is left for a message",
        "a limit on messages is none on pings between their fragments",
        frame(BINARY, bytes(LIMIT), fin=False) + ping(b"ping") + frame(CONTINUATION),
        b"",
        lambda data, ours, theirs: (
            theirs.end == ("fail", 1009)
            and len(ours.messages) >= len(theirs.messages)
            and ours.messages[: len(theirs.messages)] == theirs.messages
            and any(each.opcode >= CLOSE and each.size for each in headers(data))
        ),
    ),
    Difference(
        "the number of fragments has no limit",
        "100,000 fragments of a byte cost more than the message (F31)",
        b"".join(fragments(TEXT, *[b"f"] * (MAX_FRAGMENTS + 1))),
        b"",
        lambda data, ours, theirs: (
            ours.end == ("fail", 1009)
            and ours.messages == theirs.messages[: len(ours.messages)]
            and sum(each.opcode < CLOSE for each in headers(data)) > MAX_FRAGMENTS
        ),
    ),
    Difference(
        "corrupt deflate data fails with 1002",
        "RFC 7692 names no code; 1007 is for data that is not what the message's type says (D3)",
        frame(TEXT, b"\xff\xff\xff\xff", rsv=0b100),
        DEFLATE,
        lambda _, ours, theirs: (
            (ours.end, theirs.end) == (("fail", 1007), ("fail", 1002)) and alike_so_far(ours, theirs)
        ),
    ),
    Difference(
        "a message cut short within a block passes, and what is missing is looked for in the next",
        "zlib does not complain by itself; the message that the peer meant is not there (D3)",
        frame(BINARY, Compressor(level=0).payload(b"cut short")[:-2], rsv=0b100),
        DEFLATE,
        lambda _, ours, theirs: (
            ours.end == ("fail", 1007)
            and len(theirs.messages) > len(ours.messages)
            and ours.messages == theirs.messages[: len(ours.messages)]
        ),
    ),
    Difference(
        "what incompressible data grows by counts against the limit",
        "the limit is on messages, and bytes on the wire that stay within an eighth more are let through (D7)",
        frame(BINARY, Compressor(level=0).payload(bytes(LIMIT)), rsv=0b100),
        DEFLATE,
        lambda data, ours, theirs: (
            theirs.end == ("fail", 1009)
            and len(ours.messages) >= len(theirs.messages)
            and ours.messages[: len(theirs.messages)] == theirs.messages
            and any(each.size > LIMIT for each in headers(data))
        ),
    ),
    Difference(
        "a fragment's bytes on the wire count against the room that is left for what they inflate to",
        "the last bytes of a compressed message may inflate to nothing, and it is within the limit (D7)",
        b"".join(fragments(BINARY, FULL[:-2], FULL[-2:], rsv=0b100)),
        DEFLATE,
        lambda data, ours, theirs: (
            theirs.end == ("fail", 1009)
            and len(ours.messages) >= len(theirs.messages)
            and ours.messages[: len(theirs.messages)] == theirs.messages
            and any(each.opcode == CONTINUATION and each.size for each in headers(data))
        ),
    ),
]


def explained(data: bytes, ours: Outcome, theirs: Outcome, offer: bytes) -> str | None:
    """The name of the first row that allows the difference."""
    for row in DIFFERENCES:
        if (offer or not row.offer) and row.classify_endpoint(data, ours, theirs):
            return row.name
    return None


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: row.name)
def test_i12_each_allowed_difference_is_there(row: Difference) -> None:
    """A row that nothing needs any more has to go."""
    ours = wscore("native", [row.shown_by], row.offer).outcome
    theirs = websockets([row.shown_by], row.offer)
    assert ours != theirs
    assert row.classify_endpoint(row.shown_by, ours, theirs)


# -- what goes in

words = st.text(st.sampled_from("aä€😀\0 "), max_size=60).map(str.encode) | st.sampled_from(
    [
        b"",
        b"x" * 125,
        b"x" * 126,
        b"y" * LIMIT,
        b"y" * (LIMIT + 1),
        b"\xff",
        b"\xed\xa0\x80",
        b"ok\xf4\x90",
        b"\xe2\x82",
    ]
)
codes = st.sampled_from([0, 999, 1000, 1001, 1004, 1005, 1006, 1012, 1014, 1015, 1016, 2999, 3000, 4999, 5000])
Step = Callable[[Compressor], bytes]


@st.composite
def honest_steps(draw: st.DrawFn) -> Step:
    """A message in one frame or in fragments, pings between them, compressed where that was agreed on."""
    opcode, payload = draw(st.sampled_from([TEXT, BINARY])), draw(words)
    cuts = sorted(draw(st.lists(st.integers(0, max(len(payload), 40)), max_size=4)))
    compressed = draw(st.booleans())
    between = draw(st.lists(st.binary(max_size=5), max_size=2))

    def write(compressor: Compressor | None) -> bytes:
        zipped = compressed and compressor is not None
        data = compressor.payload(payload) if zipped and compressor else payload
        parts = [data[start:stop] for start, stop in itertools.pairwise([0, *cuts, None])]  # type: ignore[arg-type]
        frames = fragments(opcode, *parts, rsv=0b100 if zipped else 0)
        pings = [ping(each) for each in between]
        return b"".join(
            itertools.chain.from_iterable(itertools.zip_longest(frames, pings[: len(frames) - 1], fillvalue=b""))
        )

    return write  # type: ignore[return-value]


odd_frames = st.builds(
    frame,
    st.integers(0, 15),
    words | st.binary(max_size=140),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 0b100, 0b010, 0b001, 0b111]),
    mask=st.sampled_from([b"\x37\xfa\x21\x3d", b"\0\0\0\0", None]),
    announces=st.none() | st.sampled_from([0, 125, 126, LIMIT, LIMIT + 1, 1 << 16, 1 << 62, 1 << 63]),
    length_in=st.sampled_from([None, None, None, 64]),
)
closes = st.builds(close, st.none() | codes, st.sampled_from([b"", b"bye", "grüße".encode(), b"\xff"]))
hostile_steps = (
    odd_frames.map(lambda data: lambda _: data)
    | closes.map(lambda data: lambda _: data)
    | st.binary(max_size=20).map(lambda data: lambda _: data)
)
conversations = st.lists(honest_steps() | honest_steps() | honest_steps() | hostile_steps, max_size=8)
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=8) | st.just([1]) | st.just([1 << 20])
flips = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 7)), max_size=2) | st.just([])


def cut(data: bytes, lengths: list[int]) -> list[bytes]:
    pieces, lengths_again = [], itertools.cycle(lengths)
    while data:
        length = next(lengths_again)
        pieces.append(data[:length])
        data = data[length:]
    return pieces


# -- what must be


@some
@given(steps=conversations, lengths=sizes, offer=st.sampled_from([b"", DEFLATE]), flipped=flips)
@example(steps=[lambda _: close(1014)], lengths=[1], offer=b"", flipped=[])
def test_i12_the_engines_agree_on_any_bytes(
    steps: list[Step], lengths: list[int], offer: bytes, flipped: list[tuple[int, int]]
) -> None:
    """wscore's two in all that can be seen; websockets in messages, pongs and the end, but for the rows."""
    compressor = Compressor(window_bits=12) if offer else None
    data = bytearray(b"".join(step(compressor) for step in steps))  # type: ignore[arg-type]
    for at, bit in flipped:
        if at < len(data):
            data[at] ^= 1 << bit
    cuts = cut(bytes(data), lengths)
    native, oracle = wscore("native", cuts, offer), wscore("wsproto", cuts, offer)
    assert native == oracle
    theirs = websockets(cuts, offer)
    assert native.outcome == theirs or explained(bytes(data), native.outcome, theirs, offer)


actions = st.lists(
    st.tuples(
        st.sampled_from(["text", "bytes", "ping"]),
        st.text(max_size=40).map(str.encode) | st.binary(max_size=LIMIT).filter(lambda data: len(data) > 125),
        st.lists(st.integers(0, LIMIT), max_size=MAX_FRAGMENTS - 1).map(sorted),
    ),
    max_size=8,
)


@some
@given(script=actions, lengths=sizes, offer=st.sampled_from([b"", DEFLATE, DEFLATE + b"; client_no_context_takeover"]))
def test_i11_what_a_reference_client_sends_is_what_the_application_receives(
    script: list[tuple[str, bytes, list[int]]], lengths: list[int], offer: bytes
) -> None:
    """On both engines, however it is fragmented, compressed, cut and interleaved with pings."""
    client = ClientProtocol(parse_uri("ws://server.example.com/"), state=OPEN, max_size=None)
    if offer:
        client.extensions = [PerMessageDeflate(False, b"client_no_context_takeover" in offer, 12, 12)]
    messages: list[str | bytes] = []
    pings: list[bytes] = []
    for kind, payload, places in script:
        if kind == "ping":
            client.send_ping(payload[:125])
            pings.append(payload[:125])
            continue
        if kind == "text":
            payload = payload.decode(errors="ignore").encode()
        parts = [payload[start:stop] for start, stop in itertools.pairwise([0, *places, None])]  # type: ignore[arg-type]
        for index, part in enumerate(parts):
            final = index == len(parts) - 1
            if index:
                client.send_continuation(part, final)
            elif kind == "text":
                client.send_text(part, final)
            else:
                client.send_binary(part, final)
            if not final:
                client.send_ping(b"between")
                pings.append(b"between")
        messages.append(payload.decode() if kind == "text" else payload)
    client.send_close(1000, "done")
    cuts = cut(b"".join(client.data_to_send()), lengths)
    sent = Outcome(messages, pings, ("close", 1000, "done"))
    native, oracle = wscore("native", cuts, offer), wscore("wsproto", cuts, offer)
    assert native.outcome == sent
    assert native == oracle


@pytest.mark.parametrize(("engine", "codec"), [("native", NativeCodec), ("wsproto", WsprotoCodec)])
def test_the_configuration_chooses_the_engine(engine: Any, codec: type) -> None:
    """Both stay selectable."""
    client = Client(Config(engine=engine))
    client.opens()
    assert isinstance(client.connection._codec, codec)


def test_both_engines_write_the_same() -> None:
    """Each kind of frame, at each form of a length."""
    for size, offer in itertools.product([0, 1, 125, 126, 65535, 65536], [b"", DEFLATE]):
        written = []
        for engine in ("native", "wsproto"):
            client = Client(Config(engine=engine))  # type: ignore[arg-type]
            client.opens_compressed(offer) if offer else client.opens()
            client.app_sends("websocket.send", text="x" * size)
            client.app_sends("websocket.send", bytes=bytes(size))
            client.sends(ping(bytes(min(size, 125))))
            client.app_sends("websocket.close", code=4999, reason="y" * min(size, 123))
            written.append(client.reads())
        assert written[0] == written[1]


def test_an_idle_connection_holds_nothing_of_what_it_read() -> None:
    """Neither a read that was used up nor the message in it."""
    for last in (text("x" * 40_000), text("x" * 70_000), fragments(TEXT, b"x" * 40_000, b"y")[0]):
        client = Client(Config(engine="native"))
        client.opens()
        client.sends(text("x" * 40_000), last)
        client.app_receives()
        codec: Any = client.connection._codec
        assert codec._buffer == b""
    assert isinstance(client.connection, ServerConnection)


def test_wsproto_joins_a_thousand_fragments_on_the_way() -> None:
    """Parts of a byte each weigh far more than the message: they do not pile up."""
    codec = WsprotoCodec(Config(), None)
    codec.receive_data(b"".join(fragments(BINARY, *[b"f"] * 1030)))
    events = []
    while (event := codec.next_event()) is not None:
        assert len(codec._parts) < 1024
        if event is not MORE:
            events.append(event)
    assert events == [b"f" * 1030]


@pytest.mark.parametrize("codec", [NativeCodec, WsprotoCodec])
def test_a_compressed_message_that_ends_within_a_block_is_corrupt(codec: Any) -> None:
    """Both engines find it at the end of the last frame, with 1007 (D3)."""
    engine = codec(Config(), DeflateParameters(False, False, 15, 15))
    engine.receive_data(frame(BINARY, Compressor(level=0).payload(b"cut short")[:-2], rsv=0b100))
    assert engine.next_event() == ProtocolViolation(1007)
