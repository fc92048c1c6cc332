"""Strategies generate what they say: wscore and independent parsers judge, and what is hostile is refused."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Opcode as WebsocketsOpcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.uri import parse_uri
from wsproto import ConnectionType, WSConnection
from wsproto.events import Request as WsprotoRequest

from tests.core.peer import read_response
from wscore import (
    ClientConnection,
    ClientDisconnected,
    Config,
    InvalidMessage,
    LocalProtocolError,
    ServerConnection,
    State,
)
from wscore.testing.frames import AnnotatedBytes, Line, masked, ping, read_frames, text
from wscore.testing.handshakes import request_head, response_head
from wscore.testing.pair import ConnectionPair
from wscore.testing.strategies import (
    Frames,
    application_messages,
    arbitrary_application_messages,
    arbitrary_frames,
    close_frames,
    compressed_messages,
    cuts,
    fragmentations,
    frames,
    handshakes,
    hostile_frames,
    hostile_handshakes,
    hostile_responses,
    messages,
    network_schedules,
    responses,
    streams,
    unlawful_application_messages,
)

few = settings(max_examples=15, suppress_health_check=list(HealthCheck))
quickly = settings(max_examples=200, phases=[Phase.generate, Phase.shrink], derandomize=True, database=None)
sides = pytest.mark.parametrize("is_masked", [True, False], ids=["a client's", "a server's"])


# -- who judges


def server(*, compression: bool = False) -> ServerConnection:
    """A server's connection that is open."""
    connection = ServerConnection(Config(compression=compression), now=0.0)
    connection.receive_data(request_head(*[b"Sec-WebSocket-Extensions: permessage-deflate"] * compression), now=0.0)
    connection.send({"type": "websocket.accept"}, now=0.0)
    assert connection.next_message(now=0.0) == {"type": "websocket.connect"}
    connection.data_to_send()
    return connection


def client(*, compression: bool = False) -> ClientConnection:
    """A client's connection that is open."""
    connection = asking()
    extension = [b"Sec-WebSocket-Extensions: permessage-deflate"] * compression
    connection.receive_data(response_head(connection.data_to_send(), *extension), now=0.0)
    assert connection.state is State.OPEN
    return connection


def asking(**options: Any) -> ClientConnection:
    """A client's connection that has sent its request."""
    numbers = count()
    return ClientConnection(
        "ws://server.example.com/chat",
        Config(),
        now=0.0,
        random=lambda size: next(numbers).to_bytes(size + 8)[-size:],
        **options,
    )


def taken(connection: ServerConnection | ClientConnection) -> list[str | bytes]:
    """The messages that can be taken."""
    found: list[Any] = list(iter(lambda: connection.next_message(now=0.0), None))
    if isinstance(connection, ClientConnection):
        return found
    return [each.get("text", each.get("bytes")) for each in found if each["type"] == "websocket.receive"]


def read_by_websockets(data: bytes, *, is_masked: bool, compressed: bool = False) -> tuple[list[Any], list[bytes]]:
    """The messages and the pings that websockets' sans-IO layer reads."""
    peer = (
        ServerProtocol(state=OPEN, max_size=None)
        if is_masked
        else ClientProtocol(parse_uri("ws://h/"), state=OPEN, max_size=None)
    )
    if compressed:
        peer.extensions = [PerMessageDeflate(False, False, 15, 15)]
    peer.receive_data(data)
    assert peer.parser_exc is None, peer.parser_exc
    found: list[Any] = []
    pings: list[bytes] = []
    parts, is_text = b"", False
    for event in peer.events_received():
        match event.opcode:
            case WebsocketsOpcode.PING:
                pings.append(bytes(event.data))
            case WebsocketsOpcode.TEXT | WebsocketsOpcode.BINARY | WebsocketsOpcode.CONT:
                if event.opcode is not WebsocketsOpcode.CONT:
                    parts, is_text = b"", event.opcode is WebsocketsOpcode.TEXT
                parts += event.data
                if event.fin:
                    found.append(parts.decode() if is_text else parts)
    return found, pings


