"""The work of one call is bounded, whatever a peer packs into a read; cut into turns it comes to the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameDecoder

from tests.core.peer import (
    ACCEPT_OF_KEY,
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
    frame,
    pieces,
)
from wscore import ClientConnection, Close, Config, ConnectionClosed, ServerConnection, ServerDriver, State
from wscore._core import endpoint
from wscore._core.frames import assembler as messages
from wscore._core.frames import native, wsproto
from wscore.transport.client import AsyncClientDriver, WebSocket

EXAMPLES = int(os.environ.get("WSCORE_EXAMPLES", "150"))

Engine = Literal["native", "wsproto"]
Side = Literal["server", "client"]
Core = ServerConnection | ClientConnection
ENGINES: list[Engine] = ["native", "wsproto"]
SIDES: list[Side] = ["server", "client"]
of_both_ends = pytest.mark.parametrize("side", SIDES)
on_both_engines = pytest.mark.parametrize("engine", ENGINES)

TURN = 256
READ = 2**18  # bytes that a transport reads at once
BYE = (4003).to_bytes(2) + b"bye"


def opened(side: Side, engine: Engine, *, compressed: bool = False, **config: Any) -> Core:
    """A connection that is open, at either end."""
    settled = Config(engine=engine, **config)
    if side == "server":
        peer = Client(settled)
        if compressed:
            peer.opens_compressed(DEFLATE + b"; client_no_context_takeover")
        else:
            peer.opens()
        return peer.connection
    core = ClientConnection("ws://h/", settled, now=0.0, random=lambda size: (b"the sample nonce" * size)[:size])
    agreed = b"Sec-WebSocket-Extensions: " + DEFLATE + b"; server_no_context_takeover\r\n" if compressed else b""
    core.receive_data(
        b"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + ACCEPT_OF_KEY + b"\r\n" + agreed + b"\r\n",
        now=0.0,
    )
    core.data_to_send()
    return core


def frame_to(side: Side, opcode: int, payload: bytes = b"", **oddities: Any) -> bytes:
    if side == "client":
        oddities["mask"] = None
    return frame(opcode, payload, **oddities)


def frames(data: bytes) -> Iterator[Frame]:
    """Frames of either end, all shorter than 126 bytes."""
    while data:
        masked, size = data[1] >> 7, data[1] & 0x7F
        key, start = (data[2:6], 6) if masked else (b"\0\0\0\0", 2)
        payload = data[start : start + size]
        yield Frame(data[0] & 0xF, bytes(byte ^ key[place % 4] for place, byte in enumerate(payload)))
        data = data[start + size :]


def pongs(core: Core) -> list[bytes]:
    return [each.payload for each in frames(core.data_to_send()) if each.opcode == PONG]


def finish(core: Core, now: float = 0.0) -> None:
    """Do what is due at once, as a transport does before it reads again."""
    while core.work_pending and core.next_timeout() is not None:
        core.handle_timeout(now=now)


# -- the bound


class Work(NamedTuple):
    """What was done in one call."""

    frames: int
    inflated: int


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[[], Work]]:
    """Count frames and inflated bytes since the last look."""
    done = [0, 0]

    def counting(of: Any, name: str, place: int, size: Callable[[Any], int]) -> None:
        original = getattr(of, name)

        def count(*given: Any, **named: Any) -> Any:
            result = original(*given, **named)
            done[place] += size(result)
            return result

        monkeypatch.setattr(of, name, count)

    def look() -> Work:
        work = Work(*done)
        done[:] = 0, 0
        return work

    counting(native.NativeCodec, "_read_header", 0, lambda _: 1)
    counting(FrameDecoder, "process_buffer", 0, lambda _: 1)
    counting(messages.MessageAssembler, "_inflate", 1, len)
    yield look


def tiny_frames(side: Side) -> dict[str, bytes]:
    ping, pong = frame_to(side, PING), frame_to(side, PONG)
    part = frame_to(side, CONTINUATION, fin=False)
    return {
        "pings": ping * (READ // len(ping)),
        "pongs": pong * (READ // len(pong)),
        "fragments": frame_to(side, TEXT, fin=False) + part * (READ // len(part) - 1),
        "pings between fragments": frame_to(side, TEXT, fin=False) + (part + ping) * (READ // 2 // len(ping) - 1),
    }


@of_both_ends
@on_both_engines
@pytest.mark.parametrize("attack", ["pings", "pongs", "fragments", "pings between fragments"])
def test_no_call_reads_more_frames_than_a_turn_has(
    side: Side, engine: Engine, attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read full of frames of no bytes is done in hundreds of turns, and all of it is done."""
    core = opened(side, engine, max_fragments=READ)
    data = tiny_frames(side)[attack]
    answered = 0
    with counted(monkeypatch) as work:
        core.receive_data(data, now=1.0)
        calls = [work()]
        while core.work_pending:
            answered += len(pongs(core))
            core.handle_timeout(now=1.0)
            calls.append(work())
    answered += len(pongs(core))
    assert max(call.frames for call in calls) <= TURN + 2
    assert sum(call.frames for call in calls) >= data.count(frame_to(side, PING)[:2])
    assert answered == (data.count(b"\x89") if "pings" in attack else 0)
    assert core.wants_read


