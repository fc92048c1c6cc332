"""When a shutdown is over: who is asked to end, cancelled, and cut off, and when; a machine without a clock.

    SERVING -begin-> ASKING -grace over-> CANCELLING -close timeout over-> STOPPING -> OVER
                        \\----------- all connections gone -------------/

A server tells it what happens and does what `acts` gives. Each step is taken at most once, however often it is told.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from .config import ServerConfig

__all__ = ["LIFESPAN_SHARE", "Shutdown", "ShutdownAction"]

LIFESPAN_SHARE: Final = 1.0
"""Seconds that the lifespan's shutdown has at least, however long the connections took: an application that flushes
what it holds must not lose it because a client was slow. Long enough to write a file or to close a pool; short, since
it comes on top of grace and close timeout, and container runtimes kill."""


class ShutdownAction(Enum):
    """What a server has to do."""

    ASK = "accept no more, and ask every connection to end"
    CANCEL = "cancel every connection's application"
    ABORT = "close every connection's socket at once, and cancel its application"
    STOP_LIFESPAN = "ask the application's lifespan to shut down"
    GIVE_UP_LIFESPAN = "say that the lifespan's shutdown took too long"
    END = "cancel whatever still runs, the lifespan's task among it: the server is over"


class _Phase(Enum):
    SERVING = "nothing has begun"
    ASKING = "connections end, applications have their grace"
    CANCELLING = "applications are cancelled, sockets have the close timeout"
    STOPPING = "no connection is left; the lifespan's shutdown is awaited"
    OVER = "nothing is left to do"


class Shutdown:
    """The end of one server. After any input do what `acts` gives, until `over`."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._phase = _Phase.SERVING
        self._deadline: float | None = None
        self._last = 0.0  # for connections
        self._acts: list[ShutdownAction] = []

    @staticmethod
    def longest(config: ServerConfig) -> float:
        """Say how many seconds a shutdown takes at most, if its event loop is not held up."""
        return config.shutdown_grace + config.close_timeout + LIFESPAN_SHARE

    @property
    def begun(self) -> bool:
        """The server is to end, or has ended."""
        return self._phase is not _Phase.SERVING

    @property
    def over(self) -> bool:
        """Nothing is awaited any more."""
        return self._phase is _Phase.OVER

    def acts(self) -> list[ShutdownAction]:
        """Give what is to be done now, in order, each once."""
        acts, self._acts = self._acts, []
        return acts

    def next_timeout(self) -> float | None:
        """When to call `handle_timeout`; None while nothing is bounded."""
        return self._deadline

    def begin(self, now: float) -> None:
        """Begin the graceful end. No effect where it has begun."""
        if self._phase is _Phase.SERVING:
            self._last = now + self._config.shutdown_grace + self._config.close_timeout
            self._move(_Phase.ASKING, now + self._config.shutdown_grace, ShutdownAction.ASK)

    def connections_gone(self, now: float) -> None:
        """Take the news that no connection is left, nor a socket on its way to one."""
        if self._phase in (_Phase.ASKING, _Phase.CANCELLING):
            self._stop_lifespan(now)

    def lifespan_over(self) -> None:
        """Take the news that the application's lifespan has nothing more to say."""
        if self._phase is _Phase.STOPPING:
            self._move(_Phase.OVER, None, ShutdownAction.END)

    def handle_timeout(self, now: float) -> None:
        """Take the next step if its time has come; early, late and repeated calls are harmless.

        One step at a time: where an application held up the loop beyond two of them, the others get a turn in between.
        """
        if self._deadline is None or now < self._deadline:
            return
        if self._phase is _Phase.ASKING:
            self._move(_Phase.CANCELLING, self._last, ShutdownAction.CANCEL)
        elif self._phase is _Phase.CANCELLING:
            self._acts.append(ShutdownAction.ABORT)
            self._stop_lifespan(now)
        else:
            self._move(_Phase.OVER, None, ShutdownAction.GIVE_UP_LIFESPAN, ShutdownAction.END)

    def abort(self) -> None:
        """End at once, whatever has begun."""
        if self._phase is not _Phase.OVER:
            self._move(_Phase.OVER, None, ShutdownAction.ABORT, ShutdownAction.END)

    def _stop_lifespan(self, now: float) -> None:
        self._move(_Phase.STOPPING, max(self._last, now + LIFESPAN_SHARE), ShutdownAction.STOP_LIFESPAN)

    def _move(self, phase: _Phase, deadline: float | None, *acts: ShutdownAction) -> None:
        self._phase = phase
        self._deadline = deadline
        self._acts += acts
