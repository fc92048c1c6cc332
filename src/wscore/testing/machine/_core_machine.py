"""What holds for one core of either end, whatever happens around it, in any order."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, ClassVar, Final, Generic, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from wscore import (
    ClientConnection,
    ClientDisconnected,
    Close,
    CloseCode,
    Closing,
    Config,
    ConnectionClosed,
    HandshakeFailed,
    InvalidMessage,
    LocalProtocolError,
    Opcode,
    ServerConnection,
    State,
)

from ..frames import AnnotatedBytes, FrameReader, pong
from ..memory import held_bytes
from ..strategies import Frames, arbitrary_frames, close_frames, compressed_messages, hostile_frames, streams
from ._output import OutputReader

__all__ = ["REFUSED", "ROOMY", "SMALL", "CoreMachine", "config_names", "for_machine", "may_end"]

SMALL: Final = Config(
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
"""Limits and timeouts that a few steps reach."""
ROOMY: Final = Config(ping_interval=20, ping_timeout=8)
"""Limits that no peer of these machines reaches."""

REFUSED: Final = (LocalProtocolError, InvalidMessage, ClientDisconnected, ConnectionClosed, HandshakeFailed)
"""What a core raises at its application; never anything else, and never at anybody else."""

ENDING: Final = (State.CLOSE_SENT, State.LINGERING, State.CLOSED)

Core = TypeVar("Core", ServerConnection, ClientConnection)
_Self = Any
"""A machine, for the conditions of rules: Hypothesis calls them with it."""


def for_machine(make: Callable[[Any], st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Return a strategy that depends on the machine that draws from it."""
    return st.runner().flatmap(make)


def config_names(machine: _Self) -> st.SearchStrategy[str]:
    """Return a strategy for the names of a machine's configurations."""
    return st.sampled_from(list(machine.configs))


# Made once each: making a strategy takes longer than drawing from it.
_streams = cache(partial(streams, max_messages=4, closed=False))
_compressed = cache(compressed_messages)
_closes = cache(close_frames)


@cache
def _hostile(*, masked: bool) -> st.SearchStrategy[AnnotatedBytes]:
    return hostile_frames(masked=masked) | arbitrary_frames(masked=masked, max_size=210)


def _sendable(machine: _Self) -> st.SearchStrategy[Frames]:
    config: Config = machine.config
    sizes = {"max_size": min(config.max_message_size, 200), "max_fragments": min(config.max_fragments, 5)}
    return _streams(masked=machine.peer_masks, **sizes)


def _compressed_message(machine: _Self) -> st.SearchStrategy[Frames]:
    return _compressed(masked=machine.peer_masks, max_size=min(machine.config.max_message_size, 200))


def _close(machine: _Self) -> st.SearchStrategy[Frames]:
    return _closes(masked=machine.peer_masks)


def _hostile_data(machine: _Self) -> st.SearchStrategy[AnnotatedBytes]:
    return _hostile(masked=machine.peer_masks)


def may_end(machine: _Self) -> bool:
    """Tell whether it is time for what ends a connection: most lives are to have a middle."""
    return bool(machine.hurried or machine.now > 140.0)


_places = st.lists(st.integers(1, 100), max_size=3)


