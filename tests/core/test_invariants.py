"""What holds for any sequence of inputs (I1-I10, I13): properties, and a connection's life as a state machine.

The peer's bytes are real: valid, hostile or random. `WSCORE_EXAMPLES=5000` runs that many examples instead of few.
"""

from __future__ import annotations

import gc
import os
import types
from collections.abc import Iterable
from typing import Any

import h11
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from websockets.client import ClientProtocol

from tests.core import peer
from tests.core.peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Client, frame, head
from wscore import ClientDisconnected, Closing, Config, InvalidMessage, LocalProtocolError, ServerConnection, State
from wscore._core.lifecycle import SERVER_TRANSITIONS

EXAMPLES = int(os.environ.get("WSCORE_EXAMPLES", "50"))
few = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

SMALL = Config(
    max_head_size=700,
    max_headers=12,
    max_early_data=300,
    max_message_size=200,
    max_fragments=8,
    max_queue=3,
    max_queue_size=250,
    max_output_size=400,
    handshake_timeout=5,
    accept_timeout=7,
    ping_interval=5,
    ping_timeout=3,
    close_timeout=4,
)
ROOMY = Config(ping_interval=20, ping_timeout=8)

ENDING = (State.CLOSE_SENT, State.LINGERING, State.CLOSED)


# -- what a peer may send

payloads = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([b"", b"x" * 125, b"x" * 126, b"y" * 200, b"z" * 201, "grüße".encode(), b"\xff", b"\xed\xa0\x80"]),
)
texts = st.one_of(st.text(max_size=10), st.sampled_from(["", "a" * 200, "ä" * 100, "€" * 66]))
valid_frames = st.one_of(
    texts.map(peer.text),
    st.binary(max_size=200).map(peer.binary),
    st.binary(max_size=125).map(peer.ping),
    st.binary(max_size=125).map(peer.pong),
    st.builds(
        lambda parts: b"".join(peer.fragments(BINARY, *parts)), st.lists(st.binary(max_size=20), min_size=2, max_size=5)
    ),
    st.builds(
        lambda parts, control: control.join(peer.fragments(TEXT, *(part.encode() for part in parts))),
        st.lists(st.text(max_size=4), min_size=2, max_size=4),
        st.binary(max_size=9).map(peer.ping),
    ),
)
closes = st.one_of(
    st.just(peer.close()),
    st.builds(peer.close, st.sampled_from([1000, 1001, 1014, 3000, 4999]), st.sampled_from(["", "bye", "ä" * 61])),
)
hostile_frames = st.one_of(
    st.builds(
        frame,
        st.integers(0, 15),
        payloads,
        fin=st.booleans(),
        rsv=st.integers(0, 7),
        mask=st.sampled_from([peer.MASK, None, bytes(4)]),
    ),
    st.builds(peer.close, st.sampled_from([0, 999, 1005, 1006, 1015, 2999, 5000, 65535]), st.just("")),
    st.builds(frame, st.sampled_from([CLOSE, PING, PONG]), st.binary(min_size=126, max_size=130)),
    st.just(frame(TEXT, announces=1 << 62, length_in=64)),
    st.just(frame(CONTINUATION, b"x")),
    st.binary(min_size=1, max_size=60),
)
streams = st.lists(st.one_of(valid_frames, valid_frames, valid_frames, closes, hostile_frames), max_size=12).map(
    b"".join
)
heads = st.sampled_from(
    [
        head(),
        head(),
        head(b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
        head(b"Sec-WebSocket-Protocol: a, b"),
        head(line=b"GET http://h/p%ff?q HTTP/1.1"),
        head(line=b"POST / HTTP/1.1"),
        head(line=b"HEAD / HTTP/1.1"),
        head(line=b"GET / HTTP/1.0"),
        head(without=[b"host"]),
        head(instead=[b"Sec-WebSocket-Version: 12"]),
        head(b"X: " + b"x" * 700),
        b"\x16\x03\x01",
        b"\r\n",
    ]
)
requests = st.one_of(
    heads, heads, heads, st.binary(max_size=80), st.builds(bytes.__add__, heads, st.binary(max_size=30))
)

# -- what an application may send

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 70000),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.just([]),
    st.just({}),
)
headers = st.one_of(
    st.none(),
    st.lists(
        st.tuples(
            st.sampled_from([b"x-a", b"Set-Cookie", b"content-length", b"connection", b":status", b"a b", "x"]),
            st.sampled_from([b"", b"1", b"5", b"a\r\nb", "x"]),
        ),
        max_size=2,
    ),
    anything,
)


