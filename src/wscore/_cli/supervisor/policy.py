"""The interface of a supervisor's policy, and the actions it can ask for.

A policy is a state machine: it gets events with their times, and returns actions. It identifies workers by numbers,
starts no process and has no clock, so every decision can be tested without waiting.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol

from ..failure import Failure

__all__ = ["ABORT", "Action", "Command", "Stage", "SupervisorPolicy", "Verdict"]

ABORT: float = 2.0
"""Seconds that a worker has after the second signal. Its own watchdog allows it 1 s."""


class Action(Enum):
    """What the supervisor has to do."""

    START = "start the worker"
    RETIRE = "make the worker accept no more connections"
    END = "ask the worker to end, with a signal"
    KILL = "end the worker by force"
    ANNOUNCE = "say that all workers serve, for the first time"
    RENEWED = "say that all workers were started after the last demand for new ones"


class Command(NamedTuple):
    """An action and the number of its worker; 0 if it concerns all."""

    action: Action
    worker: int = 0


class Stage(Enum):
    """The stages of a worker's life."""

    STARTING = "it loads the application"
    SERVING = "it accepts connections"
    RETIRING = "it accepts no more, and finishes the handshakes that it has begun"
    ENDING = "it was asked to end"


class Verdict(Enum):
    """What the exit of a worker means; the value completes the log line."""

    EXPECTED = "as it was asked to"
    RESTART = "another takes its place"
    CALLED_OFF = "the workers that serve stay, and none is replaced"
    WAITS = "waiting for a change of the code"
    FATAL = "ending"


class SupervisorPolicy(Protocol):
    """Decides for a supervisor. Carry out `actions` after every input, and when `next_timeout` is reached."""

    @property
    def over(self) -> bool:
        """Whether no worker is left, and none will be started."""
        ...

    @property
    def ending(self) -> bool:
        """Whether the shutdown has begun."""
        ...

    @property
    def aborted(self) -> bool:
        """Whether a second signal came."""
        ...

    @property
    def failure(self) -> Failure | None:
        """Why it began to shut down without a signal; None if it did not."""
        ...

    def serves(self, number: int, *, now: float) -> None:
        """Call when a worker accepts connections."""
        ...

    def ended(self, number: int, why: Failure, *, now: float) -> Verdict:
        """Call when a worker's process has exited; return what that means."""
        ...

    def renew(self, *, now: float) -> None:
        """Replace the workers, so that all run the current code."""
        ...

    def end(self, *, now: float) -> None:
        """Call on a signal: the first shuts the workers down gracefully, the next aborts."""
        ...

    def actions(self, *, now: float) -> list[Command]:
        """Return the actions due now, in order, each once."""
        ...

    def next_timeout(self) -> float | None:
        """When to call `actions` again if nothing happens; None: not needed."""
        ...
