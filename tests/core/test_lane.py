"""The lane: messages for the application, bytes for the peer, and that it is a shortcut and nothing else."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.core import peer
from tests.core.lane_twins import IN_PYTHON, TWINS
from tests.core.peer import BINARY, TEXT, Compressor, frame, head
from tests.core.port import ServerPort
from wscore import Config, InvalidMessage, LocalProtocolError, PreparedMessage, ServerConnection, Stats
from wscore._core import endpoint, lane
from wscore._core.asgi.messages import ReceivedMessage
from wscore._core.lane import Lane
from wscore._core.outgoing import payload_size


@pytest.fixture(params=TWINS, autouse=True)
def twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[Lane]:
    """Each test here is made on the lane in Python and on that in C; connections have it as well."""
    kind: type[Lane] = request.param
    monkeypatch.setattr(endpoint, "Lane", kind)
    monkeypatch.setitem(globals(), "Lane", kind)
    return kind


# -- the queue

CONNECT: ReceivedMessage = {"type": "websocket.connect"}
DISCONNECT: ReceivedMessage = {"type": "websocket.disconnect", "code": 1000, "reason": ""}


def receive(data: str | bytes) -> ReceivedMessage:
    return {"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data}  # type: ignore[return-value,misc]


def payload(number: int, size: int) -> bytes:
    """A payload of so many bytes, its number last."""
    return str(number).encode().rjust(size, b"-")[-size:] if size else b""


def empty(max_count: int = 4, max_size: int = 100, *, limit: int = 100) -> Lane:
    """A lane with a queue and an output of these sizes."""
    return Lane(Config(max_queue=max_count, max_queue_size=max_size, max_output_size=limit), Stats(), masked=True)


def filled(count: int, size: int, *, max_count: int = 4, max_size: int = 100) -> Lane:
    queue = empty(max_count, max_size)
    for number in range(count):
        queue.put([payload(number, size)], size)
    return queue


def test_an_empty_queue():
    """an empty queue gives nothing and has room."""
    queue = empty(1, 1)
    assert not queue
    assert queue.next_message() is None
    assert queue.roomy
    assert not queue.full
    assert not queue.count


def test_messages_come_out_in_their_order_and_are_counted_off():
    """Messages are taken in the order in which they were put, and their bytes with them."""
    queue = filled(3, 10)
    assert queue.size == 30
    assert [queue.next_message() for _ in range(4)] == [*(receive(payload(number, 10)) for number in range(3)), None]
    assert queue.size == 0


def test_a_run_of_messages_of_either_kind():
    """Several messages are put at once, with their bytes together: UTF-8 counts, not characters."""
    queue = empty(4, 100)
    queue.put(["ä€", b"\xff", ""], 6)
    assert (queue.free_count, queue.free_size) == (1, 94)
    assert queue.next_message() == receive("ä€")
    assert queue.size == 1
    assert [queue.next_message() for _ in range(3)] == [receive(b"\xff"), receive(""), None]
    assert queue.size == 0


@pytest.mark.parametrize(
    ("count", "size", "full", "roomy"),
    [
        (2, 0, False, True),
        (3, 0, False, False),
        (4, 0, True, False),
        (2, 25, False, True),
        (2, 26, False, False),
        (2, 50, True, False),
        (1, 99, False, False),
        (1, 100, True, False),
    ],
)
def test_full_at_the_limit_and_roomy_at_half_of_it(count: int, size: int, full: bool, roomy: bool):
    """Full is at either limit, in count or in bytes; roomy is at most half of both."""
    queue = filled(count, size)
    assert (queue.full, queue.roomy) == (full, roomy)


def test_one_message_may_overshoot_the_limit_in_bytes():
    """A message that is larger than the limit can be put, and taken again."""
    queue = filled(1, 10_000)
    assert queue.full
    assert queue.next_message() == receive(payload(0, 10_000))
    assert queue.roomy


def test_the_disconnect_is_the_last_and_once():
    """The disconnect stays behind what is still put before it is taken, and after it there is nothing."""
    queue = empty(4, 100)
    queue.put_disconnect(DISCONNECT)
    queue.put(["late"], 4)
    assert queue
    assert [queue.next_message() for _ in range(3)] == [receive("late"), DISCONNECT, None]
    assert not queue


def test_the_disconnect_takes_no_room():
    """A disconnect alone does not make the queue full, and holds nothing up."""
    queue = empty(1, 1)
    queue.put_disconnect(DISCONNECT)
    assert queue.roomy
    assert not queue.count


def test_a_second_disconnect_is_a_bug_of_ours():
    """Nobody may put two disconnects: the table has one on any path."""
    queue = empty(1, 1)
    queue.put_disconnect(DISCONNECT)
    with pytest.raises(AssertionError):
        queue.put_disconnect(DISCONNECT)


def test_drop_messages_leaves_the_disconnect():
    """Dropping the messages leaves the disconnect to be taken."""
    queue = filled(4, 25)
    queue.put_disconnect(DISCONNECT)
    queue.drop_messages()
    assert queue.roomy
    assert queue.size == 0
    assert [queue.next_message(), queue.next_message()] == [DISCONNECT, None]


def test_connect_is_the_first_and_takes_no_room():
    """The connect comes before what was put before it was taken, and counts for nothing; it is dropped like them."""
    queue = empty(2, 100)
    queue.put_connect(CONNECT)
    queue.put(["early"], 5)
    assert not queue.full
    assert [queue.next_message() for _ in range(3)] == [CONNECT, receive("early"), None]
    queue.put_connect(CONNECT)
    queue.drop_messages()
    assert not queue


def test_connect_alone_holds_nothing_up():
    """`websocket.connect` waits for nobody; a message behind it does."""
    queue = empty(4, 100)
    queue.put_connect(CONNECT)
    assert queue
    assert not queue.count
    queue.put(["a"], 1)
    assert queue.count


@pytest.mark.parametrize(("payload", "size"), [("", 0), ("abc", 3), ("ä€😀", 9), (b"\xff\0", 2)])
def test_a_payload_counts_in_bytes(payload: str | bytes, size: int):
    """The size of a text is that of its UTF-8."""
    assert payload_size(payload) == size


def test_payloads_as_they_are():
    """A client takes what came without ASGI's dict around it, and that makes room as well."""
    queue = empty(2, 100)
    queue.put(["a", b"b"], 2)
    assert queue.full
    assert (queue.next_payload(), queue.full, queue.size) == ("a", False, 1)
    assert (queue.next_payload(), queue.next_payload()) == (b"b", None)