def message(kind: str, **keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(kind)}, optional=keys)


messages: st.SearchStrategy[Any] = st.one_of(
    message("websocket.accept"),
    message("websocket.accept", subprotocol=st.one_of(st.sampled_from(["a", "", None]), anything), headers=headers),
    texts.map(lambda text: {"type": "websocket.send", "text": text}),
    st.binary(max_size=300).map(lambda data: {"type": "websocket.send", "bytes": data}),
    message("websocket.send", text=st.one_of(st.text(max_size=5), st.just("\ud800"), anything), bytes=anything),
    message("websocket.close", code=st.one_of(st.sampled_from([1000, 3000]), anything), reason=anything),
    message(
        "websocket.http.response.start",
        status=st.one_of(st.sampled_from([200, 204, 304, 403, 599]), anything),
        headers=headers,
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("websocket.http.response.body"),
            "body": st.binary(max_size=6),
            "more_body": st.booleans(),
        }
    ),
    message("websocket.http.response.body", body=anything, more_body=anything),
    message("websocket.receive"),
    anything,
)


# -- looking at a connection


def snapshot(connection: ServerConnection) -> tuple[Any, ...]:
    """The outputs that can be asked for without taking anything."""
    return (
        connection.state,
        connection.output_size,
        connection.output_full,
        connection.next_timeout(),
        connection.wants_read,
        connection.closing,
        connection.has_message,
        connection.close_info,
        connection.response,
        connection.scope,
        list(connection.access_records),
    )


def held_bytes(connection: ServerConnection) -> int:
    """The bytes and characters that are reachable from a connection, whatever engine holds them; output apart."""
    apart: tuple[Any, ...] = (connection.config, connection._lane._chunks)
    seen = {id(each) for each in apart}
    waiting: list[Any] = [connection]
    total = 0
    while waiting:
        current = waiting.pop()
        if id(current) in seen or isinstance(current, type | types.ModuleType | types.FunctionType | types.CodeType):
            continue
        seen.add(id(current))
        if isinstance(current, bytes | bytearray):
            total += len(current)
        elif isinstance(current, str):
            total += len(current) if len(current) > 40 else 0  # shorter ones are names of attributes
        elif not isinstance(current, int | float):
            waiting += gc.get_referents(current)
    return total