def judge(data: Frames, *, is_masked: bool, compressed: bool = False) -> None:
    """Have the frames read by wscore and by websockets, which have to read what they are said to carry."""
    connection = server(compression=compressed) if is_masked else client(compression=compressed)
    connection.receive_data(data, now=0.0)
    assert taken(connection) == list(data.messages)
    assert read_by_websockets(data, is_masked=is_masked, compressed=compressed) == (
        list(data.messages),
        list(data.pings),
    )
    written = read_frames(connection.data_to_send(), masked=not is_masked)
    pongs = [frame.payload for frame in written if frame.opcode == 0xA]
    assert pongs == list(data.pings)
    if data.close is None:
        assert connection.close_info is None
    else:
        assert connection.close_info is not None
        assert connection.close_info.received == data.close


# -- what is allowed


@sides
@pytest.mark.parametrize("strategy", [frames, close_frames, fragmentations, streams], ids=lambda each: each.__name__)
@given(data=st.data())
@few
def test_frames_are_read_for_what_they_carry(strategy: Any, is_masked: bool, data: st.DataObject) -> None:
    """wscore and websockets read from frames the messages, pings and close that they are said to carry."""
    judge(data.draw(strategy(masked=is_masked)), is_masked=is_masked)


@sides
@pytest.mark.parametrize("strategy", [compressed_messages, lambda **options: streams(**options, compressed=True)])
@given(data=st.data())
@few
def test_compressed_messages_are_inflated(strategy: Any, is_masked: bool, data: st.DataObject) -> None:
    """wscore and websockets inflate compressed messages to what they are said to carry, in any number."""
    parts = data.draw(st.lists(strategy(masked=is_masked), max_size=2))
    judge(
        Frames.joined([part for part in parts if part.close is None] + [part for part in parts if part.close][:1]),
        is_masked=is_masked,
        compressed=True,
    )


@given(data=st.data(), max_size=st.integers(1, 300))
@few
def test_no_message_is_larger_than_asked_for(data: st.DataObject, max_size: int) -> None:
    """A message takes `max_size` bytes at most, in frames or out of them."""
    message = data.draw(messages(max_size=max_size))
    assert len(message.encode() if isinstance(message, str) else message) <= max_size
    stream = data.draw(streams(max_size=max_size, max_fragments=3, max_messages=4))
    connection = ServerConnection(Config(max_message_size=max_size, max_fragments=3, compression=False), now=0.0)
    connection.receive_data(request_head(), now=0.0)
    connection.send({"type": "websocket.accept"}, now=0.0)
    connection.receive_data(stream, now=0.0)
    assert taken(connection) == list(stream.messages)


@given(request=handshakes())
@few
def test_handshakes_are_taken(request: AnnotatedBytes) -> None:
    """wscore takes each request, and wsproto does."""
    connection = ServerConnection(Config(), now=0.0)
    connection.receive_data(request, now=0.0)
    assert connection.scope is not None
    connection.send({"type": "websocket.accept"}, now=0.0)
    assert read_response(connection.data_to_send()).status == 101
    peer = WSConnection(ConnectionType.SERVER)
    peer.receive_data(request)
    [event] = peer.events()
    assert isinstance(event, WsprotoRequest)


@given(request=handshakes(compression=True), plain=handshakes(compression=False))
@few
def test_handshakes_offer_compression_where_asked(request: AnnotatedBytes, plain: AnnotatedBytes) -> None:
    """`compression` says whether permessage-deflate is offered."""
    assert b"permessage-deflate" in request
    assert b"permessage-deflate" not in plain


@given(data=st.data(), subprotocols=st.sampled_from([[], ["chat"], ["a", "b"]]))
@few
def test_responses_are_taken(data: st.DataObject, subprotocols: list[str]) -> None:
    """wscore's client takes each answer."""
    connection = asking(subprotocols=subprotocols)
    connection.receive_data(data.draw(responses(connection.data_to_send())), now=0.0)
    assert connection.opened
    assert connection.subprotocol in {None, *subprotocols}


