"""The machines find what they are for: faults planted in a core, one at a time, and in a toy that embeds one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from wscore import ClientConnection, Close, Config, ServerConnection
from wscore._core import endpoint, keepalive, lane, lifecycle, timers
from wscore._core.frames import assembler, native
from wscore._core.frames.mask import mask
from wscore.testing.frames import MASK, binary, close, fragments, frame, ping, text
from wscore.testing.handshakes import request_head, response_head
from wscore.testing.machine import ClientMachine, CoreMachine, OutputReader, PairMachine, ServerMachine
from wscore.testing.memory import held_bytes
from wscore.testing.pair import ConnectionPair, Deliver, Reset, Silence, Wait

ANYTHING_GOES = list(HealthCheck)
default = settings(suppress_health_check=ANYTHING_GOES, deadline=None)
first_failure = settings(default, phases=[Phase.generate], database=None, derandomize=True, print_blob=False)


def finds(machine: type[Any], how: settings = first_failure) -> str:
    """What the machine fails with, within the default number of examples."""
    with pytest.raises(AssertionError) as failed:
        run_state_machine_as_test(machine, settings=how)
    return str(failed.value)


# -- faults, each a patch of the core


def masking_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is not turned on behind a piece of a payload, so that the next begins with the wrong byte."""

    def unmasked(self: Any, piece: bytes) -> bytes:
        return mask(piece, self._key)

    monkeypatch.setattr(native.NativeCodec, "_piece", unmasked)


def fragment_reassembly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What continues a message is put together the wrong way round."""
    for name in ("content", "some_content"):
        monkeypatch.setattr(assembler.MessageAssembler, name, _turned_round(name))


def _turned_round(name: str) -> Callable[..., Any]:
    method = getattr(assembler.MessageAssembler, name)

    def turned(self: Any, piece: bytes) -> Any:
        return method(self, bytes(piece)[::-1] if self._fragments and not self.compressed else piece)

    return turned


def close_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer's close is answered with 1000, whatever its code."""
    closed = endpoint.peer_closed
    monkeypatch.setattr(endpoint, "peer_closed", lambda event: closed(event)._replace(frame=Close(1000)))


def ping_bookkeeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pong is taken for the answer to keepalive's ping."""
    monkeypatch.setattr(keepalive.Keepalive, "pong", lambda self, payload, now: False)


def unarmed_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ping is sent, and nobody looks whether it is answered."""
    start = timers.Timers.start
    monkeypatch.setattr(
        timers.Timers,
        "start",
        lambda self, timer, now: timer is lifecycle.Timer.PONG or start(self, timer, now),
    )


def queue_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue of messages takes a hundred times as many."""
    begin = lane.Lane.__init__

    def begin_generously(self: lane.Lane, *args: Any) -> None:
        begin(self, *args)
        self._max_count *= 100
        self._max_size *= 100

    monkeypatch.setattr(lane.Lane, "__init__", begin_generously)


IN_MESSAGES = r"other messages|more messages|keeps the protocol|has lost a message|were lost"
IN_DEADLINES = r"waits for ever in OPEN|the clock alone"
IN_LIMITS = r"holds more"
IN_ECHO = r"answered with another code"
IN_PINGS = r"another round-trip time"


def fault(plant: Callable[[pytest.MonkeyPatch], None], machine: type[Any], said: str, *marks: Any) -> Any:
    return pytest.param(plant, machine, said, id=f"{plant.__name__}-{machine.__name__}", marks=marks)