class Reader:
    """A client that reads all our output as it comes: h11's for the answer, websockets' for the frames (I7)."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.data: list[tuple[int, bytes]] = []
        self.pongs: list[bytes] = []
        self.pings: list[bytes] = []
        self.closed_with: bytes | None = None
        self._oracle: ClientProtocol | None = None

    def reads(self, data: bytes) -> None:
        if not data:
            return
        if self._oracle is None:
            self.written += data
            if not self.written.startswith(b"HTTP/1.1 101 ") or b"\r\n\r\n" not in self.written:
                return
            answer = peer.read_response(bytes(self.written))
            self._oracle = peer._oracle(answer)
            data = answer.rest
        if data:
            assert self.closed_with is None, "I4: bytes after a close frame"
            seen = peer.read_frames(data)
            assert all(each.opcode != CLOSE for each in seen[:-1]), "I4: frames after a close frame"
            self._oracle.receive_data(data)
            assert self._oracle.parser_exc is None, "I7: a client refuses our output"
        for event in self._oracle.events_received():
            match event.opcode:
                case 1 | 2:
                    event.data.decode() if event.opcode == TEXT else None  # I7: text is UTF-8
                    self.data.append((int(event.opcode), bytes(event.data)))
                case 8:
                    self.closed_with = bytes(event.data)
                case 9:
                    self.pings.append(bytes(event.data))
                case 10:
                    self.pongs.append(bytes(event.data))
                case _:
                    pytest.fail(f"unexpected frame {event}")
        self._oracle.data_to_send()  # what it would answer does not matter here

    @property
    def opened(self) -> bool:
        return self._oracle is not None

    def finishes(self, method: bytes) -> bool:
        """I5: what was written is nothing, a 101, or one HTTP response. False for one that was broken off."""
        if self.opened or not self.written:
            return True
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
        client.send(h11.EndOfMessage())
        client.receive_data(bytes(self.written))
        event = client.next_event()
        assert isinstance(event, h11.Response)
        while isinstance(event := client.next_event(), h11.Data):
            pass
        if isinstance(event, h11.EndOfMessage):
            assert client.trailing_data == (b"", False), "I5: more than one HTTP response"
            return True
        return False


def takes_all(connection: ServerConnection, now: float = 0.0) -> list[Any]:
    """Take every message, and check that `has_message` tells the truth each time."""
    taken: list[Any] = []
    while True:
        promised = connection.has_message
        given = connection.next_message(now=now)
        assert (given is not None) == promised
        if given is None:
            return taken
        taken.append(given)


def check_messages(taken: list[Any]) -> None:
    """I3: connect first, at most one disconnect, that last, its code a plain int."""
    kinds = [each["type"] for each in taken]
    assert kinds[:1] in ([], ["websocket.connect"])
    assert "websocket.disconnect" not in kinds[:-1]
    if kinds and kinds[-1] == "websocket.disconnect":
        assert set(taken[-1]) == {"type", "code", "reason"}
        assert type(taken[-1]["code"]) is int
        assert type(taken[-1]["reason"]) is str
    for each in taken:
        if each["type"] == "websocket.receive":
            [payload] = [value for key, value in each.items() if key != "type"]
            assert type(payload) is (str if "text" in each else bytes)


# -- properties


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = sorted({min(place, len(data)) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def echoed(pieces: list[bytes], config: Config, *, eof: bool) -> tuple[Any, ...]:
    """What comes of a stream where the application accepts at once and sends every message back."""
    connection = ServerConnection(config, now=0)
    reader = Reader()
    taken: list[Any] = []

    def application() -> None:
        while (each := connection.next_message(now=0)) is not None:
            taken.append(each)
            if each["type"] == "websocket.connect":
                connection.send({"type": "websocket.accept"}, now=0)
            elif each["type"] == "websocket.receive":
                connection.send({**each, "type": "websocket.send"}, now=0)
            reader.reads(connection.data_to_send())

    for piece in pieces:
        connection.receive_data(piece, now=0)
        reader.reads(connection.data_to_send())
        application()
    if eof:
        connection.receive_eof(now=0)
        reader.reads(connection.data_to_send())
        application()
    check_messages(taken)
    answer = b"" if reader.opened else bytes(reader.written)
    return taken, reader.data, reader.pongs, reader.closed_with, answer, connection.state, connection.close_info


@few
@given(request=requests, stream=streams, places=st.lists(st.integers(0, 500), max_size=20), eof=st.booleans())
@pytest.mark.parametrize("config", [SMALL, ROOMY], ids=["small", "roomy"])
def test_i1_however_the_input_is_cut(config: Config, request: bytes, stream: bytes, places: list[int], eof: bool):
    """I1: however the input is cut, the messages and the output are the same, but for the place of pongs."""
    data = request + stream
    whole = echoed([data], config, eof=eof)
    assert echoed(cut(data, places), config, eof=eof) == whole
    assert echoed([data[at : at + 1] for at in range(len(data))], config, eof=eof) == whole


@few
@given(pieces=st.lists(st.one_of(requests, valid_frames, closes, hostile_frames), max_size=15), accepts=st.booleans())
def test_i2_no_input_of_a_peer_raises(pieces: list[bytes], accepts: bool):
    """I2: no input from the peer, in any order, raises; a Reader reads what comes of it (I4, I5, I7)."""
    connection = ServerConnection(SMALL, now=0)
    reader = Reader()
    for piece in pieces:
        connection.receive_data(piece, now=0)
        if accepts and connection.state is State.AWAITING_ACCEPT:
            connection.send({"type": "websocket.accept"}, now=0)
        reader.reads(connection.data_to_send())
    connection.receive_eof(now=0)
    connection.connection_lost(now=0)
    check_messages(takes_all(connection))


FLOODS = {
    "head that never ends": [b"GET / HTTP/1.1\r\n", b"X: " + b"x" * 500],
    "head without a line": [b"G" * 500],
    "early data": [head(), b"x" * 500],
    "messages": [head(), "accept", peer.text("x" * 150) * 4],
    "tiny messages": [head(), "accept", peer.text("") * 80],
    "pings": [head(), "accept", peer.ping(b"x" * 125) * 4],
    "one endless message": [
        head(),
        "accept",
        frame(BINARY, b"x" * 90, fin=False),
        frame(CONTINUATION, b"x", fin=False) * 60,
    ],
    "empty fragments": [head(), "accept", frame(BINARY, b"", fin=False), frame(CONTINUATION, b"", fin=False) * 60],
    "huge frame": [head(), "accept", frame(BINARY, announces=1 << 40, length_in=64) + b"x" * 100, b"x" * 500],
    "messages after our close": [head(), "accept", "close", peer.text("x" * 150) * 4],
    "fragments after our close": [head(), "accept", "close", frame(BINARY, b"x", fin=False), peer.ping(b"y" * 120) * 4],
    "messages after our refusal": [head(line=b"POST / HTTP/1.1"), b"x" * 500],
    "body of a denial": [head(), "deny", b"x" * 500],
}


@pytest.mark.parametrize("flood", FLOODS)
def test_i6_what_a_flood_leaves_behind_is_bounded(flood: str):
    """I6: of a peer that sends for ever to an application that reads nothing, no more is held than the head cap, the
    queue cap, the message limit and one read; output too is bounded, though the peer reads none of it."""
    connection = ServerConnection(SMALL, now=0)
    *first, again = FLOODS[flood]
    limit = SMALL.max_head_size + SMALL.max_queue_size + SMALL.max_message_size + len(again)
    for step in [*first, *[again] * 400]:
        match step:
            case "accept":
                connection.send({"type": "websocket.accept"}, now=0)
            case "close":
                connection.send({"type": "websocket.close"}, now=0)
            case "deny":
                connection.send({"type": "websocket.http.response.start", "status": 403}, now=0)
            case bytes() if connection.wants_read:
                connection.receive_data(step, now=0)
        # The request's head is held twice, as a request and as a scope; what remains are small constants.
        assert held_bytes(connection) <= limit + SMALL.max_head_size + 500
        assert connection.output_size <= SMALL.max_output_size + 127 + 500


@few
@given(stream=streams, now=st.floats(0, 100))
def test_i9_the_next_deadline_always_makes_progress(stream: bytes, now: float):
    """I9: waking up at next_timeout() always leads on: the following deadline lies later, and the last is CLOSED."""
    client = Client(SMALL, now=now)
    client.opens()
    client.connection.receive_data(stream, now=now)
    takes_all(client.connection, now)
    for _ in range(20):
        deadline = client.connection.next_timeout()
        if deadline is None:
            break
        assert deadline >= now
        now = deadline
        client.connection.handle_timeout(now=now)
        takes_all(client.connection, now)
        following = client.connection.next_timeout()
        assert following is None or following > now
    assert client.connection.state is State.CLOSED


scripts = st.lists(
    st.one_of(
        st.tuples(st.just("data"), st.one_of(heads, valid_frames, closes, hostile_frames)),
        st.tuples(st.just("send"), messages),
        st.tuples(st.just("wait"), st.floats(0, 30)),
        st.tuples(st.sampled_from(["take", "output", "eof", "lost", "returned", "raised", "shutdown"]), st.none()),
    ),
    max_size=25,
)


def trace(script: list[tuple[str, Any]]) -> list[Any]:
    """Everything that can be seen of a connection, after each step of a script."""
    connection = ServerConnection(SMALL, now=0)
    now = 0.0
    steps: list[Any] = []
    for action, value in script:
        result: Any = None
        match action:
            case "data":
                connection.receive_data(value, now=now)
            case "send":
                try:
                    connection.send(value, now=now)
                except (LocalProtocolError, InvalidMessage, ClientDisconnected) as error:
                    result = repr(error)
            case "wait":
                now += value
                connection.handle_timeout(now=now)
            case "take":
                result = connection.next_message(now=now)
            case "output":
                result = connection.data_to_send()
            case "eof":
                connection.receive_eof(now=now)
            case "lost":
                connection.connection_lost(now=now)
            case "returned":
                connection.application_returned(now=now)
            case "raised":
                connection.application_raised(now=now)
            case "shutdown":
                connection.begin_shutdown(now=now)
        steps.append((action, result, snapshot(connection)))
    return steps


@few
@given(scripts)
def test_i13_same_inputs_same_outputs(script: list[tuple[str, Any]]):
    """I13: the same inputs at the same times give the same outputs, errors' texts included."""
    script = [("data", head()), ("send", {"type": "websocket.accept"}), *script]
    assert trace(script) == trace(script)