def test_a_disconnect_is_corrected_until_it_is_taken():
    """A correction replaces the message that waits. It does not bring back one that was taken."""
    corrected: ReceivedMessage = {"type": "websocket.disconnect", "code": 1006, "reason": "reset"}
    queue = empty(1, 1)
    queue.correct_disconnect(corrected)
    assert queue.next_message() is None
    queue.put_disconnect(DISCONNECT)
    queue.correct_disconnect(corrected)
    assert queue.next_message() == corrected
    queue.correct_disconnect(DISCONNECT)
    assert queue.next_message() is None


# -- the output


def test_nothing_waits_at_first():
    """New output is empty, and has room."""
    output = empty(limit=10)
    assert output.output() == b""
    assert output.output_size == 0
    assert output.output_size < output.output_limit


def test_bytes_are_taken_in_their_order_and_once():
    """What was written is taken in one piece, in the order of the writes; then nothing is left."""
    output = empty(limit=100)
    for piece in (b"one", b"two", b"three"):
        output.write(piece)
    assert output.output_size == 11
    assert output.output() == b"onetwothree"
    assert output.output_size == 0
    assert output.output() == b""


def test_a_single_piece_is_not_copied():
    """A piece that waits alone is given as it is: a large message is not copied once more."""
    piece = bytes(1 << 20)
    output = empty(limit=100)
    output.write(piece)
    assert output.output() is piece


@pytest.mark.parametrize(("size", "full"), [(9, False), (10, True), (11, True)])
def test_it_is_full_at_its_limit(size: int, full: bool):
    """Output is full from the limit on; writing goes on all the same, and taking makes room."""
    output = empty(limit=10)
    output.write(bytes(size))
    assert (output.output_size >= output.output_limit) == full
    output.write(b"more")
    assert output.output() == bytes(size) + b"more"
    assert output.output_size < output.output_limit


def test_a_pong_for_which_there_is_room_keeps_its_place():
    """A pong that comes while there is room stands among the other bytes, in order."""
    output = empty(limit=10)
    output.write(b"a")
    output.write_pong(b"P")
    output.write(b"b")
    assert output.output() == b"aPb"


def test_of_the_pongs_without_room_the_latest_comes_last():
    """While full, pongs are not added up: the latest goes out behind all that waits, once."""
    output = empty(limit=2)
    output.write(b"ab")
    for pong in (b"1", b"2", b"3"):
        output.write_pong(pong)
    assert output.output_size == 2
    output.write(b"cd")
    assert output.output() == b"abcd3"
    assert output.output() == b""


def test_a_late_pong_can_be_written_before_what_follows():
    """`write_late_pong` gives the late pong its place now, and only once."""
    output = empty(limit=2)
    output.write(b"ab")
    output.write_pong(b"P")
    output.write_late_pong()
    output.write_late_pong()
    output.write(b"close")
    assert output.output() == b"abPclose"