@of_both_ends
@on_both_engines
def test_no_call_inflates_more_than_a_few_mebibytes(
    side: Side, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message of 16 MiB that is 16 KiB on the wire takes several turns, and arrives."""
    core = opened(side, engine, compressed=True)
    bomb = frame_to(side, BINARY, Compressor().payload(bytes(2**24)), rsv=0b100)
    with counted(monkeypatch) as work:
        core.receive_data(bomb, now=1.0)
        calls = [work()]
        while core.work_pending:
            core.handle_timeout(now=1.0)
            calls.append(work())
    assert sum(call.inflated for call in calls) == 2**24
    assert max(call.inflated for call in calls) <= 2**20 + (2**21 if engine == "wsproto" else 2**13)
    assert ask(core) == bytes(2**24)


@of_both_ends
@on_both_engines
@pytest.mark.parametrize("after_close", [False, True])
def test_no_call_takes_more_messages_than_a_turn_has(side: Side, engine: Engine, after_close: bool) -> None:
    """However many the queue has room for; and where they are thrown away, after our close frame."""
    core = opened(side, engine, max_queue=1_000_000)
    message = frame_to(side, TEXT, b"x")
    if after_close:
        close_it(core)
    core.receive_data(message * 5000 + frame_to(side, CLOSE, BYE), now=0.0)
    taken = 0
    while core.work_pending:
        assert core.stats.messages_received - taken <= 2 * TURN
        taken = core.stats.messages_received
        core.handle_timeout(now=0.0)
    assert core.stats.messages_received == (0 if after_close else 5000)
    if after_close:
        assert core.state is State.LINGERING
        assert core.close_info is not None
        assert core.close_info.received == Close(4003, "bye")


def close_it(core: Core) -> None:
    if isinstance(core, ServerConnection):
        core.send({"type": "websocket.close", "code": 1000}, now=0.0)
    else:
        core.close(now=0.0)


# -- the levels of a connection that is behind


@of_both_ends
@on_both_engines
def test_a_connection_that_is_behind_is_due_at_once(side: Side, engine: Engine) -> None:
    """It wants nothing read meanwhile, and says with its revision that a transport should look."""
    core = opened(side, engine)
    seen = core.generation
    core.receive_data(frame_to(side, PING) * (TURN + 1), now=7.0)
    assert (core.work_pending, core.wants_read, core.next_timeout()) == (True, False, 7.0)
    assert core.generation != seen
    seen = core.generation
    core.handle_timeout(now=7.5)
    assert (core.work_pending, core.wants_read) == (False, True)
    assert core.generation != seen
    timeout = core.next_timeout()
    assert timeout is not None
    assert timeout > 7.5
    assert len(pongs(core)) == TURN + 1


@of_both_ends
@on_both_engines
def test_a_pong_that_lies_behind_is_not_overdue(side: Side, engine: Engine) -> None:
    """Its turn comes late only because others have theirs."""
    core = opened(side, engine)
    core.handle_timeout(now=20.0)
    (asked,) = [each.payload for each in frames(core.data_to_send()) if each.opcode == PING]
    core.receive_data(frame_to(side, PONG) * 3 * TURN + frame_to(side, PONG, asked), now=30.0)
    for now in (50.0, 71.0, 92.0):
        assert core.work_pending
        core.handle_timeout(now=now)
    assert (core.state, core.stats.latency) == (State.OPEN, 72.0)


@of_both_ends
@on_both_engines
@pytest.mark.parametrize("how", ["eof", "loss", "eof, loss"])
@pytest.mark.parametrize("turns", [0, 1])
def test_what_lies_behind_counts_when_the_connection_ends(side: Side, engine: Engine, how: str, turns: int) -> None:
    """Its messages are taken, and its close frame says how it ended (RFC 6455 7.1.5)."""
    core = opened(side, engine)
    ping, message = frame_to(side, PING), frame_to(side, TEXT, b"x")
    core.receive_data(ping * 3 * TURN + message + ping * 3 * TURN + frame_to(side, CLOSE, BYE), now=0.0)
    for _ in range(turns):
        core.handle_timeout(now=0.0)
    if "eof" in how:
        core.receive_eof(now=0.0)
    if "loss" in how:
        core.connection_lost(now=0.0)
        assert core.next_timeout() is None
        assert core.has_message
    else:
        finish(core)
    assert ask(core) == "x"
    finish(core)
    assert ask(core) == Told(4003, "bye")


@of_both_ends
@on_both_engines
def test_an_end_does_not_overtake_what_lies_behind(side: Side, engine: Engine) -> None:
    """Nothing is there to be taken until it was parsed, and then the end is."""
    core = opened(side, engine)
    core.receive_data(frame_to(side, PING) * 2 * TURN + frame_to(side, PING), now=0.0)
    core.receive_eof(now=0.0)
    assert (core.state, core.has_message, ask(core)) == (State.OPEN, False, None)
    finish(core)
    assert len(pongs(core)) == 2 * TURN + 1
    assert core.has_message
    told = ask(core)
    assert isinstance(told, Told)
    assert told.code == 1006


class Ended:
    """A transport whose connection is lost: nothing is left to wait for, so that waiting would be for ever."""

    turns = 0

    async def yield_control(self) -> None:
        self.turns += 1

    async def wait_for_message(self) -> None:
        raise AssertionError("waits for what will not come")

    def write(self, data: bytes) -> None:
        del data

    def set_deadline(self, at: float | None) -> None:
        del at

    def set_reading(self, on: bool) -> None:
        del on

    def wake(self) -> None:
        pass

    def wake_senders(self) -> None:
        pass

    def tell(self) -> None:
        pass

    def changed(self) -> None:
        pass

    def over(self) -> None:
        pass


class EndedServer(Ended, ServerDriver):
    pass


class EndedLink(Ended, AsyncClientDriver):
    pass


def result_of(step: Coroutine[Any, Any, Any]) -> Any:
    """Run what waits for nothing."""
    try:
        step.send(None)
    except StopIteration as returned:
        return returned.value
    raise AssertionError("waits")


@on_both_engines
def test_others_have_their_turn_while_a_lost_connections_rest_is_parsed(engine: Engine) -> None:
    """Who asks for the next message gives way between two turns, at either end."""
    for side in SIDES:
        core = opened(side, engine)
        ended = EndedServer(core, lambda: 0.0) if isinstance(core, ServerConnection) else EndedLink(core, lambda: 0.0)
        ended.start()
        ended.receive_data(frame_to(side, PING) * 8 * TURN + frame_to(side, TEXT, b"x"))
        core.data_to_send()
        ended.lost()
        if isinstance(ended, EndedServer):
            assert result_of(ended.receive()) == {"type": "websocket.receive", "text": "x"}
        else:
            assert result_of(WebSocket(ended).recv()) == "x"
        assert 6 <= ended.turns <= 8


@on_both_engines
def test_what_lies_behind_is_dropped_with_the_application(engine: Engine) -> None:
    """Nobody will ask for its messages; the peer's close frame is still looked for."""
    core = opened("server", engine)
    assert isinstance(core, ServerConnection)
    ping, message = frame_to("server", PING), frame_to("server", TEXT, b"x")
    core.receive_data(ping * 2 * TURN + message + ping * 2 * TURN + frame_to("server", CLOSE, BYE), now=0.0)
    core.application_returned(now=0.0)
    states = [core.state]
    finish(core)
    assert [*states, core.state] == [State.CLOSE_SENT, State.LINGERING]
    assert ask(core) == Told(1000, "")


# -- the same, cut into turns


class Told(NamedTuple):
    """How the application was told that the connection has ended."""

    code: int
    reason: str


def ask(core: Core) -> str | bytes | Told | None:
    """Have the application ask for its next message."""
    message: Any = core.next_message(now=0.0)
    if isinstance(core, ServerConnection):
        if message is None:
            return None
        if message["type"] == "websocket.disconnect":
            return Told(message["code"], message["reason"])
        taken: str | bytes = message["bytes"] if message.get("text") is None else message["text"]
        return taken
    if message is None:
        try:
            core.check_receive()
        except ConnectionClosed as ended:
            return Told(ended.code, ended.reason)
        return None
    taken = message
    return taken


def answer(core: Core, message: str | bytes) -> None:
    """Have the application answer a message. Raises where that is too late."""
    payload = message if isinstance(message, str) else message.hex()
    if isinstance(core, ServerConnection):
        core.send({"type": "websocket.send", "text": payload[:20]}, now=0.0)
    else:
        core.send(payload[:20], now=0.0)


Said = tuple[int, bytes, bool, int]  # opcode, payload, whether final, reserved bits
Ending = Literal["", "eof", "loss"]


class Script(NamedTuple):
    """What a peer says, in how many reads, and what happens then."""

    said: list[Said]
    reads: int
    end: Ending


said = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=3), st.just(True), st.just(0)),
        st.tuples(st.sampled_from([TEXT, BINARY, CONTINUATION]), st.just(b"ab"), st.booleans(), st.just(0)),
        st.tuples(st.sampled_from([TEXT, BINARY]), st.just(b"abc" * 20), st.just(True), st.sampled_from([0, 4])),
        st.tuples(st.just(TEXT), st.just("äö".encode()), st.just(True), st.sampled_from([0, 4])),
    ),
    max_size=25,
)
no_end: list[Said] = []
ends = st.sampled_from([no_end, no_end, [(CLOSE, BYE, True, 0)], [(TEXT, b"\xff", True, 0)], [(0xB, b"", True, 0)]])