FAULTS = [
    fault(masking_offset, ServerMachine, IN_MESSAGES),
    fault(fragment_reassembly, ServerMachine, IN_MESSAGES, pytest.mark.long),
    fault(close_echo, ServerMachine, IN_ECHO),
    fault(ping_bookkeeping, ServerMachine, IN_PINGS),
    fault(unarmed_deadline, ServerMachine, IN_DEADLINES),
    fault(queue_limit, ServerMachine, IN_LIMITS, pytest.mark.long),
    fault(fragment_reassembly, ClientMachine, IN_MESSAGES, pytest.mark.long),
    fault(close_echo, ClientMachine, IN_ECHO, pytest.mark.long),
    fault(ping_bookkeeping, ClientMachine, IN_PINGS, pytest.mark.long),
    fault(unarmed_deadline, ClientMachine, IN_DEADLINES, pytest.mark.long),
    fault(queue_limit, ClientMachine, IN_LIMITS, pytest.mark.long),
    fault(fragment_reassembly, PairMachine, IN_MESSAGES, pytest.mark.long),
]


@pytest.mark.parametrize(("plant", "machine", "said"), FAULTS)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[pytest.MonkeyPatch], None],
    machine: type[Any],
    said: str,
) -> None:
    """A check finds the fault that it is for within 1,000 examples; most within Hypothesis' default of 100."""
    plant(monkeypatch)
    assert re.search(said, finds(machine, settings(first_failure, max_examples=1000)))


@pytest.mark.long
@pytest.mark.parametrize("machine", [ServerMachine, ClientMachine, PairMachine])
def test_without_a_fault_nothing_is_found(machine: type[Any]) -> None:
    """What is not broken passes, in many examples."""
    run_state_machine_as_test(machine, settings=settings(default, max_examples=2000))


@pytest.mark.long
def test_what_is_found_is_made_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault shrinks to a few steps whose bytes say what they are."""
    fragment_reassembly(monkeypatch)
    with pytest.raises(AssertionError) as failed:
        run_state_machine_as_test(ServerMachine, settings=settings(default, database=None, derandomize=True))
    steps = [line for line in "\n".join(failed.value.__notes__).splitlines() if line.startswith("state.peer")]
    assert len(steps) == 1
    assert steps[0].startswith("state.peer_sends_frames(data=01 ")


# -- subclasses: code of one's own around a core


class Toy:
    """An embedding: it writes what the core has for the peer, after each input. With a mistake, not after one."""

    def __init__(self, config: Config, *, mistaken: bool) -> None:
        self.core = ServerConnection(config, now=100.0)
        self.written = b""
        self._mistaken = mistaken

    def data_received(self, data: bytes, now: float) -> None:
        self.core.receive_data(data, now=now)
        if not self._mistaken:
            self.write()

    def write(self) -> None:
        self.written += self.core.data_to_send()


class ToyMachine(ServerMachine):
    """The toy in the place of the core, with a rule and an invariant of its own."""

    mistaken = False
    compares_cuts = False  # it writes at other times than it is told

    def make_connection(self) -> ServerConnection:
        self.toy = Toy(self.config, mistaken=self.mistaken)
        self.nudges = 0
        return self.toy.core

    def receive_data(self, data: bytes) -> None:
        self.toy.data_received(data, self.now)

    def take_output(self) -> bytes:
        self.toy.write()
        written, self.toy.written = self.toy.written, b""
        return written

    @rule()
    def somebody_nudges_it(self) -> None:
        self.nudges += 1
        self.toy.write()


class WritesAtOnce(ToyMachine):
    """What holds for the toy: nothing that the peer has caused waits."""

    def receive_data(self, data: bytes) -> None:
        self.toy.write()
        super().receive_data(data)
        assert self.connection.output_size == 0, "the answer waits"


class Mistaken(WritesAtOnce):
    """With the mistake."""

    mistaken = True


def test_a_toy_that_writes_holds() -> None:
    """Code around a core that does what it has to passes all checks of the core, and its own."""
    run_state_machine_as_test(WritesAtOnce, settings=settings(first_failure, max_examples=10))


def test_a_toy_that_forgets_to_write_is_found() -> None:
    """Code that forgets to write after `receive_data` fails its own check."""
    assert finds(Mistaken).startswith("the answer waits")


def test_an_invariant_of_ones_own_is_checked() -> None:
    """A subclass' invariants are checked after each step, and its rules are steps."""

    class Nudged(ToyMachine):
        @invariant()
        def it_is_left_alone(self) -> None:
            assert self.nudges < 3, "nudged"

    assert finds(Nudged).startswith("nudged")