# -- what is hostile


@sides
@given(data=st.data())
@few
def test_hostile_frames_fail_the_connection(is_masked: bool, data: st.DataObject) -> None:
    """Hostile frames fail a connection, between messages as well, cut anywhere, and raise nothing."""
    connection = server() if is_masked else client()
    before = data.draw(streams(masked=is_masked, max_messages=2, closed=False))
    hostile = data.draw(hostile_frames(masked=is_masked))
    for piece in data.draw(cuts(before + hostile)):
        connection.receive_data(piece, now=0.0)
    assert taken(connection) == list(before.messages)
    assert connection.close_info is not None
    assert connection.close_info.cause == "violation"


@sides
@given(data=st.data())
@few
def test_arbitrary_frames_raise_nothing(is_masked: bool, data: st.DataObject) -> None:
    """Of arbitrary frames some are allowed and some are not; none raises."""
    connection = server() if is_masked else client()
    for each in data.draw(st.lists(arbitrary_frames(masked=is_masked), max_size=5)):
        connection.receive_data(each, now=0.0)
    taken(connection)
    assert connection.close_info is None or connection.close_info.cause in {"violation", "peer"}


@pytest.mark.parametrize("is_allowed", [True, False])
def test_arbitrary_frames_are_of_both_kinds(is_allowed: bool) -> None:
    """Some arbitrary frames are allowed, and some are not."""

    def judged(data: AnnotatedBytes) -> bool:
        connection = server()
        connection.receive_data(data, now=0.0)
        return (connection.close_info is None) is is_allowed

    find(arbitrary_frames(), judged, settings=quickly)


@given(request=hostile_handshakes())
@few
def test_hostile_handshakes_are_refused(request: AnnotatedBytes) -> None:
    """A hostile request is refused, or never whole; nothing raises, and no application is started."""
    connection = ServerConnection(Config(), now=0.0)
    connection.receive_data(request, now=0.0)
    connection.receive_eof(now=0.0)
    assert connection.scope is None
    assert connection.close_info is not None
    assert connection.response is None or connection.response.status >= 400


@given(data=st.data())
@few
def test_hostile_responses_are_not_taken(data: st.DataObject) -> None:
    """A hostile answer opens nothing, and raises nothing."""
    connection = asking()
    connection.receive_data(data.draw(hostile_responses(connection.data_to_send())), now=0.0)
    connection.receive_eof(now=0.0)
    assert not connection.opened
    assert connection.state is State.CLOSED


# -- an application's messages


def awaiting() -> ServerConnection:
    """A server's connection whose application has to answer the handshake."""
    connection = ServerConnection(Config(), now=0.0)
    connection.receive_data(request_head(), now=0.0)
    return connection


@given(sent=application_messages())
@few
def test_lawful_messages_are_taken(sent: list[dict[str, Any]]) -> None:
    """A lawful sequence raises nothing, and answers the handshake."""
    connection = awaiting()
    for message in sent:
        connection.send(message, now=0.0)
    assert connection.response is not None


@given(sent=unlawful_application_messages())
@few
def test_of_unlawful_messages_the_last_is_refused(sent: list[dict[str, Any]]) -> None:
    """Of an unlawful sequence all messages are taken but the last, which is refused with an error of the core."""
    connection = awaiting()
    for message in sent[:-1]:
        connection.send(message, now=0.0)
    with pytest.raises((InvalidMessage, LocalProtocolError)):
        connection.send(sent[-1], now=0.0)


@given(sent=st.lists(arbitrary_application_messages(), max_size=4))
@few
def test_arbitrary_messages_raise_typed_errors_alone(sent: list[Any]) -> None:
    """Whatever is sent, it is taken or refused with an error of the core."""
    connection = awaiting()
    for message in sent:
        try:
            connection.send(message, now=0.0)
        except (InvalidMessage, LocalProtocolError, ClientDisconnected):
            continue


# -- the network


