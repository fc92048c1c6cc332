"""What a transport owes its connection's core, all but the waiting.

A core says what it wants in levels: bytes, a deadline, whether to read, how TCP is to end. A transport has to look at
them after every input, and to do what has changed. Which look belongs to which input is easily forgotten, and a
forgotten one is seldom noticed: so it is written here, once, for both ends and every library.

The rules of this file: it waits for nothing by itself, and has no clock but the one it is given. What it has told its
library (*armed*, *reading*, *told*) it keeps, and compares with what the core wants; it never asks the library.

- The armed deadline is a function of the core's. A timer that fires is forgotten first, and set anew from what the core
  says then, whether that changed or not. It may be set too early, which costs one look, and never too late.
- `sync` follows every input. `receive_data` and `send` look at little of it on the way of a message, which is proven
  by `generation`: it changes whenever anything else may have.
- Bytes are written while the library takes them (`writable`), and only then does TCP end, as `closing` says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from ..client import ClientConnection
from ..closing import Closing
from ..server import ServerConnection
from .channel import Channel

__all__ = ["Driver"]

Core = TypeVar("Core", ServerConnection, ClientConnection)

# How long an application may go on without waiting, where there is always another message, or always room: 256
# messages, which are some tenths of a millisecond where they are small, and of those that take it longer, fewer.
_MESSAGES_A_LOOK: Final = 32
_LOOKS_A_TURN: Final = 8
_SECONDS_A_TURN: Final = 0.005
_COARSE: Final = 0.05  # seconds by which a loop may call early; a call that comes sooner finds nothing due


class Driver(Generic[Core]):
    """A connection's core and what its library was told: base class of a transport's connection.

    The transport calls the inputs, all from one thread, as they happen: `receive_data`, `receive_eof`, `timed_out`,
    `output_drained`, `lost`. It implements the primitives, each of which returns at once: `write`, `set_deadline`,
    `set_reading`, `shut_down_writing`, `close`, `abort`, `wake`, `wake_senders`; and `time`, a monotonic clock in
    seconds.
    """

    # Those of `ServerDriver` and `ClientDriver` among them, which have none, so that a transport's class may be one of
    # them and have another base with slots.
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
    """The clock: seconds, monotonic."""
    gone: bool
    """The socket is closed, or about to be; nothing can be read or written."""
    _limit: int  # of output; from there on senders wait
    writable: bool
    """The library takes bytes, and does not hold too many already."""

    def __init__(self, core: Core, time: Callable[[], float], channel: Channel | None = None) -> None:
        self.core = core
        self.time = time
        self.gone = False
        self.writable = True
        self._limit = core.config.max_output_size
        self._channel = channel
        self._secured = channel is None
        self._generation = -1  # the core's outputs have not been looked at
        self._armed: float | None = None  # the deadline that the library was told
        self._reading = True
        self._eof = False
        self._ending = False
        self._goodbye_said = False
        self._told = Closing.NO
        self._answering = False  # a step of the application is part of `receive_data`
        self._flush_planned = False
        self._fresh_credit = _MESSAGES_A_LOOK
        self._credit = _MESSAGES_A_LOOK  # messages that the application may take or send before `checkpoint`
        self._looks = 0  # at the clock, since the application last waited
        self._turn_began = 0.0  # or a little later: known once it is long

    # -- primitives: what a library gives, in its own idiom. None of them waits, and none raises

    write: Callable[[bytes], None]
    """Take all of the bytes; with `writable` set to False where it holds much, until `output_drained`.

    This and `wake` may be methods, or whatever a library has that can be called, since each message pays for a call.
    """

    def unsent(self) -> int:
        """Tell how many of the bytes written the peer's system has not taken, as far as can be told."""
        return 0

    def set_deadline(self, at: float | None) -> None:
        """Call `timed_out` at `at` in place of what was set before; None: not at all."""
        raise NotImplementedError

    def set_reading(self, on: bool) -> None:
        """Read, or stop reading, so that TCP slows the peer."""
        raise NotImplementedError

    def shut_down_writing(self) -> None:
        """End our half of the connection behind what was written; the other is still read."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the socket behind what was written, and call `lost`."""
        raise NotImplementedError

    def abort(self) -> None:
        """Close the socket at once, and call `lost`."""
        raise NotImplementedError

    wake: Callable[[], None]
    """Let who waits for a message look again."""

    def wake_senders(self) -> None:
        """Let who waits for room look again."""
        raise NotImplementedError

    def yield_control(self) -> Awaitable[None]:
        """Let others have their turn. The one primitive here that waits."""
        raise NotImplementedError

    def plan_flush(self) -> None:
        """Call `flush`; or set `_flush_planned` and do so soon: what is said meanwhile goes out in one piece."""
        self.flush()

    # -- inputs

    def start(self) -> None:
        """Make the world agree with a core that is new."""
        if self._channel is not None:
            self._write(self._channel.data_to_send())
        self.sync()

    def receive_data(self, data: bytes | memoryview) -> None:
        """Take bytes from the socket; what the application answers at once goes out in one write."""
        core = self.core
        if self._channel is None:
            core.receive_data(data, now=self.time())
        else:
            self._receive(self._channel, bytes(data))
        if core.has_message:
            self._answering = True
            try:
                self.wake()
            finally:
                self._answering = False
        if core.generation != self._generation:
            self._sync_state()
        if core.output_size or self._ending:
            self.flush()

    def receive_eof(self) -> None:
        """Take the end of the peer's stream."""
        self._eof = True
        if self._channel is not None:
            self._receive(self._channel, b"")
        self.core.receive_eof(now=self.time())
        self.sync()

    def output_drained(self) -> None:
        """Take the news that the library has written what it held: it takes more."""
        self.writable = True
        self.flush()
        if self.writable:
            self.wake_senders()

    def timed_out(self) -> None:
        """Take the news that the deadline has come. What had arrived by then is to be read before."""
        armed, self._armed = self._armed, None
        now = self.time()
        if armed is not None and now < armed <= now + _COARSE:
            now = armed  # a loop whose clock is coarse calls a little early (uvloop counts milliseconds)
        core = self.core
        core.report_unsent(self.unsent(), now=now)
        core.handle_timeout(now=now)
        self.sync()
        self._arm_timer()

    def lost(self, error: Exception | None = None) -> None:
        """Take the news that the socket is closed, or of no use any more. A second time is nothing new."""
        if self.gone:
            return
        self.gone = self.writable = True
        self.core.connection_lost(now=self.time(), error=error)
        if self._armed is not None:
            self._armed = None
            self.set_deadline(None)
        self.sync()
        self.wake_senders()

    # -- making the world agree with the core

    def sync(self) -> None:
        """See to all that has changed: bytes, messages, and the rest."""
        if self._answering:  # `receive_data` sees to it
            return
        core = self.core
        if core.output_size and not self._flush_planned and not self.gone:
            self.plan_flush()
        if core.generation != self._generation:
            self._sync_state()
        if core.has_message:
            self.wake()

    def flush(self) -> None:
        """Write what there is, as far as the library takes it, and then end TCP, if that is due."""
        self._flush_planned = False
        core = self.core
        if self.gone:
            return
        if core.output_size and self.writable:
            if self._channel is None:
                self.write(core.data_to_send())
            elif self._channel.ready:
                self._say(self._channel, core.data_to_send())
        closing = core.closing
        if closing is not self._told:
            self._end(closing)

    async def checkpoint(self) -> None:
        """Begin the next step of an application that has used its credit up: where its turn is over, give way.

        One that never waits, since there is always a message or always room, would have the loop to itself.
        """
        if self.turn_is_over():
            await self.yield_control()
            self.begin_turn()
        else:
            self._credit = _MESSAGES_A_LOOK

    def turn_is_over(self) -> bool:
        """Look at the clock, once in some messages, and count how often."""
        now = self.time()
        self._looks += 1
        if self._looks == 1:
            self._turn_began = now
        return self._looks >= _LOOKS_A_TURN or now - self._turn_began > _SECONDS_A_TURN

    def begin_turn(self) -> None:
        """Take note that the application has waited, and others had their turn."""
        self._credit = self._fresh_credit
        self._looks = 0

    def drain_pending_work(self) -> bool:
        """Do a turn's work on what a connection that is gone left behind; tell whether there is more.

        Nothing is waited for there any more, so that no deadline does it.
        """
        core = self.core
        if core.work_pending:
            core.handle_timeout(now=self.time())
        return core.work_pending

    def changed(self) -> None:
        """See to outputs of this end's core alone."""
        raise NotImplementedError

    def _sync_state(self) -> None:
        """See to what seldom changes."""
        core = self.core
        self._generation = core.generation
        self.changed()
        if self.gone:
            return
        if core.close_info is not None:
            self._ending = True
            if not self._secured:
                core.connection_lost(now=self.time())  # nothing can be said to a peer that TLS does not lead to
            if not self._flush_planned:
                self.plan_flush()
        reading = core.wants_read
        if reading is not self._reading and not self._eof:
            self._reading = reading
            self.set_reading(reading)
        self._arm_timer()

    def _arm_timer(self) -> None:
        """Tell the library of a deadline that is earlier than what it knows; a later one is seen to when that fires."""
        deadline = self.core.next_timeout()
        if deadline is not None and (self._armed is None or deadline < self._armed) and not self.gone:
            self._armed = deadline
            self.set_deadline(deadline)

    def _write(self, data: bytes) -> None:
        if data and not self.gone:
            self.write(data)

    def _end(self, closing: Closing) -> None:
        """End TCP as far as `closing` says."""
        if self._channel is not None and self._channel.ready and not self._goodbye_said:
            self._goodbye_said = True
            self._say(self._channel, None)
        if closing is not Closing.ABORT and (not self.writable or self.gone):
            return  # `output_drained` comes back to it
        self._told = closing
        if closing is Closing.SHUT_DOWN_WRITING:
            self.shut_down_writing()
        elif closing is Closing.CLOSE:
            self.close()
        elif closing is Closing.ABORT:  # pragma: no branch  # NO follows none of the others
            self.abort()

    # -- what lies between

    def _receive(self, channel: Channel, data: bytes) -> None:
        """Take bytes through the channel; b"" is the end of the network's."""
        if self._goodbye_said:
            return  # whatever still comes is thrown away
        core = self.core
        try:
            said = channel.receive(data)
        except OSError as error:
            self._goodbye_said = True
            self._write(channel.data_to_send())  # an alert, and nothing after it
            self.channel_failed(error)
            return
        if channel.ready and not self._secured:
            self._secured = True
            self.secured(channel)
            if core.output_size and self.writable:
                channel.send(core.data_to_send())  # in one piece with the handshake's end
        self._write(channel.data_to_send())
        if said:
            core.receive_data(said, now=self.time())
        if channel.ended:
            core.receive_eof(now=self.time())

    def _say(self, channel: Channel, data: bytes | None) -> None:
        """Say `data` through the channel, or with None that there is nothing more to say."""
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
        """Take the news that the peer can be spoken to."""

    def channel_failed(self, error: OSError) -> None:
        """Take the news that TLS, or a proxy, has failed."""
        self.core.connection_lost(now=self.time(), error=error)