def script_of(first: list[Said], last: list[Said], rest: list[Said], reads: int, end: Ending) -> Script:
    return Script([*first, *last, *rest], reads, end)


scripts = st.builds(
    script_of,
    said,
    ends,
    st.lists(st.tuples(st.sampled_from([PING, TEXT]), st.just(b"z"), st.just(True), st.just(0)), max_size=4),
    st.integers(1, 3),
    st.sampled_from(["", "eof", "loss"]),
)


class Outcome(NamedTuple):
    received: list[Any]
    answers: list[bytes]
    pongs: list[bytes]
    close: list[bytes]
    info: Any
    state: State


def outcome(side: Side, engine: Engine, script: Script, turn: int, plan: list[int]) -> Outcome:
    """Run a script in turns of so much work, with what happens between the reads as planned."""
    compressor = Compressor(context_takeover=False)
    data = b"".join(
        frame_to(side, opcode, compressor.payload(payload) if rsv else payload, fin=fin, rsv=rsv)
        for opcode, payload, fin, rsv in script.said
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "WORK_A_TURN", turn)
        patch.setattr(endpoint, "MESSAGES_A_TURN", turn)
        patch.setattr(messages, "_UNIT", 3)
        patch.setattr(wsproto, "_SLICE", 7)
        core = opened(side, engine, compressed=True, max_queue=4)
        received: list[Any] = []
        in_hand: list[str | bytes] = []
        output = b""

        def step(kind: int) -> None:
            nonlocal output
            if kind == 0:
                if core.work_pending:
                    core.handle_timeout(now=0.0)
            elif in_hand:
                asked = in_hand.pop()
                if script.end != "loss":
                    answer(core, asked)
            elif not (received and isinstance(received[-1], Told)):
                message = ask(core)
                assert (message is not None) or not core.has_message
                if message is not None:
                    received.append(message)
                    if not isinstance(message, Told):
                        in_hand.append(message)
            output += core.data_to_send()

        planned = iter(plan)
        for piece in pieces(data, len(data) // script.reads + 1):
            while not core.wants_read and core.state in (State.OPEN, State.CLOSE_SENT):
                step(next(planned, 0))
                step(0)
                step(1)
            while in_hand:  # what is read later may refuse the answer
                step(1)
            core.receive_data(piece, now=0.0)
        if script.end == "eof":
            core.receive_eof(now=0.0)
        elif script.end == "loss":
            output += core.data_to_send()
            core.connection_lost(now=0.0)
        for kind in planned:
            step(kind)
        for _ in range(200 + len(data)):
            step(0)
            step(1)
    wrote = list(frames(output))
    return Outcome(
        received,
        [each.payload for each in wrote if each.opcode == TEXT],
        [each.payload for each in wrote if each.opcode == PONG] if script.end != "loss" else [],
        [each.payload for each in wrote if each.opcode == CLOSE] if script.end != "loss" else [],
        core.close_info if script.end != "loss" else None,
        core.state,
    )


@of_both_ends
@settings(max_examples=EXAMPLES, deadline=None)
@given(script=scripts, turn=st.integers(1, 6), plan=st.lists(st.integers(0, 2), max_size=40))
def test_work_cut_into_turns_comes_to_the_same(side: Side, script: Script, turn: int, plan: list[int]) -> None:
    """Messages, answers, pongs and the end are those of doing it all at once, on both engines, whoever is first."""
    at_once = outcome(side, "native", script, 10**9, [])
    for engine in ENGINES:
        assert outcome(side, engine, script, turn, plan) == at_once
