"""The last resort: once the end was asked for, the process is gone in time, whatever the application does.

The server bounds its own shutdown, but it cannot bound what does not return to the event loop: an application that
catches its cancellation, sleeps in a plain `time.sleep`, or leaves a thread behind that never ends. So the first signal
also starts the interpreter's watchdog (`faulthandler`, a thread in C that needs no lock of Python's), which at the
deadline prints where every thread is - the line of the application that holds everything up - and ends the process
with status 1. What it cannot help against is a main thread that never returns from C code: there no signal is seen.
"""

from __future__ import annotations

import faulthandler
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from .. import Config, Shutdown

__all__ = ["SIGNALS", "Deadline"]

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_SLACK: Final = 0.7  # seconds beyond what is waited for; 1 s is promised, and ending takes some of it
_AT_ONCE: Final = 1.0  # seconds from the second signal on


class Deadline:
    """The moment by which the process ends. Without `arm` or a signal there is none."""

    def __init__(self, config: Config, *, repeats_count: bool = True) -> None:
        """Take from `config` how long a shutdown takes; unless `repeats_count`, a second time means nothing."""
        self.seconds: Final = Shutdown.longest(config) + _SLACK
        self._repeats_count = repeats_count
        self._seen: set[int] = set()
        self._armed = False

    def arm(self) -> None:
        """Start the time; a second call has no effect."""
        if not self._armed:
            self._armed = True
            faulthandler.dump_traceback_later(self.seconds, exit=True)

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
                faulthandler.dump_traceback_later(min(self.seconds, _AT_ONCE), exit=True)
            self.arm()
            if callable(handler):
                handler(number, frame)

        return on_signal
