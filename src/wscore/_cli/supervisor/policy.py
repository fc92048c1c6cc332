"""What a supervisor does with its workers, and what a plan for them has to answer.

A plan is a state machine of its own: it gets facts with the time they came at, and gives acts. It knows workers by
numbers, starts no process and has no clock, so each of its decisions can be tested without waiting.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol

from ..failure import Failure

__all__ = ["ABORT", "Action", "Command", "Stage", "SupervisorPolicy", "Verdict"]

ABORT: float = 2.0
"""Seconds that a worker has after the second signal. It gives itself one (`_deadline`)."""


class Action(Enum):
    """What the supervisor is to do."""

    START = "start the worker"
    RETIRE = "make the worker accept no more connections"
    END = "ask the worker to end, with a signal"
    KILL = "end the worker by force"
    ANNOUNCE = "say that all workers serve, for the first time"
    RENEWED = "say that all workers were started after the last demand for new ones"


class Command(NamedTuple):
    """An act, and the number of the worker it concerns; 0 where it concerns them all."""

    act: Action
    worker: int = 0


class Stage(Enum):
    """Where a worker is in its life."""

    STARTING = "it loads the application"
    SERVING = "it accepts connections"
    RETIRING = "it accepts no more, and finishes the handshakes that it has begun"
    ENDING = "it was asked to end"


class Verdict(Enum):
    """What the end of a worker means; the value completes the log's line."""

    EXPECTED = "as it was asked to"
    RESTART = "another takes its place"
    CALLED_OFF = "the workers that serve stay, and none is replaced"
    WAITS = "waiting for a change of the code"
    FATAL = "ending"


class SupervisorPolicy(Protocol):
    """Decides for a supervisor. After any input, and when `next_timeout` is reached, carry out what `acts` gives."""

    @property
    def over(self) -> bool:
        """No worker is left, and none will be started."""
        ...

    @property
    def ending(self) -> bool:
        """The end has begun."""
        ...

    @property
    def aborted(self) -> bool:
        """A second signal came."""
        ...

    @property
    def failure(self) -> Failure | None:
        """Why it ended by itself."""
        ...

    def serves(self, number: int, *, now: float) -> None:
        """Take the news that a worker accepts connections."""
        ...

    def ended(self, number: int, why: Failure, *, now: float) -> Verdict:
        """Take the news that a worker's process is gone, and say what that means."""
        ...

    def renew(self, *, now: float) -> None:
        """Take the demand for workers that run the code as it is now."""
        ...

    def end(self, *, now: float) -> None:
        """Take a signal: the first ends the workers gracefully, the next at once."""
        ...

    def acts(self, *, now: float) -> list[Command]:
        """Give what is to be done now, in order; each once."""
        ...

    def next_timeout(self) -> float | None:
        """When to ask for `acts` again though nothing happened."""
        ...
