"""Everything that a transport does for its connection's core, except waiting.

A core exposes its wishes as levels: bytes, a deadline, whether to read, how to end TCP. A transport has to check them
after every input and act on changes. It is easy to forget one of these checks, and such a mistake is seldom noticed, so
they are implemented here, once, for both ends and every library.

Rules of this file: it waits for nothing itself, and uses only the clock it is given. It remembers what it has told its
library (*armed*, *reading*, *told*) and compares that with what the core wants; it never queries the library.

- The armed deadline follows the core's. When a timer fires, the deadline is cleared first and then set again from the
  core's, changed or not. It may be too early, which costs one needless call, but never too late.
- `sync` follows every input. `receive_data` and `send` skip most of it on a message's path. `generation` makes that
  safe: it changes whenever anything else may have.
- Bytes are written while the library accepts them (`writable`), and only then does TCP end, as `closing` says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from ..client import ClientConnection
from ..closing import Closing
from ..endpoint import lane_of, receive_rest
from ..server import ServerConnection
from .channel import Channel

__all__ = ["Driver"]

Core = TypeVar("Core", ServerConnection, ClientConnection)

# How long an application may run without yielding if there is always another message, or always room: 256 messages,
# some tenths of a millisecond if they are small; fewer if they take longer.
_MESSAGES_A_LOOK: Final = 32
_LOOKS_A_TURN: Final = 8
_SECONDS_A_TURN: Final = 0.005
_COARSE: Final = 0.05  # seconds by which a loop may call early; an even earlier call finds nothing due


class Driver(Generic[Core]):
    """Base class of a transport's connection: a core, and the state that its library was given.

    The transport calls the inputs as they happen, all from one thread: `receive_data`, `receive_eof`, `timed_out`,
    `output_drained`, `lost`. It implements the primitives, each of which returns at once: `write`, `set_deadline`,
    `set_reading`, `shut_down_writing`, `close`, `abort`, `wake`, `wake_senders`; and `time`, a monotonic clock in
    seconds.
    """

    # Includes the slots of `ServerDriver` and `ClientDriver`, which have none themselves: a transport's class may
    # inherit from one of them and from another base with slots.
    __slots__ = (
        "_answering",
        "_application_over",
        "_armed",
        "_channel",
        "_credit",
        "_ending",
        "_eof",
        "_flush_planned",
        "_fresh_credit",
        "_generation",
        "_goodbye_said",
        "_lane",
        "_limit",
        "_looks",
        "_reading",
        "_secured",
        "_started",
        "_told",
        "_turn_began",
        "core",
        "failure",
        "gone",
        "pongs",
        "time",
        "writable",
    )

    core: Core
    time: Callable[[], float]
    """The clock: monotonic seconds."""
    gone: bool
    """Whether the socket is closed, or about to be; nothing can be read or written."""
    _limit: int  # bytes of output from which senders wait
    writable: bool
    """Whether the library accepts bytes, its buffer being below the high-water mark."""

    def __init__(self, core: Core, time: Callable[[], float], channel: Channel | None = None) -> None:
        self.core = core
        self._lane = lane_of(core)
        self.time = time
        self.gone = False
        self.writable = True
        self._limit = core.config.max_output_size
        self._channel = channel
        self._secured = channel is None
        self._generation = -1  # the core's outputs have not been checked
        self._armed: float | None = None  # the deadline given to the library
        self._reading = True
        self._eof = False
        self._ending = False
        self._goodbye_said = False
        self._told = Closing.NO
        self._answering = False  # the application runs a step inside `receive_data`
        self._flush_planned = False
        self._fresh_credit = _MESSAGES_A_LOOK
        self._credit = _MESSAGES_A_LOOK  # messages that the application may take or send before `checkpoint`
        self._looks = 0  # at the clock, since the application last waited
        self._turn_began = 0.0  # time of the first of these looks

    # -- primitives, implemented with the library's own means. None of them raises, and all but `yield_control` return
    # at once

    write: Callable[[bytes], None]
    """Accept all of the bytes; if too many are now buffered, set `writable` to False until `output_drained`.

    This and `wake` may be methods or any callable of the library, since each message pays for a call.
    """

    def broken(self) -> bool:
        """Return whether the library has found the socket dead and not called `lost` yet: it takes no more bytes."""
        return False

    def unsent(self) -> int:
        """Return how many of the written bytes the peer's operating system has not received, as far as is known."""
        return 0

    def set_deadline(self, at: float | None) -> None:
        """Schedule `timed_out` for the time `at`, in place of any earlier schedule; None cancels it."""
        raise NotImplementedError

    def set_reading(self, on: bool) -> None:
        """Start or stop reading; while stopped, TCP's flow control slows the peer."""
        raise NotImplementedError

    def shut_down_writing(self) -> None:
        """Shut down our half of the connection after flushing written bytes; the other half is still read."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the socket after flushing written bytes, and call `lost`."""
        raise NotImplementedError

    def abort(self) -> None:
        """Close the socket at once, and call `lost`."""
        raise NotImplementedError

    wake: Callable[[], None]
    """Wake the tasks that wait for a message."""

    def wake_senders(self) -> None:
        """Wake the tasks that wait for room."""
        raise NotImplementedError

    def yield_control(self) -> Awaitable[None]:
        """Yield to the event loop. The only primitive here that waits."""
        raise NotImplementedError

    def plan_flush(self) -> None:
        """Call `flush`; or set `_flush_planned` and call it soon, to write everything sent until then in one piece."""
        self.flush()

    # -- inputs

    def start(self) -> None:
        """Act on the initial outputs of a new core."""
        if self._channel is not None:
            self._write(self._channel.data_to_send())
        self.sync()

    def receive_data(self, data: bytes | memoryview) -> None:
        """Process bytes from the socket; what the application answers immediately goes out in one write."""
        core, lane = self.core, self._lane
        if self._channel is None:
            self._hand_over(data)
        else:
            self._receive(self._channel, bytes(data))
        if lane.count or core.has_message:
            self._answering = True
            try:
                self.wake()
            finally:
                self._answering = False
        if core.generation != self._generation:
            self._sync_state()
        if lane.output_size or self._ending:
            self.flush()

    def receive_eof(self) -> None:
        """Process the end of the peer's stream (EOF)."""
        self._eof = True
        if self._channel is not None:
            self._receive(self._channel, b"")
        self.core.receive_eof(now=self.time())
        self.sync()

    def output_drained(self) -> None:
        """Call when the library has written its buffer and accepts more bytes."""
        self.writable = True
        self.flush()
        if self.writable:
            self.wake_senders()

    def timed_out(self) -> None:
        """Call when the deadline has passed, after reading the data that has arrived by then."""
        armed, self._armed = self._armed, None
        now = self.time()
        if armed is not None and now < armed <= now + _COARSE:
            now = armed  # a loop with a coarse clock calls a little early (uvloop counts milliseconds)
        core = self.core
        core.report_unsent(self.unsent(), now=now)
        core.handle_timeout(now=now)
        self.sync()
        self._arm_timer()

    def lost(self, error: Exception | None = None) -> None:
        """Call when the socket is closed or unusable. Idempotent.

        Args:
            error: Why, if the library reported an exception.
        """
        if self.gone:
            return
        self.gone = self.writable = True
        self.core.connection_lost(now=self.time(), error=error)
        if self._armed is not None:
            self._armed = None
            self.set_deadline(None)
        self.sync()
        self.wake_senders()

    # -- acting on the core's outputs

    def sync(self) -> None:
        """Act on everything that has changed: bytes, messages and state."""
        if self._answering:  # `receive_data` does it
            return
        core = self.core
        if core.output_size and not self._flush_planned and not self.gone:
            self.plan_flush()
        if core.generation != self._generation:
            self._sync_state()
        if core.has_message:
            self.wake()

    def flush(self) -> None:
        """Write output as far as the library accepts it, and then end TCP, if that is due."""
        self._flush_planned = False
        lane = self._lane
        if self.gone:
            return
        if lane.output_size and self.writable:
            if self.broken():
                self.writable = False  # whoever sends waits until `lost` says how it ended
            elif self._channel is None:
                self.write(lane.output() if lane.open else self.core.data_to_send())
            elif self._channel.ready:
                self._say(self._channel, self.core.data_to_send())
        if not lane.open:
            closing = self.core.closing
            if closing is not self._told:
                self._end(closing)

    async def checkpoint(self) -> None:
        """Renew an application's used-up credit, yielding to the event loop first if its turn is over.

        An application that never waits, because there is always a message or always room, would starve the loop.
        """
        if self.turn_is_over():
            await self.yield_control()
            self.begin_turn()
        else:
            self._credit = _MESSAGES_A_LOOK

    def turn_is_over(self) -> bool:
        """Return whether the application should yield. Called once per credit of messages; counts its calls."""
        now = self.time()
        self._looks += 1
        if self._looks == 1:
            self._turn_began = now
        return self._looks >= _LOOKS_A_TURN or now - self._turn_began > _SECONDS_A_TURN

    def begin_turn(self) -> None:
        """Start a new turn: the application has yielded to the event loop."""
        self._credit = self._fresh_credit
        self._looks = 0

    def drain_pending_work(self) -> bool:
        """Do a turn's work on the unparsed input of a connection that is gone, where no deadline triggers it.

        Returns:
            Whether there is more.
        """
        core = self.core
        if core.work_pending:
            core.handle_timeout(now=self.time())
        return core.work_pending

    def changed(self) -> None:
        """Act on outputs that only this end's core has."""
        raise NotImplementedError

    def _sync_state(self) -> None:
        """Act on outputs that seldom change."""
        core = self.core
        self._generation = core.generation
        self.changed()
        if self.gone:
            return
        if core.close_info is not None:
            self._ending = True
            if not self._secured:
                core.connection_lost(now=self.time())  # without a finished TLS handshake the peer cannot be reached
            if not self._flush_planned:
                self.plan_flush()
        reading = core.wants_read
        if reading is not self._reading and not self._eof:
            self._reading = reading
            self.set_reading(reading)
        self._arm_timer()

    def _arm_timer(self) -> None:
        """Arm the core's deadline if it is earlier than the armed one; a later one is armed when that fires."""
        deadline = self.core.next_timeout()
        if deadline is not None and (self._armed is None or deadline < self._armed) and not self.gone:
            self._armed = deadline
            self.set_deadline(deadline)

    def _hand_over(self, data: bytes | memoryview) -> None:
        """Give the core what the peer has sent: messages by the lane while it is open, all else by the table."""
        lane = self._lane
        if not lane.open:
            self.core.receive_data(data, now=self.time())
        elif (rest := lane.take(data)) is not None:
            receive_rest(self.core, rest, now=self.time())

    def _write(self, data: bytes) -> None:
        if data and not self.gone and not self.broken():
            self.write(data)

    def _end(self, closing: Closing) -> None:
        """End TCP as far as `closing` says."""
        if self._channel is not None and self._channel.ready and not self._goodbye_said:
            self._goodbye_said = True
            self._say(self._channel, None)
        if closing is not Closing.ABORT and (not self.writable or self.gone):
            return  # `output_drained` retries
        self._told = closing
        if closing is Closing.SHUT_DOWN_WRITING:
            self.shut_down_writing()
        elif closing is Closing.CLOSE:
            self.close()
        elif closing is Closing.ABORT:  # pragma: no branch  # NO follows none of the others
            self.abort()

    # -- the channel: TLS, a proxy

    def _receive(self, channel: Channel, data: bytes) -> None:
        """Process bytes through the channel; b"" is the end of the stream."""
        if self._goodbye_said:
            return  # later input is discarded
        core = self.core
        try:
            said = channel.receive(data)
        except OSError as error:
            self._goodbye_said = True
            self._write(channel.data_to_send())  # an alert, the last bytes we send
            self.channel_failed(error)
            return
        if channel.ready and not self._secured:
            self._secured = True
            self.secured(channel)
            if core.output_size and self.writable:
                channel.send(core.data_to_send())  # in one piece with the end of the handshake
        self._write(channel.data_to_send())
        if said:
            self._hand_over(said)
        if channel.ended:
            core.receive_eof(now=self.time())

    def _say(self, channel: Channel, data: bytes | None) -> None:
        """Send `data` through the channel; None sends its end."""
        try:
            if data is None:
                channel.close()
            else:
                channel.send(data)
        except OSError as error:
            self._goodbye_said = True
            self.channel_failed(error)
        self._write(channel.data_to_send())

    def secured(self, channel: Channel) -> None:
        """Handle the channel's becoming ready for application data."""

    def channel_failed(self, error: OSError) -> None:
        """Handle a failure of TLS or a proxy."""
        self.core.connection_lost(now=self.time(), error=error)