class CoreMachine(RuleBasedStateMachine, Generic[Core]):
    """A core, and all that may happen to it: a network, a peer who keeps the protocol or does not, a clock, and a
    transport that writes now and then. `ServerMachine` and `ClientMachine` add an application.

    After each step these hold, of any core that is used as its documentation says:

    - Nothing raises but what an application does, and then one of the documented errors, and nothing has changed.
    - What is written is lawful, and has a cause: each message was sent, each pong answers a ping of the peer, each ping
      is counted, and there is one close frame at most, with nothing behind it.
    - Messages come out as they were sent, in order, and once.
    - There is a deadline wherever there has to be one, none of them too far away, and each wake-up leads on.
    - What is held stays within the limits.
    - What is closed is quiet. What was told as final, the end and `closing`, does not change back.
    - `generation` tells of every change.

    At the end, the clock alone closes the connection, and the same bytes, byte by byte, have the same outcome.

    To test code of your own around a core, override the methods under "what happens to the core". Each calls the core
    here; let yours call your code, and add rules and invariants. A rule that does more to the core goes through `tell`.
    """

    configs: ClassVar[Mapping[str, Config]] = {"small": SMALL, "roomy": ROOMY}
    """The configurations to choose from, by name."""
    compares_cuts: ClassVar[bool] = True
    """Whether a bare core that gets the same inputs, byte by byte, has to come to the same end. Turn it off where code
    of yours does more to the core than it is told."""
    peer_masks: ClassVar[bool]
    """Whether the peer is a client."""

    config: Config
    now: float
    """The clock, in seconds."""
    connection: Core
    """The core."""
    output: OutputReader
    """What was written so far, as the peer reads it."""
    taken: list[Any]
    """The messages that the application has taken."""
    sent: list[str | bytes]
    """The messages that it has sent, and that were not refused."""
    offered: list[str | bytes]
    """The messages that the peer has sent while it kept the protocol."""
    peer_speaks_frames: bool
    """Whether the peer is through with its half of the handshake."""
    peer_is_lawful: bool
    """Whether it has kept the protocol so far."""
    compressed: bool
    """Whether it may compress."""

    def begin(self, config: Config, *, hurried: bool = True) -> None:
        """Make the core, at 100 seconds; unless `hurried`, forty more pass before anything is done that ends it."""
        self.config = config
        self.hurried = hurried
        self.now = 100.0
        self.connection = self.make_connection()
        self.output = OutputReader(masked=not self.peer_masks)
        self.taken = []
        self.sent = []
        self.closing: Closing = Closing.NO
        self.fragmenting: bool = False  # a message is sent in fragments, and its last is still to come
        self.compressed = False
        self.peer_speaks_frames = False
        # of the peer
        self.largest_read = 0
        self.offered = []
        self.peer_is_lawful = True
        self.peer_close: Close | None = None
        self._peer_frames = FrameReader()  # which takes apart what it sends, to know its pings
        self._peer_pings: list[bytes] = []
        # of keepalive
        self._pings_counted: int = 0
        self._own_pings: int = 0
        self._awaits_pong: bool = False
        self._pinged_at: float = 0.0
        # what was seen after the step before
        self._has_ended: bool = False
        self._seen_generation: int = -1
        self._seen_levels: tuple[Any, ...] = ()
        self._seen_deadline: float | None = None
        self._seen_closing: Closing = Closing.NO
        self._seen_output: int = 0
        self._facts: list[tuple[float, str, tuple[Any, ...]]] = []

    # -- what happens to the core: override these to have it happen to code of your own

    @abstractmethod
    def make_core(self) -> Core:
        """Return a new core, with nothing around it."""

    def make_connection(self) -> Core:
        """Return the core to test."""
        return self.make_core()

    def receive_data(self, data: bytes) -> None:
        """Bytes have come from the peer. The core gets them in a buffer that is used again at once."""
        buffer = bytearray(data)
        self.connection.receive_data(memoryview(buffer), now=self.now)
        buffer[:] = b"\xaa" * len(buffer)

    def receive_eof(self) -> None:
        """The peer has ended its stream."""
        self.connection.receive_eof(now=self.now)

    def connection_lost(self) -> None:
        """The socket is gone."""
        self.connection.connection_lost(now=self.now)

    def handle_timeout(self) -> None:
        """The time is `now`; perhaps a deadline has come."""
        self.connection.handle_timeout(now=self.now)

    def next_message(self) -> Any:
        """The application asks for a message; None if there is none."""
        return self.connection.next_message(now=self.now)

    def take_output(self) -> bytes:
        """Return what was written and not returned before. With code of your own: what it has written."""
        return self.connection.data_to_send()

    def tell(self, fact: str, *details: Any) -> Any:
        """Let something happen: call the method of that name, and keep it for `compares_cuts`."""
        self._facts.append((self.now, fact, details))
        return getattr(self, fact)(*details)

    # -- the peer and the network

    def receives(self, data: bytes, places: Sequence[int] = ()) -> bool:
        """Let bytes arrive, cut at these places; not while reading is paused. Return whether they did."""
        if not self.can_receive:
            return False
        self.largest_read = max(self.largest_read, len(data))
        if self.peer_speaks_frames:
            self._note_pings(data)
        whole = data if isinstance(data, AnnotatedBytes) else AnnotatedBytes(data)
        for piece in whole.cut(places):
            self.tell("receive_data", bytes(piece))
        return True

    @property
    def can_receive(self) -> bool:
        """Whether a transport would pass on what the peer sends; a closed core may get it all the same."""
        return self.connection.wants_read or self.connection.state is State.CLOSED

    def peer_sends(self, data: Frames, places: Sequence[int] = ()) -> None:
        """Let lawful frames arrive."""
        if self.can_receive and self.peer_speaks_frames and self.peer_is_lawful and self.peer_close is None:
            self.offered += data.messages
            self.peer_close = data.close
        self.receives(data, places)

    def peer_breaks_rules(self, data: bytes) -> None:
        """Let something arrive of which nobody knows what it is."""
        self.peer_is_lawful = self.peer_is_lawful and not self.can_receive
        self.receives(data)

    def peer_may_send_frames(self, *, behind: bytes) -> None:
        """From now on the peer sends frames, the first of them `behind` its half of the handshake."""
        self.peer_speaks_frames = True
        self._note_pings(behind)

    def _note_pings(self, data: bytes) -> None:
        self._peer_pings += [
            each.payload for each in self._peer_frames.receive_data(data) if each.opcode == Opcode.PING
        ]

    @precondition(lambda self: self.peer_speaks_frames and self.connection.state is not State.CLOSED)
    @rule(data=for_machine(_sendable), places=_places)
    def peer_sends_frames(self, data: Frames, places: list[int]) -> None:
        """The peer sends messages, pings and pongs."""
        self.peer_sends(data, places)

    @precondition(lambda self: self.compressed and self.connection.state is not State.CLOSED)
    @rule(data=for_machine(_compressed_message), places=_places)
    def peer_sends_compressed(self, data: Frames, places: list[int]) -> None:
        """The peer sends a compressed message."""
        self.peer_sends(data, places)

    @precondition(may_end)
    @rule(data=for_machine(_hostile_data))
    def peer_sends_something_hostile(self, data: AnnotatedBytes) -> None:
        """The peer sends what it may not, or nothing that makes sense here."""
        self.peer_breaks_rules(data)

    @precondition(lambda self: self.peer_speaks_frames and may_end(self))
    @rule(before=for_machine(_sendable), data=for_machine(_close))
    def peer_closes(self, before: Frames, data: Frames) -> None:
        """The peer sends messages and a close frame in one segment."""
        self.peer_sends(Frames.joined([before, data]))

    @precondition(lambda self: self.output.pings)
    @rule()
    def peer_answers_the_ping(self) -> None:
        """The peer answers the latest ping that it has read."""
        awaited = self._awaits_pong and len(self.output.pings) == self.connection.stats.pings_sent
        parsed = self.peer_is_lawful and self.peer_close is None and self.connection.state is State.OPEN
        answer = pong(self.output.pings[-1], mask=bytes(4) if self.peer_masks else None)
        if self.receives(answer) and awaited and parsed and self.connection.wants_read:
            self._awaits_pong = False
            self.check_answered_ping()

    @precondition(lambda self: self.connection.state is State.OPEN)
    @rule()
    def a_ping_is_answered_at_once(self) -> None:
        """The next deadline comes, and if it brought a ping, the peer answers it."""
        self.the_next_deadline_comes(0)
        self.writes()
        if self._awaits_pong and self.output.pings:
            self.peer_answers_the_ping()

    @precondition(may_end)
    @rule()
    def peer_ends_its_stream(self) -> None:
        """The peer ends its half of the connection."""
        self.tell("receive_eof")
        assert not self.connection.wants_read, "reads behind the end of the stream"

    @precondition(may_end)
    @rule()
    def connection_is_lost(self) -> None:
        """The network resets the connection."""
        self.tell("connection_lost")
        assert self.connection.state is State.CLOSED, "is not closed without a socket"

    # -- the clock and the transport's writing

    @rule(seconds=st.floats(0, 2))
    def time_passes(self, seconds: float) -> None:
        """Some time passes, with one wake-up at its end."""
        self.now += seconds
        self.wakes()

    @precondition(may_end)
    @rule(seconds=st.sampled_from([3.0, 40.0, 1000.0]))
    def much_time_passes(self, seconds: float) -> None:
        """The wake-up comes late."""
        self.time_passes(seconds)

    @rule(late=st.sampled_from([0, 0.001]))
    def the_next_deadline_comes(self, late: float) -> None:
        """The next deadline comes, and is handled in time or a little late."""
        deadline = self.connection.next_timeout()
        if deadline is not None:
            self.now = max(self.now, deadline + late)
            self.wakes()

    def wakes(self) -> None:
        """Look at the clock, twice: each wake-up leads on, and a repeated one changes nothing."""
        self.tell("handle_timeout")
        self._count_pings()
        following = self.connection.next_timeout()
        assert following is None or following > self.now or self.connection.work_pending, "a wake-up without progress"
        again = self.levels()
        self.tell("handle_timeout")
        assert self.levels() == again or self.connection.work_pending, "a repeated wake-up changed something"

    @rule()
    def transport_writes(self) -> None:
        """The transport takes all output, and the peer reads it."""
        self.writes()
        assert self.connection.output_size == 0, "output is left behind"
        assert self.connection.data_to_send() == b"", "output is taken twice"

    def writes(self) -> None:
        """Let the peer read what was written, and check that it had a cause."""
        self.output.receive_data(self.tell("take_output"))
        self.check_output()

    def takes(self, count: int) -> None:
        """Let the application take messages; `has_message` has to have told whether there are any."""
        for _ in range(count):
            promised = self.connection.has_message
            given = self.tell("next_message")
            assert promised or given is None, "a message that was not promised"
            if given is None:
                if promised:
                    self.check_no_message()
                break
            self.taken.append(given)

    def check_no_message(self) -> None:
        """Check a core that had promised a message, and gave none."""
        raise AssertionError("a promise of a message that was not kept")

    # -- what holds

    def levels(self) -> tuple[Any, ...]:
        """Return all that can be seen of the core without taking anything."""
        connection = self.connection
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
        )

    @abstractmethod
    def payloads(self) -> list[str | bytes]:
        """Return what the messages that were taken carry."""

    def check_output(self) -> None:
        """Check that all that was written had a cause."""
        output, connection = self.output, self.connection
        assert output.messages == self.sent[: len(output.messages)], "wrote other messages than were sent"
        assert len(output.pings) <= connection.stats.pings_sent, "wrote a ping that it did not count"
        answers = iter(self._peer_pings)
        assert all(payload in answers for payload in output.pongs), "wrote a pong that answers nothing"
        if output.close is not None:
            info = connection.close_info
            assert info is not None, "wrote a close frame without an end"
            assert info.sent is not None, "wrote a close frame that it does not tell of"
            reason = info.sent.reason.encode()
            said = b"" if info.sent.code is None else info.sent.code.to_bytes(2) + reason
            assert output.close == said, "wrote another close frame than it tells of"

    def check_answered_ping(self) -> None:
        """Check that keepalive has taken the answer to its latest ping."""
        interval, stats = self.config.ping_interval, self.connection.stats
        if interval is not None:
            assert stats.latency == self.now - self._pinged_at, "another round-trip time"
            assert self.connection.next_timeout() == self.now + interval, "the next ping is not due an interval later"

    @invariant()
    def messages_come_in_order_and_once(self) -> None:
        """What the application has taken is the beginning of what the peer has sent."""
        got, offered = self.payloads(), self.offered
        known = min(len(got), len(offered))
        assert got[:known] == offered[:known], "took other messages than were sent"
        if self.peer_is_lawful:
            connection, info = self.connection, self.connection.close_info
            assert known == len(got), "took more messages than were sent"
            assert info is None or info.cause != "violation", "finds fault with a peer that keeps the protocol"
            if connection.state is State.OPEN and connection.wants_read:
                assert connection.stats.messages_received == len(offered), "has lost a message"

    @invariant()
    def statistics_are_consistent(self) -> None:
        """Every message that was sent or taken is counted, in number and in bytes."""
        stats, got = self.connection.stats, self.payloads()
        assert stats.messages_sent == len(self.sent)
        size = sum(map(_size, self.sent))
        assert stats.bytes_sent >= size if self.fragmenting else stats.bytes_sent == size
        assert stats.messages_received >= len(got)
        assert stats.bytes_received >= sum(map(_size, got))
        self._count_pings()

    def _count_pings(self) -> None:
        sent = self.connection.stats.pings_sent
        if sent != self._pings_counted:
            self._awaits_pong = sent - self._pings_counted == 1 and self._own_pings == 0
            self._pings_counted, self._own_pings = sent, 0
            self._pinged_at = self.now

    @invariant()
    def a_deadline_is_there(self) -> None:
        """Whoever waits for something waits until a deadline, and that is as near as the configuration says."""
        config, connection = self.config, self.connection
        due, state = connection.next_timeout(), connection.state
        keepalive = config.ping_interval and max(config.ping_interval, config.ping_timeout or 0, config.close_timeout)
        bounds: dict[State, float | None] = {
            State.AWAITING_REQUEST: config.handshake_timeout,
            State.AWAITING_RESPONSE: config.handshake_timeout,
            State.READING_REFUSAL: config.handshake_timeout,
            State.AWAITING_ACCEPT: config.accept_timeout,
            State.RESPONSE_PENDING: config.accept_timeout,
            State.RESPONSE_STREAMING: config.accept_timeout,
            State.OPEN: keepalive,
            State.CLOSE_SENT: config.close_timeout,
            State.LINGERING: config.close_timeout,
        }
        bound = bounds.get(state)
        if bound is not None:
            assert due is not None, f"waits for ever in {state.name}"
            assert due <= self.now + bound, f"waits for too long in {state.name}"

    @invariant()
    def what_is_held_is_bounded(self) -> None:
        """Of a peer that sends for ever to an application that reads nothing, no more is held than the limits say."""
        config, connection = self.config, self.connection
        most = config.max_queue_size + config.max_message_size + self.largest_read + connection.output_size
        # The head is held as a request and as a scope; a pong may wait beside the output; the rest are constants.
        most += 2 * config.max_head_size + 131 + 500
        assert held_bytes(connection, apart=[config]) <= most, "holds more than its limits allow"
        if connection.state is State.OPEN:
            waiting = connection.stats.messages_received - len(self.payloads())
            assert waiting <= config.max_queue, "holds more messages than its limit allows"

    @invariant()
    def what_is_closed_is_quiet(self) -> None:
        """A closed connection reads nothing, waits for nothing and has nothing to write."""
        connection = self.connection
        if connection.state is State.CLOSED:
            assert not connection.wants_read
            assert connection.next_timeout() is None
            assert connection.output_size == 0
            assert not connection.output_full
            assert connection.data_to_send() == b""
            assert connection.closing is Closing.ABORT

    @invariant()
    def an_end_is_told_once(self) -> None:
        """`close_info` is there from the end on, and `closing` never goes back."""
        connection, levels = self.connection, list(Closing)
        info, had_ended = connection.close_info, self._has_ended
        assert (info is not None) == (connection.state in ENDING)
        assert info is not None or not had_ended, "an end is taken back"
        self._has_ended = info is not None
        if info is not None and not had_ended and info.cause == "peer" and info.received is not None:
            assert info.sent is not None, "the peer's close is not answered"
            assert info.sent.code == info.received.code, "the peer's close is answered with another code"
        assert levels.index(connection.closing) >= levels.index(self.closing), "`closing` goes back"
        assert connection.closing in (Closing.NO, Closing.ABORT) or connection.output_size == 0
        self.closing = connection.closing

    def levels_of_generation(self) -> tuple[Any, ...]:
        """Return the levels that `generation` tells of, whatever they are."""
        return (self.connection.wants_read,)

    @invariant()
    def the_generation_tells_of_every_change(self) -> None:
        """While `generation` is the same, so is every output but messages and bytes; a deadline may have moved on, and
        once the last byte was taken `closing` may say what follows.
        """
        connection = self.connection
        levels, deadline = self.levels_of_generation(), connection.next_timeout()
        taken = self._seen_output > 0 and connection.output_size == 0
        if connection.generation == self._seen_generation:
            assert levels == self._seen_levels, "a change that `generation` does not tell of"
            assert deadline is None or (self._seen_deadline is not None and deadline >= self._seen_deadline)
            assert connection.closing is self._seen_closing or taken
        self._seen_generation, self._seen_levels, self._seen_deadline = connection.generation, levels, deadline
        self._seen_closing, self._seen_output = connection.closing, connection.output_size

    # -- the end

    def teardown(self) -> None:
        """Leave it alone, with its messages taken, until the clock has closed it; then look at all of it."""
        if not hasattr(self, "connection"):
            return
        connection = self.connection
        self.writes()
        for _ in range(20):
            self.takes_all()
            self.an_end_is_told_once()
            self.writes()
            deadline = connection.next_timeout()
            if deadline is None:
                break
            self.now = max(self.now, deadline)
            self.tell("handle_timeout")
            self.an_end_is_told_once()
            self.writes()
        assert connection.state is State.CLOSED, "the clock alone does not close it"
        self.takes_all()
        self.check_end()
        if self.compares_cuts:
            self.check_cuts()

    def takes_all(self) -> None:
        """Let the application take what there is."""
        while self.connection.has_message:
            before = len(self.taken)
            self.takes(1)
            if len(self.taken) == before:
                break

    def check_end(self) -> None:
        """Check what is told of the end of a connection that is closed."""
        self.messages_come_in_order_and_once()
        info = self.connection.close_info
        assert info is not None
        if info.received is not None and self.peer_is_lawful:
            assert info.received == self.peer_close, "tells of another close frame than came"

    def check_cuts(self) -> None:
        """Check that a bare core that gets the same inputs, byte by byte, comes to the same end.

        Only the place of pongs may differ.
        """
        twin = self.make_core()
        mirror = OutputReader(masked=not self.peer_masks, extensions=self.output.extensions)
        messages: list[Any] = []
        for now, fact, details in self._facts:
            match fact:
                case "receive_data":
                    for byte in details[0]:
                        twin.receive_data(bytes([byte]), now=now)
                case "take_output":
                    mirror.receive_data(twin.data_to_send())
                case "next_message":
                    messages.append(twin.next_message(now=now))
                case _:
                    self.tell_twin(twin, fact, details, now)
        ends = twin.close_info, self.connection.close_info
        if any(end is not None and end.code == CloseCode.INVALID_DATA for end in ends):
            return  # of two faults in a message either may show, and zlib sees some only in some cuts
        ours, theirs = self.output, mirror
        assert [each for each in messages if each is not None] == self.taken, "other messages, byte by byte"
        assert ends[0] == ends[1], "another end, byte by byte"
        assert (theirs.head, theirs.messages, theirs.pings, sorted(theirs.pongs), theirs.close) == (
            ours.head,
            ours.messages,
            ours.pings,
            sorted(ours.pongs),
            ours.close,
        ), "other output, byte by byte"

    def tell_twin(self, twin: Core, fact: str, details: tuple[Any, ...], now: float) -> None:
        """Tell a bare core what was told by `tell`."""
        method = getattr(twin, fact, None)
        if method is not None:
            with contextlib.suppress(*REFUSED):
                method(*details, now=now)


def _size(message: str | bytes) -> int:
    return len(message.encode() if isinstance(message, str) else message)
