"""The policy of `--workers`: keeps a number of workers, replaces one that dies, and on request all, one by one.

It only decides; `supervisor` carries it out.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from ..failure import Failure
from .policy import ABORT, Action, Command, Stage, Verdict

__all__ = ["FIRST_DELAY", "LONGEST_DELAY", "SETTLING", "STEADY", "TRIES", "WorkerPool"]

STEADY: Final = 10.0
"""Seconds of service after which a worker's exit no longer counts toward the restart delay."""
FIRST_DELAY: Final = 0.5
"""Seconds before the second restart in a row; the first is immediate, each further one doubles the delay."""
LONGEST_DELAY: Final = 30.0
TRIES: Final = 5
"""How many times in a row a worker may fail to start while no other serves; about 8 s."""
SETTLING: Final = 1.0
"""Seconds between a retiring worker's last accept and its shutdown, for handshakes in progress. Without them those
clients would get a 503 although another worker serves."""


@dataclasses.dataclass(slots=True)
class _Worker:
    number: int
    place: int
    stage: Stage = Stage.STARTING
    since: float = 0.0
    """When it began serving."""
    due: float | None = None
    """When to ask it to end, or if it was asked already, when to kill it."""


@dataclasses.dataclass(slots=True)
class _WorkerSlot:
    """The place of one worker, filled by successive processes."""

    start_at: float | None
    ends: int = 0
    """Exits in a row without `STEADY` seconds of service in between."""
    failed_starts: int = 0


class WorkerPool:
    """A pool of `size` workers, each of which has `patience` seconds to exit once asked to."""

    def __init__(self, size: int, *, patience: float, now: float) -> None:
        self.ending = False
        self.aborted = False
        self.failure: Failure | None = None
        self._patience = patience
        self._places = [_WorkerSlot(start_at=now) for _ in range(size)]
        self._workers: dict[int, _Worker] = {}
        self._next_number = 1
        self._announced = False
        self._renew_below = 0  # workers with smaller numbers run outdated code
        self._actions: list[Command] = []

    @property
    def over(self) -> bool:
        """Whether no worker is left, and none will be started."""
        return self.ending and not self._workers

    def serves(self, number: int, *, now: float) -> None:
        """Call when a worker accepts connections; the one it replaces retires."""
        worker = self._workers[number]
        if worker.stage is not Stage.STARTING:
            return
        worker.stage, worker.since = Stage.SERVING, now
        self._places[worker.place].failed_starts = 0
        for other in self._of(worker.place, Stage.SERVING):
            if other is not worker:
                other.stage, other.due = Stage.RETIRING, now + SETTLING
                self._actions.append(Command(Action.RETIRE, other.number))
        if not self._announced and all(self._of(place, Stage.SERVING) for place in range(len(self._places))):
            self._announced = True
            self._actions.append(Command(Action.ANNOUNCE))

    def ended(self, number: int, why: Failure, *, now: float) -> Verdict:
        """Call when a worker's process has exited; return what that means."""
        worker = self._workers.pop(number)
        if self.ending or worker.stage in (Stage.RETIRING, Stage.ENDING):
            return Verdict.EXPECTED
        place = self._places[worker.place]
        if worker.stage is Stage.STARTING:
            if self._of(worker.place, Stage.SERVING):
                self._renew_below = 0
                return Verdict.CALLED_OFF
            place.failed_starts += 1
            if not self._announced or (place.failed_starts >= TRIES and not self._serving()):
                self._give_up(why, now)
                return Verdict.FATAL
        elif now - worker.since >= STEADY:
            place.ends = 0
        if not self._of(worker.place, Stage.STARTING, Stage.SERVING):
            place.start_at = now + _delay(place.ends)
            place.ends += 1
        return Verdict.RESTART

    def renew(self, *, now: float) -> None:
        """Replace all current workers one by one, and start those that wait for their restart delay."""
        if self.ending:
            return
        self._renew_below = self._next_number
        for place in self._places:
            place.ends = place.failed_starts = 0
            if place.start_at is not None:
                place.start_at = now

    def end(self, *, now: float) -> None:
        """Call on a signal: the first shuts the workers down gracefully, the next aborts."""
        if self.ending:
            self.aborted = True
            for worker in self._workers.values():
                self._ask_to_end(worker, now + ABORT)
        else:
            self._begin_end(now)

    def actions(self, *, now: float) -> list[Command]:
        """Return the actions due now, in order, each once."""
        for worker in self._workers.values():
            if worker.due is not None and worker.due <= now:
                if worker.stage is Stage.RETIRING:
                    self._ask_to_end(worker, now + self._patience)
                else:
                    worker.due = None
                    self._actions.append(Command(Action.KILL, worker.number))
        for index, place in enumerate(self._places):
            if place.start_at is not None and place.start_at <= now:
                place.start_at = None
                self._start(index)
        if self._renew_below:
            self._replace_next()
        actions, self._actions = self._actions, []
        return actions

    def next_timeout(self) -> float | None:
        """When to call `actions` again if nothing happens; None: not needed."""
        times = [worker.due for worker in self._workers.values()] + [place.start_at for place in self._places]
        return min((time for time in times if time is not None), default=None)

    def _replace_next(self) -> None:
        """Start the next replacement: one at a time, so there is at most one extra process."""
        stages = {worker.stage for worker in self._workers.values()}
        if stages - {Stage.SERVING}:
            return
        old = [worker for worker in self._workers.values() if worker.number < self._renew_below]
        if old:
            self._start(min(old, key=lambda worker: worker.number).place)
        elif len(self._workers) == len(self._places):
            self._renew_below = 0
            self._actions.append(Command(Action.RENEWED))

    def _start(self, place: int) -> None:
        number = self._next_number
        self._next_number += 1
        self._workers[number] = _Worker(number, place)
        self._actions.append(Command(Action.START, number))

    def _give_up(self, why: Failure, now: float) -> None:
        self.failure = why
        self._begin_end(now)

    def _begin_end(self, now: float) -> None:
        self.ending = True
        self._renew_below = 0
        for place in self._places:
            place.start_at = None
        for worker in self._workers.values():
            if worker.stage is not Stage.ENDING:
                self._ask_to_end(worker, now + self._patience)

    def _ask_to_end(self, worker: _Worker, last: float) -> None:
        worker.stage = Stage.ENDING
        worker.due = last
        self._actions.append(Command(Action.END, worker.number))

    def _of(self, place: int, *stages: Stage) -> list[_Worker]:
        return [worker for worker in self._workers.values() if worker.place == place and worker.stage in stages]

    def _serving(self) -> bool:
        return any(worker.stage is Stage.SERVING for worker in self._workers.values())


def _delay(ends: int) -> float:
    """Return the seconds before the next start, given the number of exits in a row before this one."""
    return 0.0 if ends == 0 else min(FIRST_DELAY * 2.0 ** (min(ends, 16) - 1), LONGEST_DELAY)
