"""What holds for any sequence of inputs (I1-I10, I13): properties, and a connection's life as a state machine.

The peer's bytes are real: valid, hostile or random. `WSCORE_EXAMPLES=5000` runs that many examples instead of few.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import h11
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, run_state_machine_as_test
from websockets.client import ClientProtocol

from tests.core import peer
from tests.core.peer import BINARY, CLOSE, CONTINUATION, TEXT, Client, frame, head
from wscore import ClientDisconnected, Config, InvalidMessage, LocalProtocolError, ServerConnection, State
from wscore._core.lifecycle import SERVER_TRANSITIONS
from wscore.testing import strategies
from wscore.testing.frames import AnnotatedBytes
from wscore.testing.machine import ROOMY, SMALL, ClientMachine, CoreMachine, ServerMachine
from wscore.testing.machine._server_machine import check_messages
from wscore.testing.memory import held_bytes

EXAMPLES = int(os.environ.get("WSCORE_EXAMPLES", "50"))
few = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

# -- what a peer may send

valid_frames = st.one_of(strategies.frames(max_size=200), strategies.fragmentations(max_size=200))
closes = strategies.close_frames()
hostile_frames = st.one_of(strategies.hostile_frames(), strategies.arbitrary_frames(max_size=201))
streams = st.lists(st.one_of(valid_frames, valid_frames, valid_frames, closes, hostile_frames), max_size=12).map(
    b"".join
)
heads = st.one_of(
    strategies.handshakes(key=peer.KEY), strategies.handshakes(key=peer.KEY), strategies.hostile_handshakes()
)
requests = st.one_of(
    heads, heads, heads, st.binary(max_size=80), st.builds(bytes.__add__, heads, st.binary(max_size=30))
)

# -- what an application may send

texts = st.one_of(st.text(max_size=10), st.sampled_from(["", "a" * 200, "ä" * 100, "€" * 66]))
messages = strategies.arbitrary_application_messages()


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


class Reader:
    """A client that reads all our output as it comes: h11's for the answer, websockets' for the frames (I7)."""

    def __init__(self, *, accept: bytes | None = peer.ACCEPT_OF_KEY) -> None:
        self._accept = accept
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
            self._oracle = peer._oracle(answer, accept=self._accept)
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


# -- properties


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
    assert echoed(AnnotatedBytes(data).cut(places), config, eof=eof) == whole
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
        # Beside the output, a pong may wait until there is room.
        held = held_bytes(connection, apart=[connection.config])
        assert held <= limit + SMALL.max_head_size + 500 + connection.output_size + 131
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


def trace(script: list[tuple[str, Any]], make: Callable[..., ServerConnection] = ServerConnection) -> list[Any]:
    """Everything that can be seen of a connection, after each step of a script."""
    connection = make(SMALL, now=0)
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


class ConnectionLife(ServerMachine):
    """wscore's own checks beside the published ones: the table, and what h11 and websockets read."""

    def begin(self, config: Config, *, hurried: bool = True) -> None:
        super().begin(config, hurried=hurried)
        self.reader = Reader(accept=None)
        self.state = State.AWAITING_REQUEST
        self.method = b""
        self.broken_off = False  # the rest of a response will never come

    def receive_data(self, data: bytes) -> None:
        self.method = (self.method + data)[:5]
        super().receive_data(data)

    def take_output(self) -> bytes:
        data = super().take_output()
        self.reader.reads(data)
        return data

    def handle_timeout(self) -> None:
        answering = self.connection.state in (State.RESPONSE_PENDING, State.RESPONSE_STREAMING)
        super().handle_timeout()
        self.broken_off = self.broken_off or (answering and self.connection.state is State.CLOSED)

    @invariant()
    def the_life_follows_the_table(self) -> None:
        """Each rule leads along some path of the table."""
        reached = {self.state}
        for _ in State:
            reached |= {step.state for state in reached for step in SERVER_TRANSITIONS[state].values()}
        assert self.connection.state in reached
        self.state = self.connection.state

    def teardown(self) -> None:
        if hasattr(self, "connection"):
            self.broken_off = self.broken_off or self.connection.state is State.CLOSED
        super().teardown()

    def check_end(self) -> None:
        super().check_end()
        assert self.reader.data == [
            (TEXT, each.encode()) if isinstance(each, str) else (BINARY, each) for each in self.output.messages
        ], "websockets reads other messages than the machine's reader"
        assert (self.reader.pings, self.reader.pongs) == (self.output.pings, self.output.pongs)
        assert self.reader.closed_with == self.output.close
        assert self.reader.finishes(b"HEAD" if self.method == b"HEAD " else b"GET") or self.broken_off


@pytest.mark.parametrize("life", [ConnectionLife, ClientMachine], ids=["server", "client"])
def test_life_of_a_connection(life: type[CoreMachine[Any]]):
    """I1-I10: whatever happens, in any order, the checks of the machine hold after every step, at either end."""
    run_state_machine_as_test(
        life,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
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