# -- what reads the output


REQUEST, RESPONSE = bytes(request_head()), bytes(response_head(request_head()))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (text("a"), "wrote a masked frame"),
        (frame(1, b"a", mask=None, rsv=0b010), "RSV bits"),
        (frame(1, b"a", mask=None, rsv=0b100), "RSV bits"),
        (frame(3, mask=None), "wrote opcode 0x3"),
        (frame(0, mask=None), "a continuation of nothing"),
        (fragments(1, b"a", b"b", mask=None)[0] + text("b", mask=None), "a message within another"),
        (ping(fin=False, mask=None), "a control frame in parts"),
        (ping(bytes(126), mask=None), "a control frame that is too long"),
        (close(1000, mask=None) + ping(mask=None), "a frame behind a close frame"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_may_not_be_written_is_seen(written: bytes, said: str) -> None:
    """The reader of output fails on what no server may write."""
    reader = OutputReader()
    reader.receive_data(RESPONSE)
    with pytest.raises(AssertionError, match=said):
        reader.receive_data(written)


def test_output_is_read() -> None:
    """The reader gives the messages, pings, pongs and close that were written, in any pieces, of a client's as well."""
    reader = OutputReader(masked=True)
    output = REQUEST + text("hi") + b"".join(fragments(2, b"a", b"b")) + ping(b"p") + frame(0xA, b"q") + close(4000)
    for byte in output:
        reader.receive_data(bytes([byte]))
    assert (reader.head, reader.messages, reader.pings, reader.pongs) == (REQUEST, ["hi", b"ab"], [b"p"], [b"q"])
    assert reader.close == (4000).to_bytes(2)
    assert reader.whole
    with pytest.raises(AssertionError, match="behind a close frame"):
        reader.receive_data(b"x")


def test_a_refusal_is_no_frame() -> None:
    """What follows a response other than 101 is its body."""
    reader = OutputReader()
    reader.receive_data(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    assert not reader.opened
    assert reader.head.endswith(b"no")


# -- the pair, and what is held


def test_a_schedule_is_played_event_by_event() -> None:
    """Bytes arrive when a schedule says so, time passes, a reset is told to one end, and silence to none."""
    pair = ConnectionPair(Config(ping_interval=None), Config(ping_interval=None))
    pair.opens()
    pair.client.send("hello", now=0.0)
    pair.play([Deliver("server", 3), Wait(1.5), Deliver("server")])
    assert (pair.now, pair.server_receives()) == (1.5, ["hello"])
    pair.client.send("lost", now=pair.now)
    pair.play([Reset("client"), Deliver("server")])
    assert pair.client.close_info is not None
    assert pair.client.close_info.reason == "connection lost: reset by peer"
    assert pair.server.close_info is None
    assert pair.server_receives() == []
    pair.play([Silence(), Reset("server")])
    assert pair.server.close_info is not None
    assert not pair.waits()


def test_what_is_held_is_counted() -> None:
    """Bytes and long texts are counted wherever they are, once each; names, and what is set apart, are not."""
    held = bytearray(1000)
    assert held_bytes([held, {"a": held, "b": b"x" * 50}, "c" * 41, "name", 7, int]) == 1000 + 50 + 41
    assert held_bytes([held, b"x"], apart=[held]) == 1


def test_the_machines_say_which_end_they_are() -> None:
    """A server's peer masks, a client's does not."""
    assert (ServerMachine.peer_masks, ClientMachine.peer_masks) == (True, False)
    assert issubclass(ServerMachine, CoreMachine)
    assert issubclass(ClientMachine, CoreMachine)
    assert binary(b"a", mask=MASK)[1] & 0x80
    assert isinstance(ConnectionPair().client, ClientConnection)
