"""The last resort: once the end was asked for, the process is gone in time, whatever the application does.

The server bounds its own shutdown, but it cannot bound what does not return to the event loop: an application that
catches its cancellation, sleeps in a plain `time.sleep`, or leaves a thread behind that never ends. So the first signal
also starts a watchdog, which at the deadline prints where every thread is - the line of the application that holds
everything up - and ends the process with status 1. What it cannot help against is a main thread that never returns
from C code: there no signal is seen.

The watchdog is a thread of Python's. It has the interpreter's lock while it prints (`faulthandler.dump_traceback` keeps
it), so that no frame changes which it reads. `faulthandler.dump_traceback_later` reads them while they run, and has
crashed on one that was just being left, without a line. That one stands behind ours, a moment later, for the one case
in which ours cannot run: a thread that computes in C and lets no other have the lock. Then no frame changes either.
"""

from __future__ import annotations

import _thread
import contextlib
import faulthandler
import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from ... import ServerConfig, Shutdown

__all__ = ["SIGNALS", "Watchdog"]

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_SLACK: Final = 0.7  # seconds beyond what is waited for; 1 s is promised, and ending takes some of it
_AT_ONCE: Final = 1.0  # seconds from the second signal on
_BEHIND: Final = 1.0  # seconds that ours gets for its turn: a hundred threads that compute have had theirs by then
_STDERR: Final = 2
_HEAD: Final = b"wscore: the end took too long, and is made now, by force; this is where each thread was:\n"


class Watchdog:
    """The moment by which the process ends. Without `arm` or a signal there is none."""

    def __init__(self, config: ServerConfig, *, repeats_count: bool = True) -> None:
        """Take from `config` how long a shutdown takes; unless `repeats_count`, a second time means nothing."""
        self.seconds: Final = Shutdown.longest(config) + _SLACK
        self._repeats_count = repeats_count
        self._seen: set[int] = set()
        self._armed = False

    def arm(self) -> None:
        """Start the time; a second call has no effect."""
        if not self._armed:
            self._armed = True
            _end_in(self.seconds)

    def watch_signals(self) -> None:
        """Put a handler before those that are installed: the first signal arms, the second leaves a second's time.

        The event loop's handlers only run when the loop does, which is what may be held up.
        """
        for number in SIGNALS:
            signal.signal(number, self._before(signal.getsignal(number)))

    def _before(self, handler: Any) -> Callable[[int, FrameType | None], None]:
        def on_signal(number: int, frame: FrameType | None) -> None:
            if number in self._seen and not self._repeats_count:
                return
            self._seen.add(number)
            if self._armed:
                _end_in(min(self.seconds, _AT_ONCE))
            self.arm()
            if callable(handler):
                handler(number, frame)

        return on_signal


def _end_in(seconds: float) -> None:
    """Start the watchdogs. Called in signal handlers too."""
    faulthandler.dump_traceback_later(seconds + _BEHIND, exit=True)
    # Not `threading.Thread`, whose start takes locks that the interrupted code may hold.
    with contextlib.suppress(RuntimeError):  # the interpreter is ending already, or the system has no more threads
        _thread.start_new_thread(_end_at, (time.monotonic() + seconds,))


def _end_at(deadline: float) -> None:
    time.sleep(max(0.0, deadline - time.monotonic()))
    faulthandler.cancel_dump_traceback_later()
    try:
        os.write(_STDERR, _HEAD)
        faulthandler.dump_traceback(_STDERR)
    finally:
        os._exit(1)
