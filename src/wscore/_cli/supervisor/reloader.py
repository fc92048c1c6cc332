"""The plan of `--reload`: one worker, ended and started again when the code changes, whatever became of the last one.

Ended first and then started, unlike the workers of `_crew`: what is seen is always the code as it stands, and an
application that owns something (a port, a file's lock) can be started again. Clients that come meanwhile wait in the
listening socket, which the supervisor keeps open. It waits for nothing; `_supervisor` does what it says.
"""

from __future__ import annotations

from ..failure import WRONG_USAGE, Failure
from .policy import ABORT, Action, Command, Stage, Verdict

__all__ = ["Reloader"]


class Reloader:
    """One worker at a time. `patience` is how many seconds one that was asked to end may take."""

    def __init__(self, *, patience: float) -> None:
        self.ending = False
        self.aborted = False
        self.failure: Failure | None = None
        self._patience = patience
        self._number = 0
        self._stage: Stage | None = None  # None: there is no worker
        self._due: float | None = None
        self._announced = False
        self._acts: list[Command] = []
        self._start()

    @property
    def over(self) -> bool:
        """No worker is left, and none will be started."""
        return self.ending and self._stage is None

    def serves(self, number: int, *, now: float) -> None:
        """Take the news that the worker accepts connections."""
        del number, now
        if self._stage is Stage.STARTING:
            self._stage = Stage.SERVING
            self._acts.append(Command(Action.RENEWED if self._announced else Action.ANNOUNCE))
            self._announced = True

    def ended(self, number: int, why: Failure, *, now: float) -> Verdict:
        """Take the news that the worker is gone: the next is started, if the code has changed since this one was."""
        del number, now
        asked = self._stage is Stage.ENDING
        self._stage = self._due = None
        if not asked and why.status == WRONG_USAGE:  # which no change of the code mends
            self.failure = why
            self.ending = True
            return Verdict.FATAL
        if not asked:
            return Verdict.WAITS
        if not self.ending:
            self._start()
        return Verdict.EXPECTED

    def renew(self, *, now: float) -> None:
        """Take the news that the code has changed."""
        if self.ending or self._stage is Stage.ENDING:
            return
        if self._stage is None:
            self._start()
        else:
            self._ask_to_end(now + self._patience)

    def end(self, *, now: float) -> None:
        """Take a signal: the first ends the worker gracefully, the next at once."""
        if self.ending:
            self.aborted = True
            self._ask_to_end(now + ABORT)
            return
        self.ending = True
        if self._stage in (Stage.STARTING, Stage.SERVING):
            self._ask_to_end(now + self._patience)

    def acts(self, *, now: float) -> list[Command]:
        """Give what is to be done now, in order; each once."""
        if self._due is not None and self._due <= now:
            self._due = None
            self._acts.append(Command(Action.KILL, self._number))
        acts, self._acts = self._acts, []
        return acts

    def next_timeout(self) -> float | None:
        """When to ask for `acts` again though nothing happened."""
        return self._due

    def _start(self) -> None:
        self._number += 1
        self._stage = Stage.STARTING
        self._acts.append(Command(Action.START, self._number))

    def _ask_to_end(self, last: float) -> None:
        self._stage = Stage.ENDING
        self._due = last
        self._acts.append(Command(Action.END, self._number))
