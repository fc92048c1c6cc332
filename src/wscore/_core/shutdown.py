"""The shutdown of a server: when connections are asked to end, cancelled and aborted; a state machine without a clock.

    SERVING -begin-> ASKING -grace over-> CANCELLING -close timeout over-> STOPPING -> OVER
                        \\----------- all connections gone -------------/

A server reports events to it and does what `actions` returns. Each step is taken at most once; repeated events are
harmless.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from .config import ServerConfig

__all__ = ["LIFESPAN_SHARE", "Shutdown", "ShutdownAction"]

LIFESPAN_SHARE: Final = 1.0
"""Minimum seconds for the lifespan's shutdown, however long the connections took: an application that flushes data must
not lose it because a client was slow. Long enough to write a file or to close a pool; short, since it comes on top of
grace period and close timeout, and container runtimes kill."""


class ShutdownAction(Enum):
    """What the server has to do."""

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
    """The shutdown of one server. After any input do what `actions` returns, until `over`."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._phase = _Phase.SERVING
        self._deadline: float | None = None
        self._last = 0.0  # for connections
        self._actions: list[ShutdownAction] = []

    @staticmethod
    def longest(config: ServerConfig) -> float:
        """Return the maximum duration of a shutdown in seconds, provided that the event loop is not blocked."""
        return config.shutdown_grace + config.close_timeout + LIFESPAN_SHARE

    @property
    def begun(self) -> bool:
        """Whether the shutdown has begun; stays True when it is over."""
        return self._phase is not _Phase.SERVING

    @property
    def over(self) -> bool:
        """Whether nothing is awaited any more."""
        return self._phase is _Phase.OVER

    def actions(self) -> list[ShutdownAction]:
        """Take the actions due now, in order; each is returned once."""
        actions, self._actions = self._actions, []
        return actions

    def next_timeout(self) -> float | None:
        """Return when to call `handle_timeout`; None while there is no deadline."""
        return self._deadline

    def begin(self, now: float) -> None:
        """Begin the graceful shutdown. Idempotent."""
        if self._phase is _Phase.SERVING:
            self._last = now + self._config.shutdown_grace + self._config.close_timeout
            self._move(_Phase.ASKING, now + self._config.shutdown_grace, ShutdownAction.ASK)

    def connections_gone(self, now: float) -> None:
        """Call when no connection is left, nor a socket that is about to become one."""
        if self._phase in (_Phase.ASKING, _Phase.CANCELLING):
            self._stop_lifespan(now)

    def lifespan_over(self) -> None:
        """Call when the application's lifespan is over."""
        if self._phase is _Phase.STOPPING:
            self._move(_Phase.OVER, None, ShutdownAction.END)

    def handle_timeout(self, now: float) -> None:
        """Take the next step if its deadline has passed; early, late and repeated calls are harmless.

        Only one step per call: if an application blocked the loop past two deadlines, other tasks run in between.
        """
        if self._deadline is None or now < self._deadline:
            return
        if self._phase is _Phase.ASKING:
            self._move(_Phase.CANCELLING, self._last, ShutdownAction.CANCEL)
        elif self._phase is _Phase.CANCELLING:
            self._actions.append(ShutdownAction.ABORT)
            self._stop_lifespan(now)
        else:
            self._move(_Phase.OVER, None, ShutdownAction.GIVE_UP_LIFESPAN, ShutdownAction.END)

    def abort(self) -> None:
        """End at once, in any phase."""
        if self._phase is not _Phase.OVER:
            self._move(_Phase.OVER, None, ShutdownAction.ABORT, ShutdownAction.END)

    def _stop_lifespan(self, now: float) -> None:
        self._move(_Phase.STOPPING, max(self._last, now + LIFESPAN_SHARE), ShutdownAction.STOP_LIFESPAN)

    def _move(self, phase: _Phase, deadline: float | None, *actions: ShutdownAction) -> None:
        self._phase = phase
        self._deadline = deadline
        self._actions += actions
