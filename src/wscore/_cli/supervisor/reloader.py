"""The policy of `--reload`: one worker, restarted when the code changes, even if the last one failed.

The old worker exits before the new one starts, unlike in `worker_pool`: clients always see the current code, and an
application that holds a resource (a port, a file lock) can be restarted. Clients that connect meanwhile wait in the
listening socket's backlog, which the supervisor keeps open. The policy only decides; `supervisor` carries it out.
"""

from __future__ import annotations

from ..failure import WRONG_USAGE, Failure
from .policy import ABORT, Action, Command, Stage, Verdict

__all__ = ["Reloader"]


class Reloader:
    """One worker at a time, which has `patience` seconds to exit once asked to."""

    def __init__(self, *, patience: float) -> None:
        self.ending = False
        self.aborted = False
        self.failure: Failure | None = None
        self._patience = patience
        self._number = 0
        self._stage: Stage | None = None  # None: there is no worker
        self._due: float | None = None
        self._announced = False
        self._actions: list[Command] = []
        self._start()

    @property
    def over(self) -> bool:
        """Whether no worker is left, and none will be started."""
        return self.ending and self._stage is None

    def serves(self, number: int, *, now: float) -> None:
        """Call when the worker accepts connections."""
        del number, now
        if self._stage is Stage.STARTING:
            self._stage = Stage.SERVING
            self._actions.append(Command(Action.RENEWED if self._announced else Action.ANNOUNCE))
            self._announced = True

    def ended(self, number: int, why: Failure, *, now: float) -> Verdict:
        """Call when the worker has exited; start the next if the code has changed meanwhile."""
        del number, now
        asked = self._stage is Stage.ENDING
        self._stage = self._due = None
        if not asked and why.status == WRONG_USAGE:  # no change of the code can fix that
            self.failure = why
            self.ending = True
            return Verdict.FATAL
        if not asked:
            return Verdict.WAITS
        if not self.ending:
            self._start()
        return Verdict.EXPECTED

    def renew(self, *, now: float) -> None:
        """Call when the code has changed."""
        if self.ending or self._stage is Stage.ENDING:
            return
        if self._stage is None:
            self._start()
        else:
            self._ask_to_end(now + self._patience)

    def end(self, *, now: float) -> None:
        """Call on a signal: the first shuts the worker down gracefully, the next aborts."""
        if self.ending:
            self.aborted = True
            self._ask_to_end(now + ABORT)
            return
        self.ending = True
        if self._stage in (Stage.STARTING, Stage.SERVING):
            self._ask_to_end(now + self._patience)

    def actions(self, *, now: float) -> list[Command]:
        """Return the actions due now, in order, each once."""
        if self._due is not None and self._due <= now:
            self._due = None
            self._actions.append(Command(Action.KILL, self._number))
        actions, self._actions = self._actions, []
        return actions

    def next_timeout(self) -> float | None:
        """When to call `actions` again if nothing happens; None: not needed."""
        return self._due

    def _start(self) -> None:
        self._number += 1
        self._stage = Stage.STARTING
        self._actions.append(Command(Action.START, self._number))

    def _ask_to_end(self, last: float) -> None:
        self._stage = Stage.ENDING
        self._due = last
        self._actions.append(Command(Action.END, self._number))