@given(data=st.data(), stream=st.one_of(streams(), st.binary(max_size=30)))
@few
def test_pieces_are_the_whole(data: st.DataObject, stream: bytes) -> None:
    """The pieces of a stream are not empty, and are the stream when joined."""
    pieces = data.draw(cuts(stream))
    assert b"".join(pieces) == stream
    assert all(pieces)


@given(events=network_schedules(), opened=st.booleans())
@few
def test_schedules_are_played(events: list[Any], opened: bool) -> None:
    """Whatever a network does, both ends of a pair come to their end, or stay as they are."""
    pair = ConnectionPair(Config(ping_interval=3, ping_timeout=3))
    if opened:
        pair.opens()
        pair.client.send("hello", now=pair.now)
    pair.play(events)
    pair.dies()
    while pair.waits():
        pair.server_receives()
        pair.client_receives()
    assert (pair.server.state, pair.client.state) == (State.CLOSED, State.CLOSED)


@pytest.mark.parametrize("fails", [True, False])
@given(data=st.data())
@few
def test_a_schedule_fails_where_asked(fails: bool, data: st.DataObject) -> None:
    """`fails` says whether the connection breaks, which is the last event."""
    events = data.draw(network_schedules(fails=fails))
    kinds = [type(event).__name__ for event in events]
    assert (kinds[-1:] in (["Reset"], ["Silence"])) is fails
    assert not {"Reset", "Silence"} & set(kinds[:-1])


# -- what is shown


@pytest.mark.parametrize(
    ("strategy", "condition", "shown"),
    [
        (frames(), lambda data: bool(data.messages), "81 80 00000000  # FIN text, masked, 0 bytes"),
        (frames(masked=False), lambda data: data[0] == 0x82, "82 00  # FIN binary, not masked, 0 bytes"),
        (close_frames(), lambda data: len(data) > 6, "88 82 00000000 03e8  # FIN close, masked, 2 bytes: 1000"),
        (
            fragmentations(),
            lambda data: bool(data.pings),
            "01 80 00000000  # text (not the last), masked, 0 bytes\n"
            "89 80 00000000  # FIN ping, masked, 0 bytes\n"
            "80 80 00000000  # FIN continuation, masked, 0 bytes",
        ),
        (compressed_messages(), lambda _: True, "c1 81 00000000 00  # FIN RSV1 text, masked, 1 byte: compressed"),
        (hostile_frames(), lambda data: data[0] == 0x88, "88 81 00000000 03  # FIN close, masked, 1 byte: b'\\x03'"),
        (arbitrary_frames(), lambda data: len(data) == 1, "00  # 1 byte"),
        (streams(), lambda _: True, "(nothing)  # no bytes"),
        (
            handshakes(),
            lambda data: data.startswith(b"GET / "),
            "474554202f20485454502f31..  # GET / HTTP/1.1\n"
            "486f73743a20736572766572..  # Host: server.example.com\n"
            "557067726164653a20776562..  # Upgrade: websocket\n"
            "436f6e6e656374696f6e3a20..  # Connection: Upgrade\n"
            "5365632d576562536f636b65..  # Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n"
            "5365632d576562536f636b65..  # Sec-WebSocket-Version: 13\n"
            "0d0a  # the end of the head",
        ),
        (
            cuts(text("hi", mask=None)),
            lambda pieces: len(pieces) == 1,
            "[81 02 6869  # FIN text, not masked, 2 bytes: 'hi']",
        ),
        (
            application_messages(),
            lambda sent: len(sent) > 1,
            "[{'type': 'websocket.accept'}, {'type': 'websocket.close'}]",
        ),
        (network_schedules(), lambda events: len(events) > 0, "[Silence()]"),
        (messages(), lambda message: isinstance(message, bytes), "b''"),
    ],
    ids=[
        "frames",
        "a server's frames",
        "close_frames",
        "fragmentations",
        "compressed_messages",
        "hostile_frames",
        "arbitrary_frames",
        "streams",
        "handshakes",
        "cuts",
        "application_messages",
        "network_schedules",
        "messages",
    ],
)
def test_the_smallest_is_readable(strategy: Any, condition: Any, shown: str) -> None:
    """What is found shrinks to the least that shows it, and is shown as hex with comments."""
    assert repr(find(strategy, condition, settings=quickly)) == shown