# -- the life of a connection


class ConnectionLife(RuleBasedStateMachine):
    """Any inputs from network, application, clock, operator and transport, in any order; see the checks below."""

    @initialize(config=st.sampled_from([SMALL, SMALL, ROOMY]), begins=st.integers(0, 3))
    def starts(self, config: Config, begins: int) -> None:
        self.config = config
        self.now = 100.0
        self.connection = ServerConnection(config, now=self.now)
        self.reader = Reader()
        self.taken: list[Any] = []
        self.sent: list[tuple[int, bytes]] = []
        self.state = State.AWAITING_REQUEST
        self.closing = Closing.NO
        self.scope: Any = None
        self.method = b"GET"
        self.first_bytes = b""
        self.largest_read = 0
        self.aborted = False
        self.unread_was_dropped = False
        self.seen_revision = -1
        self.seen_levels: tuple[Any, ...] = ()
        self.seen_deadline: float | None = None
        self.seen_closing = Closing.NO
        self.seen_output = 0
        if begins:  # most lives get past the handshake
            self.receives(head(b"Sec-WebSocket-Extensions: permessage-deflate") if begins == 3 else head())
            self.connection.send({"type": "websocket.accept"}, now=self.now)

    # the network

    def receives(self, data: bytes) -> None:
        if self.connection.wants_read or self.connection.state is State.CLOSED:  # as a transport would
            self.largest_read = max(self.largest_read, len(data))
            self.first_bytes = (self.first_bytes + data)[:8]
            self.connection.receive_data(data, now=self.now)

    @precondition(lambda self: self.state is State.AWAITING_REQUEST)
    @rule(data=requests)
    def peer_sends_a_request(self, data: bytes) -> None:
        self.receives(data)

    @rule(frames=st.lists(valid_frames, min_size=1, max_size=5))
    def peer_sends_frames(self, frames: list[bytes]) -> None:
        self.receives(b"".join(frames))

    @rule(data=hostile_frames)
    def peer_sends_something_hostile(self, data: bytes) -> None:
        self.receives(data)

    @rule(before=st.lists(valid_frames, max_size=3), data=closes)
    def peer_closes(self, before: list[bytes], data: bytes) -> None:
        self.receives(b"".join(before) + data)

    @precondition(lambda self: self.reader.pings)
    @rule()
    def peer_answers_the_ping(self) -> None:
        self.receives(peer.pong(self.reader.pings[-1]))

    @rule()
    def peer_ends_its_stream(self) -> None:
        self.connection.receive_eof(now=self.now)
        assert not self.connection.wants_read

    @rule()
    def connection_is_lost(self) -> None:
        self.connection.connection_lost(now=self.now)
        assert self.connection.state is State.CLOSED

    # the application

    @precondition(lambda self: self.scope is not None)
    @rule(message=messages)
    def application_sends(self, message: Any) -> None:
        before = snapshot(self.connection)
        refused: Exception | None = None
        try:
            self.connection.send(message, now=self.now)
        except (LocalProtocolError, InvalidMessage, ClientDisconnected) as error:
            refused = error
        if refused is not None:
            assert snapshot(self.connection) == before, "I10: a refused message changed something"
        if isinstance(refused, ClientDisconnected):
            info = self.connection.close_info
            assert info is not None
            assert info.cause != "application"
            assert (refused.code, refused.reason) == (info.code, info.reason)
        if refused is None and message["type"] == "websocket.send":
            text = message.get("text")
            self.sent.append((TEXT, text.encode()) if text is not None else (BINARY, bytes(message["bytes"])))

    @precondition(lambda self: self.scope is not None)
    @rule(count=st.integers(1, 4))
    def application_takes_messages(self, count: int) -> None:
        for _ in range(count):
            promised = self.connection.has_message
            given = self.connection.next_message(now=self.now)
            assert (given is not None) == promised
            if given is not None:
                self.taken.append(given)

    @precondition(lambda self: self.scope is not None)
    @rule(raised=st.booleans())
    def application_ends(self, raised: bool) -> None:
        if self.taken == []:  # the connect goes with the other messages that it did not read
            self.unread_was_dropped = True
        (self.connection.application_raised if raised else self.connection.application_returned)(now=self.now)

    # the clock, the operator, the transport's writing

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.wakes()

    @rule(late=st.sampled_from([0, 0, 0.001, 1000]))
    def the_next_deadline_comes(self, late: float) -> None:
        deadline = self.connection.next_timeout()
        if deadline is not None:
            self.now = max(self.now, deadline + late)
            self.wakes()

    def wakes(self) -> None:
        self.connection.handle_timeout(now=self.now)
        following = self.connection.next_timeout()
        assert following is None or following > self.now, "I9: no progress"
        again = snapshot(self.connection)
        self.connection.handle_timeout(now=self.now)
        assert snapshot(self.connection) == again, "T4: a repeated wake-up changed something"

    @rule(code=st.sampled_from([None, 1001, 4000]), reason=st.sampled_from(["", "deploy"]))
    def operator_shuts_down(self, code: int | None, reason: str) -> None:
        self.connection.begin_shutdown(now=self.now, code=code, reason=reason)

    @rule()
    def operator_turns_away(self) -> None:
        self.connection.reject(now=self.now)

    @rule()
    def transport_writes(self) -> None:
        self.reader.reads(self.connection.data_to_send())
        assert self.connection.output_size == 0
        assert self.connection.data_to_send() == b""

    # what holds after every rule

    @invariant()
    def i3_one_disconnect_and_last(self) -> None:
        taken = self.taken
        if self.unread_was_dropped:
            taken = [{"type": "websocket.connect"}, *taken]
        check_messages(taken)

    @invariant()
    def i6_held_bytes_are_bounded(self) -> None:
        config = self.config
        limit = config.max_head_size + config.max_queue_size + config.max_message_size + self.largest_read
        assert held_bytes(self.connection) <= limit + config.max_head_size + 500

    @invariant()
    def i8_closed_is_quiet(self) -> None:
        connection = self.connection
        if connection.state is State.CLOSED:
            assert not connection.wants_read
            assert connection.next_timeout() is None
            assert connection.output_size == 0
            assert not connection.output_full
            assert connection.data_to_send() == b""
            assert connection.closing is Closing.ABORT

    @invariant()
    def the_revision_tells_of_every_change(self) -> None:
        """While `generation` is the same, so is every output but messages and bytes; a deadline may have moved on.

        And once the last byte was taken, `closing` may say what follows.
        """
        connection = self.connection
        levels = (connection.scope is None, connection.wants_read, len(connection.access_records))
        deadline = connection.next_timeout()
        taken = self.seen_output > 0 and connection.output_size == 0
        if connection.generation == self.seen_revision:
            assert levels == self.seen_levels
            assert deadline is None or (self.seen_deadline is not None and deadline >= self.seen_deadline)
            assert connection.closing is self.seen_closing or taken
        assert connection.closing in (Closing.NO, Closing.ABORT) or connection.output_size == 0
        self.seen_revision, self.seen_levels, self.seen_deadline = connection.generation, levels, deadline
        self.seen_closing, self.seen_output = connection.closing, connection.output_size

    @invariant()
    def the_life_follows_the_table(self) -> None:
        """Each rule leads along some path of the table; `closing` never goes back; the scope is one and the same."""
        connection = self.connection
        reached = {self.state}
        for _ in State:
            reached |= {step.state for state in reached for step in SERVER_TRANSITIONS[state].values()}
        assert connection.state in reached
        if self.state is State.RESPONSE_STREAMING and connection.state is State.CLOSED:
            self.aborted = True
        self.state = connection.state
        levels = list(Closing)
        assert levels.index(connection.closing) >= levels.index(self.closing)
        self.closing = connection.closing
        if self.scope is not None:
            assert connection.scope is self.scope
        self.scope = connection.scope
        assert (connection.close_info is not None) == (connection.state in ENDING)

    def teardown(self) -> None:
        """Left alone, with its messages taken, a connection closes by its timers; then all is accounted for."""
        if not hasattr(self, "connection"):
            return
        connection = self.connection
        self.reader.reads(connection.data_to_send())
        broken_off = connection.state is State.CLOSED
        for _ in range(20):
            self.taken += takes_all(connection, self.now)
            self.reader.reads(connection.data_to_send())
            deadline = connection.next_timeout()
            if deadline is None:
                break
            broken_off = broken_off or connection.state in (State.RESPONSE_PENDING, State.RESPONSE_STREAMING)
            self.now = max(self.now, deadline)
            connection.handle_timeout(now=self.now)
            self.reader.reads(connection.data_to_send())
        assert connection.state is State.CLOSED
        self.taken += takes_all(connection, self.now)
        self.i3_one_disconnect_and_last()
        disconnects = [each for each in self.taken if each["type"] == "websocket.disconnect"]
        assert len(disconnects) == (connection.scope is not None)
        if disconnects:
            info = connection.close_info
            assert info is not None
            assert (disconnects[0]["code"], disconnects[0]["reason"]) == (info.code, info.reason)
            with pytest.raises(LocalProtocolError):
                connection.check_receive()
        assert self.reader.data == self.sent[: len(self.reader.data)], "a client read other messages than were sent"
        if self.reader.closed_with is not None:
            assert connection.close_info is not None
            assert connection.close_info.sent is not None
        method = b"HEAD" if self.first_bytes.startswith(b"HEAD ") else b"GET"
        assert self.reader.finishes(method) or broken_off or self.aborted
        assert connection.response is not None or not self.reader.written


