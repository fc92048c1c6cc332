"""What servers and clients share: reading messages, answering pings, handling the peer's end, collecting output.

Rule of this file: it knows no handshake and no role. `ServerConnection` and `ClientConnection` are subclasses of
`Endpoint`, each with its own table, which `_process` follows; the subclass decides what to feed and performs the
effects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Generic, TypeVar

from .access import Stats
from .close import Close
from .closing import Closing
from .config import Config
from .frames.codec import FrameCodec, More, Ping, Pong, ProtocolViolation
from .keepalive import Keepalive
from .lane import MESSAGES_A_TURN, Lane
from .lifecycle import CLOSE_SENT, CLOSED, LINGERING, OPEN, Effect, State, Step, Timer, Trigger
from .outgoing import payload_size
from .termination import LOST, CloseInfo, Termination, lost, peer_closed, violated, was_presumed
from .timers import Timers

__all__ = ["Endpoint", "lane_of", "read_on", "receive_rest"]

Codec = TypeVar("Codec", bound=FrameCodec)

_ENDING: Final = frozenset({State.CLOSE_SENT, State.LINGERING, State.CLOSED})
_READING_FRAMES: Final = frozenset({State.OPEN, State.CLOSE_SENT})


class Endpoint(Generic[Codec]):
    """One end of a connection: abstract base of `ServerConnection` and `ClientConnection`."""

    __slots__ = (
        "__weakref__",
        "_close_received",
        "_close_sent",
        "_codec",
        "_deferred",
        "_discards",
        "_eof",
        "_half_close",
        "_in_hand",
        "_input_over",
        "_keepalive",
        "_lane",
        "_loss",
        "_pending_since",
        "_ping",
        "_state",
        "_termination",
        "_timers",
        "config",
        "generation",
        "stats",
    )

    config: Config
    stats: Stats
    generation: int
    """Changes whenever an output other than messages and bytes may have changed: while it is the same, a transport
    need not look at those outputs again."""

    def __init__(self, config: Config, state: State, now: float, *, masked: bool, half_close: bool) -> None:
        """Begin in `state`; `masked` says whether the peer masks its frames."""
        self.config = config
        self._half_close = half_close
        self.stats = Stats()
        self.generation = 0
        self._state = state
        self._timers = Timers(config)
        self._lane = Lane(config, self.stats, masked=masked)
        self._keepalive = Keepalive(self._timers, self.stats, self._lane)
        self._ping = (b"", b"")  # keepalive's payload on the wire, and its counter
        self._codec: Codec | None = None
        self._pending_since: float | None = None  # since when the rest of the input waits for another turn
        self._in_hand = False  # while work is pending: the application has a message that came before that rest
        self._discards = False  # our close frame is out: messages are discarded
        # the end
        self._eof = False
        self._input_over = False  # a close frame or a violation was parsed: the rest is ignored
        self._deferred: tuple[Trigger, Termination] | None = None
        self._termination: Termination | None = None
        self._loss: BaseException | None = None  # why the connection was lost, if that ended it
        self._close_sent: Close | None = None
        self._close_received: Close | None = None
        self._timers.enter(state, now)

    # -- for the subclasses to implement

    _TABLE: ClassVar[Mapping[State, Mapping[Trigger, Step]]]
    """The subclass's transitions."""
    _TIMED_OUT: ClassVar[Mapping[Timer, Termination]]
    """How the connection ends when a timer expires; timers not listed end nothing."""

    def _perform(self, effect: Effect, payload: Any, now: float) -> None:
        """Perform an effect of a step; `payload` is what its trigger carries."""
        raise NotImplementedError

    def _settled_end(self, end: Termination | None) -> Termination | None:
        """Return how the connection really ends, for a step that would end it with `end`."""
        return end

    def _finish(self, now: float) -> None:
        """Release everything that only a live connection needs."""
        raise NotImplementedError

    def _ended_error(self, end: Termination) -> Exception:
        """Make the error for an application that uses the connection after `end`."""
        raise NotImplementedError

    def _take_pong(self, payload: bytes, now: float) -> None:
        """Process a pong, solicited or not, on an open connection."""
        raise NotImplementedError

    def _process_eof(self, now: float, *, answering: bool = False) -> None:
        """Process the end of the peer's stream, once all input before it was parsed or is held by a full queue."""
        raise NotImplementedError

    def _end_corrected(self, end: Termination) -> None:
        """Report that `end` is the real end of a connection whose end was only presumed so far."""

    # -- the machine

    def _changes(self) -> None:
        """Begin to change an output other than messages and bytes: until `_steer`, messages go by the table."""
        self.generation += 1
        self._lane.open = False

    def _steer(self) -> None:
        """Open the lane if the table has nothing to decide about whole plain messages."""
        codec = self._codec
        self._lane.open = (
            self._state is OPEN
            and codec is not None
            and codec.plain
            and self._pending_since is None
            and self._deferred is None
            and not self._keepalive.awaits_pong
            and not self._lane.connect_waits
        )

    def _process(self, trigger: Trigger, now: float, end: Termination | None = None, *, payload: Any = None) -> None:
        """Follow the table: change the state, start and stop timers, perform the effects in order.

        `end` is how the connection ends if this step ends it; the first end stays.
        """
        step = self._TABLE[self._state].get(trigger)
        if step is None:
            return
        self._changes()
        if self._termination is None and step.state in _ENDING:
            self._termination = self._settled_end(end)
        if step.state is not self._state:
            self._state = step.state
            self._timers.enter(step.state, now)
        for effect in step.effects:
            self._perform(effect, payload, now)
        if step.state is CLOSED:
            self._finish(now)

    def handle_timeout(self, *, now: float) -> None:
        """Process expired timers and pending work.

        Early, late or repeated calls are harmless. Read `next_timeout` afterwards.
        """
        if self._pending_since is not None:
            self._resume_work(now)
        while (timer := self._timers.take_expired(now)) is not None:
            if not self._excuse(timer, now):
                self._process(timer.value, now, self._TIMED_OUT.get(timer))
                self._hurry(timer, now)

    def check_delivery(self) -> None:
        """Raise if data accepted by `send` can no longer be delivered; call after waiting for the output to drain.

        Raises:
            ClientDisconnected: On a server's connection.
            ConnectionClosed: On a client's connection.
        """
        end = self._termination
        if self._state is CLOSED and end is not None and end.cause != "application":
            raise self._ended_error(end)

    # -- the network

    def receive_eof(self, *, now: float) -> None:
        """Process the end of the peer's stream (EOF). Idempotent."""
        if self._eof:
            return
        self._changes()
        self._eof = True
        if self._deferred is None and not self._input_over and self._pending_since is None:
            self._process_eof(now)

    def connection_lost(self, *, now: float, error: BaseException | None = None) -> None:
        """Call when the socket is gone, for whatever reason. Idempotent.

        Unlike an end of stream, a loss does not wait behind messages, but those can still be read. So can input held
        back by a full receive queue or by the end of a turn; if it contains a close frame, that is how the connection
        ended (RFC 6455 7.1.5).

        Args:
            now: The caller's clock, in seconds.
            error: The exception that the transport got. If the loss is what ended the connection, it appears in the
                reason and is the `__cause__` of what the application's next call raises.
        """
        if self._eof_is_owed:
            self._process_eof(now)
        self._eof = True
        self._apply_deferred(now)
        ended = self._termination is not None
        self._process(Trigger.TRANSPORT_LOST, now, LOST if error is None else lost(error))
        if error is not None and not ended and self._termination is not None and self._termination.cause == "transport":
            # Its traceback would keep the transport's stack frames alive, and those the connection.
            self._loss = error.with_traceback(None)

    def report_unsent(self, size: int, *, now: float) -> None:
        """Report how many bytes from `data_to_send` the peer's operating system has not received yet.

        Progress counts as activity, so a slow transfer is not cut off while it advances. Call before `handle_timeout`;
        if it is never called, everything counts as received.

        Args:
            size: Bytes that the transport still holds, plus, where the operating system reports them, bytes not yet
                acknowledged.
            now: The caller's clock, in seconds.
        """
        self._keepalive.unsent(size, now)

    # -- outputs: levels, to be read after any input, in any order

    def data_to_send(self) -> bytes:
        """Take the bytes to write, b"" if there are none. Write them in order, from one writer."""
        return self._lane.output()

    @property
    def output_size(self) -> int:
        """The number of bytes that `data_to_send` would return."""
        return self._lane.output_size

    @property
    def output_full(self) -> bool:
        """Whether `max_output_size` is reached: senders should wait until some output was taken and written."""
        return self._lane.output_size >= self._lane.output_limit

    @property
    def closing(self) -> Closing:
        """What to do about the TCP connection; `NO` while output waits, which is written first.

        With `half_close`, only the writing side is shut down and the peer's end is awaited: an operating system that
        closes a socket with unread input resets the connection, and the reset overtakes our last bytes (T15).
        """
        state = self._state
        if state is CLOSED:
            return _ABORT
        if state is not LINGERING or self._lane.output_size or self._awaits_peers_close:
            return _NO
        return _CLOSE if self._eof or not self._half_close else _SHUT_DOWN_WRITING

    @property
    def _awaits_peers_close(self) -> bool:
        """Whether the peer should end the TCP connection first."""
        return False

    def next_timeout(self) -> float | None:
        """Return when to call `handle_timeout`, in the caller's clock; None while no timer runs."""
        behind, timer = self._pending_since, self._timers.next
        if behind is None or self._state is CLOSED:  # after a loss the rest is parsed on demand
            return timer
        return behind if timer is None else min(behind, timer)

    @property
    def work_pending(self) -> bool:
        """Whether input is left unparsed because one turn's work, bounded in fairness to other connections, is done.

        Meanwhile `wants_read` is False and `next_timeout` is due: `handle_timeout` does another turn's work. A lost
        connection has no deadline: there `next_message` does all that `handle_timeout` has not done.
        """
        return self._pending_since is not None

    @property
    def state(self) -> State:
        """The connection's state."""
        return self._state

    @property
    def close_info(self) -> CloseInfo | None:
        """How the connection ended; None before it has."""
        end = self._termination
        if end is None:
            return None
        return CloseInfo(end.cause, int(end.code), end.reason, self._close_sent, self._close_received)

    # -- frames

    def _take_frames(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """Process bytes after the handshake: a read, or what the lane has left of it."""
        if self._keepalive.awaits_pong:
            self._keepalive.on_activity(now)
        if not self._input_over and self._state in _READING_FRAMES:
            assert self._codec is not None
            self._codec.receive_data(data)
            if not self._lane.paused:
                self._parse(now)
            if self._codec.has_pending:
                self._codec.retain()
            if not self._lane.open:
                self._steer()

    def _parse(self, now: float, *, answering: bool = False) -> None:
        """Parse what the codec holds into messages and answers, until it needs more bytes, the receive queue is full,
        or a turn's work is done.

        While the application is `answering` a message that came before those bytes, a peer's end waits until it asks
        for the next message (F32).
        """
        codec, queue = self._codec, self._lane
        assert codec is not None
        begun = False
        left, queue.run = MESSAGES_A_TURN - queue.run, 0
        while not self._input_over:
            keeping = not self._discards
            if keeping:
                if queue.full:
                    self._pause()
                    return
                room = queue.free_count
                messages, size = codec.messages(room if room < left else left, queue.free_size)
                if messages:
                    self._keep(messages, size)
                    if queue.full:
                        continue
                if not codec.has_pending:
                    return
                left -= len(messages)
                if left <= 0:
                    self._defer_work(now, answering=answering)
                    return
            if not begun:
                begun = True
                codec.begin_turn()
            event = codec.next_event()
            if isinstance(event, (str, bytes)):
                if keeping:
                    self._keep([event], payload_size(event))
            elif event is None:
                return
            elif isinstance(event, More):
                self._defer_work(now, answering=answering)
                return
            else:
                self._take(event, now, answering=answering)

    def _defer_work(self, now: float, *, answering: bool) -> None:
        """Leave the rest of the input for another turn."""
        self._changes()
        self._lane.paused, self._pending_since = True, now
        self._in_hand = answering

    def _resume_work(self, now: float) -> None:
        """Do another turn's work; when it was the last, process what waited for it."""
        self._changes()
        self._lane.paused, self._pending_since = False, None
        self._parse(now, answering=self._in_hand)
        if self._pending_since is None:
            if self._eof_is_owed:
                self._process_eof(now, answering=self._in_hand)
            if self._state is CLOSE_SENT:
                self._apply_deferred(now)

    def _before_next_message(self, now: float) -> None:
        """Prepare a call of `next_message`: the disconnect must not overtake messages that are not parsed yet."""
        if self._termination is not None and self._state is not CLOSE_SENT:
            while self._pending_since is not None and not self._lane.count:
                self._resume_work(now)
        self._in_hand = self._lane.count > 0

    def _keepalive_ping(self, now: float, random: Callable[[int], bytes] | None) -> bytes:
        """Start waiting for keepalive's pong, and return the ping's payload.

        With `random` the payload is unpredictable, so a peer cannot answer before the ping arrives: an early pong would
        count as activity, and as a short round trip.
        """
        counted = self._keepalive.ping(now)
        self._ping = (counted if random is None else random(8), counted)
        return self._ping[0]

    def _keepalive_pong(self, payload: bytes, now: float) -> bool:
        """Process a pong; False if it is not keepalive's, or no longer awaited."""
        sent, counted = self._ping
        return payload == sent and self._keepalive.pong(counted, now)

    def _take(self, event: Ping | Pong | Close | ProtocolViolation, now: float, *, answering: bool) -> None:
        """Process an event that is not a message."""
        match event:
            case Ping(payload):
                if self._state is OPEN:  # nothing follows our close frame (I4)
                    assert self._codec is not None
                    self._lane.write_pong(self._codec.pong(payload))
            case Pong(payload):
                if self._state is OPEN:
                    self._take_pong(payload, now)
            case Close():
                self._input_over = True
                self._close_received = event
                self._defer_or_apply(Trigger.PEER_CLOSE, peer_closed(event), now, answering=answering)
            case ProtocolViolation():  # pragma: no branch  # the last of the codec's events
                self._input_over = True
                self._defer_or_apply(Trigger.PEER_VIOLATION, violated(event), now, answering=answering)

    def _keep(self, messages: list[str | bytes], size: int) -> None:
        self._lane.put(messages, size)

    def _pause(self) -> None:
        self._changes()
        self._lane.paused = True

    def _read_on(self, now: float) -> None:
        self._resume(now)
        self._steer()

    def _resume(self, now: float) -> None:
        self._changes()
        self._lane.paused = False
        if self._state is OPEN:
            self._keepalive.resume(now)
        self._parse(now, answering=True)

    def _excuse(self, timer: Timer, now: float) -> bool:
        """Return whether to ignore the expiry of `timer`: no pong can be read while reading is paused.

        While work is pending, the timer restarts: a pong may be in the unparsed input, and a deferred end may count its
        wait for the application only once every message is available.
        """
        if self._pending_since is not None and (timer is Timer.PONG or timer is Timer.DEFERRED):
            return self._timers.start(timer, now)
        return timer is Timer.PONG and self._lane.paused and self._keepalive.excused(now)

    def _hurry(self, timer: Timer, now: float) -> None:
        """Shorten the wait for the end of stream of a peer that has not answered a ping: it is most likely gone.

        If it is still there, one second covers a round trip on a bad line.
        """
        if timer is Timer.PONG and self._state is State.LINGERING:
            self._timers.shorten(Timer.CLOSE, now + 1.0)

    # -- ends

    @property
    def _eof_is_owed(self) -> bool:
        """Whether an end of stream has come but is not processed yet, because input before it is not parsed."""
        reading = self._state in _READING_FRAMES and not self._input_over
        return self._eof and reading and self._deferred is None

    def _defer_or_apply(self, trigger: Trigger, end: Termination, now: float, *, answering: bool = False) -> None:
        """Feed a peer's close, violation or end of stream, now or once the messages before it were taken (F32)."""
        if trigger is not Trigger.PEER_EOF and self._termination is not None and was_presumed(self._termination):
            # Parsed only now because a full queue had held it back, but it came first: correct what is reported.
            self._termination, self._loss = end, None
            self._end_corrected(end)
            return
        behind_messages = self._lane.count > 0 or self._lane.paused or answering
        if self._state is OPEN and behind_messages:
            self._changes()
            self._deferred = (trigger, end)  # on a paused connection, a close frame replaces an end of stream
            self._keepalive.stop()
            if not self._timers.running(Timer.DEFERRED):
                self._timers.start(Timer.DEFERRED, now)
        else:
            self._deferred = None
            self._process(trigger, now, end)

    def _apply_deferred(self, now: float) -> None:
        """Feed the peer's end that waited behind its messages, if there is one."""
        if self._deferred is not None:
            (trigger, end), self._deferred = self._deferred, None
            self._timers.stop(Timer.DEFERRED)
            self._process(trigger, now, end)

    def _after_our_close(self, now: float) -> None:
        """After sending our close frame first, look for the peer's in the unparsed input and process a deferred end."""
        if self._state is CLOSE_SENT:
            self._discards = True
            self._resume_work(now)

    def _write_close(self) -> None:
        """Write the close frame of the connection's end."""
        end, output = self._termination, self._lane
        assert end is not None
        assert end.frame is not None
        assert self._codec is not None
        output.write_late_pong()  # a ping that came before the close is answered before it (F23)
        self._close_sent = end.frame
        output.write(self._codec.close(end.frame))


# What a driver uses beside the public methods: it goes past the table where `Lane` may.


def lane_of(connection: Endpoint[Any]) -> Lane:
    """Return a connection's lane."""
    return connection._lane  # pyright: ignore[reportPrivateUsage]


def receive_rest(connection: Endpoint[Any], data: bytes | memoryview, *, now: float) -> None:
    """Process what `Lane.take` has left of a read, in the same turn."""
    connection._take_frames(data, now)  # pyright: ignore[reportPrivateUsage]


def read_on(connection: Endpoint[Any], *, now: float) -> None:
    """Go on reading where `Lane.receive` has made room."""
    connection._read_on(now)  # pyright: ignore[reportPrivateUsage]


# For checks made on every message: looking up an enum member takes Python 3.11 as long as unmasking a word.
_NO: Final = Closing.NO
_SHUT_DOWN_WRITING: Final = Closing.SHUT_DOWN_WRITING
_CLOSE: Final = Closing.CLOSE
_ABORT: Final = Closing.ABORT