def test_a_failing_example_is_shown_readably() -> None:
    """Hypothesis prints the bytes of a failing example with their comments."""

    @given(frames())
    @settings(quickly)
    def no_message(data: Frames) -> None:
        assert not data.messages

    with pytest.raises(AssertionError) as failed:
        no_message()
    assert "data=81 80 00000000  # FIN text, masked, 0 bytes" in "\n".join(failed.value.__notes__)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (text("hello"), "81 85 37fa213d 5f9f4d5158  # FIN text, masked, 5 bytes: 'hello'"),
        (
            text("a" * 200, mask=None),
            "81 7e00c8 616161616161616161616161..  # FIN text, not masked, 200 bytes: "
            "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..",
        ),
        (text("", rsv=0b010, length_in=16), "a1 fe0000 37fa213d  # FIN RSV2 text, masked, 0 bytes, said in 16 bits"),
        (ping(announces=9, mask=None), "89 09  # FIN ping, not masked, 9 bytes announced, 0 there"),
        (AnnotatedBytes(b"\0\1"), "0001  # 2 bytes"),
    ],
)
def test_what_a_frame_shows(data: AnnotatedBytes, shown: str) -> None:
    """A comment names the opcode, the flags, the mask, the length and what is odd about it, and the payload."""
    assert repr(data) == str(data) == shown


def test_annotated_bytes_are_bytes() -> None:
    """They compare and hash as bytes, convert to them, and go where bytes go."""
    data = text("hello", mask=None)
    assert data == b"\x81\x05hello"
    assert hash(data) == hash(b"\x81\x05hello")
    assert type(bytes(data)) is bytes
    buffer = bytearray(b"-")
    buffer += data
    assert buffer == b"-\x81\x05hello"
    assert type(data + b"x") is AnnotatedBytes
    assert data + bytearray(b"x") == b"\x81\x05hellox"
    with pytest.raises(ValueError, match="not the data"):
        AnnotatedBytes(b"ab", [Line((b"a",), "half")])


def test_a_piece_says_what_it_is_of() -> None:
    """A piece of a frame shows its part of the fields, and the frame's comment."""
    first, last = text("hello", mask=None).cut([2, 0, 99])
    assert repr(first) == "81 05  # bytes 0 to 1 of 7: FIN text, not masked, 5 bytes: 'hello'"
    assert repr(last) == "68656c6c6f  # bytes 2 to 6 of 7: FIN text, not masked, 5 bytes: 'hello'"
    assert AnnotatedBytes().cut([1]) == []


def test_frames_read_back() -> None:
    """What is written by hand is read back; a mask that is missing or too much, and half a frame, are errors."""
    [frame] = read_frames(text("hello"), masked=True)
    assert (frame.opcode, frame.payload, frame.fin, frame.rsv) == (1, b"hello", True, 0)
    assert masked(masked(b"hello", b"abcd"), b"abcd") == b"hello"
    with pytest.raises(ValueError, match="masked frame"):
        read_frames(text("hello"))
    with pytest.raises(ValueError, match="not masked"):
        read_frames(text("hello", mask=None), masked=True)
    with pytest.raises(ValueError, match="half a frame"):
        read_frames(text("hello", mask=None)[:-1])


# -- Hypothesis is asked for


@pytest.mark.parametrize("module", ["wscore.testing.strategies", "wscore.testing.machine"])
def test_without_hypothesis_the_error_says_what_to_install(module: str) -> None:
    """Where Hypothesis is missing, the one ImportError says what to install."""
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        f"try:\n    import {module}\nexcept ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{module} needs Hypothesis: pip install 'wscore[hypothesis]'\n"


def test_the_clients_for_tests_do_not_load_hypothesis() -> None:
    """`wscore.testing` and what talks by hand need no Hypothesis."""
    program = (
        "import sys, wscore.testing.frames, wscore.testing.handshakes, wscore.testing.pair; "
        "print('hypothesis' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
