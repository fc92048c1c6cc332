"""Bounds the duration of a shutdown: after the deadline the process is terminated, whatever the application does.

The server bounds its own shutdown, but not code that does not return to the event loop: an application that swallows
its cancellation or blocks in `time.sleep`, or a thread that never ends. So the first signal also starts a watchdog. At
the deadline it prints where every thread is, which shows the line that blocks, and exits with status 1. It cannot help
if the main thread never returns from C code, because then no signal is handled.

The watchdog is a Python thread. `faulthandler.dump_traceback` keeps the GIL while it prints, so the frames it reads do
not change. `faulthandler.dump_traceback_later` reads frames of running threads, and has crashed without output on one
that was just returning. It is armed as well, for a moment later, and only for the case in which our thread cannot run:
a thread that computes in C without releasing the GIL. Then no frame changes either.
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

_SLACK: Final = 0.7  # seconds beyond the shutdown's own limit; 1 s is promised, and exiting takes part of it
_AT_ONCE: Final = 1.0  # seconds after the second signal
_BEHIND: Final = 1.0  # seconds for our thread to get the GIL: enough even with a hundred computing threads
_STDERR: Final = 2
_HEAD: Final = b"wscore: the end took too long, and is made now, by force; this is where each thread was:\n"


class Watchdog:
    """The deadline for the process to exit. There is none before `arm` or a signal."""

    def __init__(self, config: ServerConfig, *, repeats_count: bool = True) -> None:
        """Derive the deadline from `config`. Without `repeats_count`, a repeated signal is ignored."""
        self.seconds: Final = Shutdown.longest(config) + _SLACK
        self._repeats_count = repeats_count
        self._seen: set[int] = set()
        self._armed = False

    def arm(self) -> None:
        """Start the countdown. Idempotent."""
        if not self._armed:
            self._armed = True
            _end_in(self.seconds)

    def watch_signals(self) -> None:
        """Wrap the installed signal handlers: the first signal arms, the second leaves 1 s.

        The event loop's own handlers run only in the event loop, which may be blocked.
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
    """Start both watchdogs. Also called from signal handlers."""
    faulthandler.dump_traceback_later(seconds + _BEHIND, exit=True)
    # Not `threading.Thread`: its start takes locks that the interrupted code may hold.
    with contextlib.suppress(RuntimeError):  # the interpreter is exiting, or the system is out of threads
        _thread.start_new_thread(_end_at, (time.monotonic() + seconds,))


def _end_at(deadline: float) -> None:
    time.sleep(max(0.0, deadline - time.monotonic()))
    faulthandler.cancel_dump_traceback_later()
    try:
        os.write(_STDERR, _HEAD)
        faulthandler.dump_traceback(_STDERR)
    finally:
        os._exit(1)