def test_life_of_a_connection():
    """I2-I10: whatever happens, in any order, the checks of ConnectionLife hold after every step."""
    run_state_machine_as_test(
        ConnectionLife,
        settings=settings(
            max_examples=EXAMPLES * 2, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@few
@given(stream=streams, more=st.lists(messages, max_size=10))
def test_i10_a_refused_message_changes_nothing(stream: bytes, more: list[Any]):
    """I10: a refused application message changes neither state nor output nor deadline, in whatever state."""
    client = Client(SMALL)
    client.sends(head())
    for each in more:
        before = snapshot(client.connection)
        try:
            client.connection.send(each, now=0)
        except (LocalProtocolError, InvalidMessage, ClientDisconnected):
            assert snapshot(client.connection) == before
            assert client.connection.data_to_send() == b"" or before[1] > 0
        client.connection.receive_data(stream, now=0)


@few
@given(request=requests, stream=streams)
def test_i5_no_frame_before_a_whole_101_and_one_response(request: bytes, stream: bytes):
    """I5: nothing is written before the application's answer but a refusal, and after a refusal nothing at all."""
    connection = ServerConnection(SMALL, now=0)
    connection.receive_data(request + stream, now=0)
    written = connection.data_to_send()
    if connection.scope is not None:
        assert written == b""
        connection.send({"type": "websocket.accept"}, now=0)
        written = connection.data_to_send()
        assert written.startswith(b"HTTP/1.1 101 ")
        answer = peer.read_response(written)
        peer.read_frames(answer.rest)
    else:
        assume(written)
        reader = Reader()
        reader.reads(written)
        assert reader.finishes(b"HEAD" if request.startswith(b"HEAD ") else b"GET")
    connection.receive_eof(now=0)


@few
@given(sends=st.lists(st.one_of(texts, st.binary(max_size=300)), max_size=10), compressed=st.booleans())
def test_i7_a_client_reads_what_the_application_sent(sends: list[str | bytes], compressed: bool):
    """I7: an independent client accepts all our output, and reads what was sent; I4: the close frame is last."""
    client = Client(ROOMY)
    client.opens_compressed() if compressed else client.opens()
    reader = Reader()
    reader.reads(client.written)
    for each in sends:
        client.connection.send({"type": "websocket.send", "text" if isinstance(each, str) else "bytes": each}, now=0)
    client.connection.send({"type": "websocket.close", "code": 3000, "reason": "done"}, now=0)
    client.connection.receive_data(peer.ping(b"late"), now=0)
    client.connection.handle_timeout(now=1)
    reader.reads(client.connection.data_to_send())
    assert reader.data == [(TEXT, each.encode()) if isinstance(each, str) else (BINARY, each) for each in sends]
    assert reader.closed_with == b"\x0b\xb8done"
    assert reader.pongs == []


@pytest.mark.parametrize("ends", ["lost", "eof", "overdue"])
def test_i8_what_waits_can_still_be_read_when_closed(ends: str):
    """I8: CLOSED reads nothing, has no deadline and no output; what waits, and last the disconnect, can be read."""
    client = Client(SMALL)
    client.opens()
    client.sends(peer.text("one"), peer.text("two"))
    connection = client.connection
    match ends:
        case "lost":
            connection.connection_lost(now=0)
        case "eof":
            connection.receive_eof(now=0)
            connection.handle_timeout(now=4)
            connection.handle_timeout(now=8)
        case "overdue":
            connection.send({"type": "websocket.close"}, now=0)
            connection.handle_timeout(now=4)
    assert connection.state is State.CLOSED
    connection.receive_data(peer.text("three"), now=9)
    assert (connection.wants_read, connection.next_timeout(), connection.data_to_send()) == (False, None, b"")
    kinds = [each.get("text", each["type"]) for each in takes_all(connection)]
    assert kinds == ["one", "two", "websocket.disconnect"]


@pytest.mark.parametrize("ends", ["close", "violation", "eof", "lost", "returned", "raised", "shutdown", "closed"])
def test_i3_one_disconnect_whatever_else_follows(ends: str):
    """I3: whichever end comes first, those that follow queue no second disconnect."""
    client = Client(SMALL)
    client.opens()
    connection = client.connection
    actions = {
        "close": lambda: connection.receive_data(peer.close(1000), now=0),
        "violation": lambda: connection.receive_data(frame(TEXT, rsv=7), now=0),
        "eof": lambda: connection.receive_eof(now=0),
        "closed": lambda: connection.send({"type": "websocket.close"}, now=0),
        "returned": lambda: connection.application_returned(now=0),
        "raised": lambda: connection.application_raised(now=0),
        "shutdown": lambda: connection.begin_shutdown(now=0),
        "lost": lambda: connection.connection_lost(now=0),
    }
    actions[ends]()
    for name, action in actions.items():
        if name != "closed":
            action()
    assert [each["type"] for each in takes_all(connection)] == ["websocket.disconnect"]