def test_dropped_output_is_gone():
    """After `drop_output` there is nothing to take, no late pong either."""
    output = empty(limit=2)
    output.write(b"ab")
    output.write_pong(b"P")
    output.drop_output()
    assert output.output_size == 0
    assert output.output() == b""


@pytest.mark.parametrize("message", [{"type": "websocket.send", "text": "\ud800"}, {"type": "websocket.send"}, "text"])
def test_what_it_cannot_frame_is_left_to_the_table(message: Any):
    """A text that UTF-8 cannot encode, and what is no message, are neither written nor counted."""
    output = empty()
    assert not output.send(message)
    assert output.output() == b""


# -- a shortcut and nothing else


class Shut(ServerConnection):
    """The same connection, all of whose messages go by the table."""

    def _steer(self) -> None:
        self._lane.open = False


class Life:
    """A server's driver, with an application that takes what it is told to take, and echoes when it is woken."""

    def __init__(self, config: Config, *, shut: bool, echoes: bool, gathers: bool) -> None:
        self.port = ServerPort(config, end=Shut if shut else ServerConnection)
        self.port.gathers = gathers
        self.port.on_wake = self.wake
        self.port.capacity = 160
        self.echoes = echoes
        self.waits = False
        self.happened: list[Any] = []
        self.port.start()

    def wake(self) -> None:
        if self.waits:
            self.receives()
            while self.echoes and not self.waits and self.happened[-1].get("type") == "websocket.receive":
                self.sends({**self.happened[-1], "type": "websocket.send"})
                self.receives()

    def receives(self) -> None:
        try:
            message = self.port.next_message()
        except LocalProtocolError as error:
            message = {"raised": str(error)}
        self.waits = message is None
        if not self.waits:
            self.happened.append(message)

    def sends(self, message: Any) -> None:
        try:
            waits = self.port.send_message(message)
        except (InvalidMessage, LocalProtocolError, ConnectionError) as error:
            self.port.told.append((type(error), str(error)))
        else:
            self.port.told.append(("sent", waits))

    def goes_on(self, step: str, value: Any) -> None:
        port = self.port
        match step:
            case "read" if not (port.gone or port._eof):
                port.receive_data(value)
            case "eof" if not (port.gone or port._eof):
                port.receive_eof()
            case "receive":
                self.receives()
            case "give up":  # a timeout around `receive`
                self.waits = False
            case "send":
                self.sends(value)
            case "post":
                port.told.append(("posted", port.send_nowait(PreparedMessage(value))))
            case "time":
                port.time.now += value
                if port.deadline is not None and port.deadline <= port.time.now and not port.gone:
                    port.rings()
            case "drain":
                port.drains()
            case "flush":
                port.flush()
            case "shutdown":
                port.begin_shutdown()
            case "return" if not port._application_over:
                port.application_returned()
                self.waits = False
            case "lose":
                port.lost()
            case _:
                pass

    def shows(self) -> tuple[Any, ...]:
        port = self.port
        core = port.core
        return (
            self.happened,
            self.waits,
            [
                each
                for each in port.told
                if each[0] not in ("wake", "reading", "deadline", "write", "waits for a message")
            ],
            port.written,
            port.writable,
            port.reads,
            port.half_closed,
            port.closed,
            core.state,
            core.close_info,
            core.closing,
            core.has_message,
            core.next_timeout(),
            core.output_full,
            core.output_size,
            core.stats,
            core.wants_read,
            core.work_pending,
        )


COMPRESSOR: Final = Compressor(context_takeover=False)

plain = st.one_of(
    st.sampled_from(["", "a", "a" * 9, "ä€😀"]).map(peer.text),
    st.sampled_from([b"", b"\xff", b"b" * 30]).map(peer.binary),
)
control = st.sampled_from([peer.ping(b"p"), peer.pong(b"\0\0\0\1"), peer.pong(b"\0\0\0\2"), peer.close(1000)])
in_parts = st.sampled_from(
    [b"".join(peer.fragments(TEXT, b"a", b"b")), peer.ping().join(peer.fragments(BINARY, b"a", b""))]
)
other = st.sampled_from(
    [COMPRESSOR.text("a" * 20), peer.text("too long" * 10), frame(TEXT, b"\xff"), frame(BINARY, b"a", mask=None)]
)
kinds = [plain] * 30 + [control] * 3 + [in_parts] * 3 + [other]
said = st.sampled_from(kinds).flatmap(lambda kind: kind)
said_back = st.sampled_from(["", "ä", "a" * 40, "a" * 126]).map(lambda text: {"type": "websocket.send", "text": text})
answers: st.SearchStrategy[Any] = st.one_of(
    said_back,
    said_back,
    st.sampled_from(
        [
            {"type": "websocket.send", "bytes": b"a" * 30},
            {"type": "websocket.send", "text": None, "bytes": bytearray(b"ab")},
            {"type": "websocket.send", "text": "a", "bytes": None},
            {"type": "websocket.send", "text": "\ud800"},
            {"type": "websocket.send", "text": "a", "bytes": b""},
            {"type": "websocket.send"},
            {"type": "websocket.close", "code": 3000},
            {"type": "websocket.accept"},
            {"type": "websocket.nonsense"},
            MappingProxyType({"type": "websocket.send", "text": "no dict"}),
            "no mapping",
        ]
    ),
)
values: dict[str, st.SearchStrategy[Any]] = {
    "read": st.sampled_from([1, 3, 7, 20, 20, 1000]),
    "send": answers,
    "post": st.sampled_from(["all", b"a" * 50]),
    "time": st.sampled_from([0, 1, 3, 5]),
}
steps = st.sampled_from(
    ["read"] * 12
    + ["receive"] * 12
    + ["send"] * 6
    + ["post", "time", "time", "drain", "drain", "flush", "give up"]
    + ["an end"]
).flatmap(
    lambda step: (
        st.tuples(st.sampled_from(["eof", "shutdown", "return", "lose"]), st.none())
        if step == "an end"
        else st.tuples(st.just(step), values.get(step, st.none()))
    )
)


def a_life(stream: list[bytes], *script: Any, asks_first: bool = True) -> Any:
    """An example that random lives seldom come upon; a number reads so many bytes, None asks for a message."""
    steps = [
        ("read", step) if isinstance(step, int) else ("receive", None) if step is None else step for step in script
    ]
    return example(
        stream=stream, script=steps, compressed=False, turn=100, asks_first=asks_first, echoes=False, gathers=False
    ).via("a life that random ones seldom come upon")


A: Final = peer.text("a")  # seven bytes
B: Final = peer.binary(b"b" * 30)  # 36; the queue takes two


@settings(
    max_examples=int(os.environ.get("WSCORE_EXAMPLES", "150")), deadline=None, suppress_health_check=list(HealthCheck)
)
@given(
    stream=st.lists(said, min_size=5, max_size=40),
    script=st.lists(steps, min_size=15, max_size=50),
    compressed=st.sampled_from([*[False] * 7, True]),
    turn=st.sampled_from([3, 100, 100]),
    asks_first=st.sampled_from([True, True, False]),
    echoes=st.booleans(),
    gathers=st.booleans(),
)
@a_life([A, peer.close(1000), A], 15, 99, None, None, None)  # an end waits
@a_life([A] * 2, ("time", 5), 7, ("time", 1), 7)  # a pong is awaited
@a_life([B, B], 72)  # the queue is full, and no more
@a_life([B, B, A], 72, None, None, 7, asks_first=False)
@a_life([frame(TEXT, b"a", fin=False), peer.ping(), A], 13, 99)  # a message begins within another
@a_life([frame(BINARY, A, mask=bytes(4))], 6, 99)  # what is within a message looks like one
@a_life([A], 7, ("eof", None))  # the application is answering
@a_life([A], 7, None, ("give up", None), ("eof", None))  # it has asked for more, though it waits no longer
@pytest.mark.parametrize("engine", ["native", "wsproto"])
def test_whichever_way_messages_go(
    engine: Any,
    stream: list[bytes],
    script: list[Any],
    compressed: bool,
    turn: int,
    asks_first: bool,
    echoes: bool,
    gathers: bool,
):
    """A connection whose lane is shut all the time does the same, to the byte, at every step of any life."""
    config = Config(
        engine=engine,
        max_queue=4,
        max_queue_size=40,
        max_message_size=70,
        max_output_size=60,
        compression_min_size=0,
        ping_interval=5,
        ping_timeout=3,
        close_timeout=4,
    )
    request = head(b"Sec-WebSocket-Extensions: permessage-deflate") if compressed else head()
    beginning = [("read", request), *[("receive", None)] * asks_first, ("send", {"type": "websocket.accept"})]
    beginning += [("drain", None), *[("receive", None)] * asks_first]
    with pytest.MonkeyPatch.context() as patch:
        for module in (lane, IN_PYTHON, endpoint):
            patch.setattr(module, "MESSAGES_A_TURN", turn)
        open_, shut = (Life(config, shut=shut, echoes=echoes, gathers=gathers) for shut in (False, True))
        rest = b"".join(stream)
        for step, given_value in [*beginning, *script]:
            value = given_value
            if step == "read" and isinstance(value, int):
                value, rest = rest[:value], rest[value:]
                if not value:
                    continue
            for life in (open_, shut):
                life.goes_on(step, value)
            assert open_.shows() == shut.shows(), step
