"""Interleaved rounds: in each round every server has its turn, in another order each time.

What disturbs the machine for a while then disturbs all of them, and nobody always comes after the same one.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from bench.accounting import Stopwatch, settled
from bench.connections import Declined, Target, WrongReply
from bench.contenders import Contender
from bench.distribution import Quartiles, paired_ratios, quartiles
from bench.environment import Environment
from bench.load import Budget, Outcome
from bench.modes import Mode
from bench.processes import DoesNotStart, Fleet

__all__ = ["Figure", "Pace", "Progress", "Results", "measure"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a run takes."""

    rounds: int
    seconds: float
    """The most that one round of one server takes, where its mode does not stretch it."""
    minutes: float
    """After which every mode that is left gets one round only."""
    end: float
    """Minutes after which no round begins at all."""
    idle: float = 1.0
    """Of the idle connections that a mode has."""
    share: float = 1.0
    """Of the messages that a round of each mode may have."""

    def rounds_of(self, mode: Mode) -> int:
        """Give the rounds of a mode that count."""
        return min(self.rounds, mode.rounds)

    def budget(self, mode: Mode) -> Budget:
        """Give what a round of a mode may use."""
        return Budget(max(1, int(mode.messages * self.share)), self.seconds * mode.stretch, int(mode.idle * self.idle))


@dataclass(slots=True)
class Figure:
    """What a server cost in one mode, per round: the lists have an item for each, in their order."""

    cost: list[float] = field(default_factory=list)
    """In the mode's unit: CPU microseconds per message or connection, or what else its figure is."""
    rate: list[float] = field(default_factory=list)
    """Messages or connections per second of wall-clock time."""
    also: dict[str, list[float]] = field(default_factory=dict)
    """What the rounds found besides."""

    @property
    def quartiles(self) -> Quartiles:
        return quartiles(self.cost)

    @property
    def median(self) -> float:
        return self.quartiles.median

    def add(self, mode: Mode, outcome: Outcome, watch: Stopwatch) -> None:
        """Take in another round."""
        found = dict(outcome.also)
        if watch.wall:
            found[""] = watch.cpu / 1000 / outcome.done
            self.rate.append(outcome.done / watch.wall)
        self.cost.append(found.pop(mode.figure))
        for name, value in found.items():
            self.also.setdefault(name or f"CPU us per {mode.thing}", []).append(value)


@dataclass(slots=True)
class Results:
    """Everything that was measured, and why the rest was not."""

    figures: dict[str, dict[str, Figure]] = field(default_factory=dict)
    """By mode, then by server."""
    skipped: dict[str, dict[str, str]] = field(default_factory=dict)
    """Reasons, by mode, then by server; mode "" is for servers that take no part at all."""
    idle: dict[str, int] = field(default_factory=dict)
    """How many idle connections the modes had that have some."""
    hurried: list[str] = field(default_factory=list)
    """Modes that had fewer rounds, because the time was up."""

    def figure(self, mode: str, server: str) -> Figure | None:
        """Give what was measured of a server in a mode, if anything was."""
        found = self.figures.get(mode, {}).get(server)
        return found if found is not None and found.cost else None

    def ratio(self, mode: str, ours: str, against: str, *, against_mode: str = "") -> Quartiles | None:
        """Give the ratios of paired rounds; None where one of the two was not measured.

        In another mode only where that takes turns with the first: else its rounds are no pairs.
        """
        mine, other = self.figure(mode, ours), self.figure(against_mode or mode, against)
        ratios = paired_ratios(mine.cost, other.cost) if mine is not None and other is not None else []
        return quartiles(ratios) if ratios else None


WARM_UP: Final = Budget(640, 0.05)
PATIENCE: Final = 15.0
"""Seconds that a server has for what a round has left it to do, such as ten thousand ends of connections."""


class Progress:
    """One line that shows where the run is; on anything but a terminal a line per mode."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._began = time.monotonic()
        self._last = ""
        self._terminal = sys.stderr.isatty()

    def step(self, title: str, detail: str) -> None:
        elapsed = int(time.monotonic() - self._began)
        line = f"[{100 * self._done // self._total:3d} %, {elapsed // 60}:{elapsed % 60:02d}] {title}"
        if self._terminal:
            print(f"\r\x1b[K{line}: {detail}"[:140], end="", file=sys.stderr, flush=True)
        elif title != self._last:
            print(line, file=sys.stderr, flush=True)
        self._last = title
        self._done += 1

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self._began) / 60

    def end(self) -> None:
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def measure(
    modes: Sequence[Mode],
    contenders: Collection[Contender],
    environment: Environment,
    pace: Pace,
    *,
    core: int | None,
    chance: random.Random,
) -> Generator[Results, None, None]:
    """Run all rounds; gives the results first, and fills them while it is iterated, one step per group of modes."""
    results = Results(idle={mode.name: pace.budget(mode).idle for mode in modes if mode.idle})
    yield results
    takes_part = {
        mode: [each for each in mode.contenders if each in contenders and _there(each, mode, environment, results)]
        for mode in modes
    }
    progress = Progress(
        sum((mode.warm_up + pace.rounds_of(mode)) * len(taking) for mode, taking in takes_part.items()) or 1
    )
    with Fleet(environment.python, environment.variables, core) as fleet:
        before: Sequence[Contender] = ()
        for _, group in groupby(modes, key=lambda mode: mode.together or mode.name):
            together = list(group)
            fresh = together[0].fresh
            now = takes_part[together[0]]
            fleet.stop(*(each for each in before if each not in now or fresh))
            if not fresh:
                fleet.start(*now)
            turns = [(mode, each) for mode in together for each in now]
            _rounds(fleet, turns, pace, results=results, progress=progress, chance=chance)
            before = now
            yield results
    progress.end()


def _there(contender: Contender, mode: Mode, environment: Environment, results: Results) -> bool:
    absent = [name for name in contender.packages if name not in environment.versions]
    if absent:
        results.skipped.setdefault("", {})[contender.name] = f"{', '.join(absent)} is not installed"
        return False
    if contender.needs in environment.missing:
        results.skipped.setdefault(mode.name, {})[contender.name] = environment.missing[contender.needs]
        return False
    return True


def _rounds(
    fleet: Fleet,
    turns: Sequence[tuple[Mode, Contender]],
    pace: Pace,
    *,
    results: Results,
    progress: Progress,
    chance: random.Random,
) -> None:
    rounds = max((pace.rounds_of(mode) for mode, _ in turns), default=0)
    for number in range(rounds + 1):
        late = progress.minutes > pace.minutes
        if late and number > 1:
            results.hurried.extend(dict.fromkeys(mode.title for mode, _ in turns))
            return
        for mode, contender in chance.sample(turns, len(turns)):
            if not number and (late or not mode.warm_up):
                continue
            progress.step(mode.title, f"{contender.name}, round {number} of {rounds}" if number else "warming up")
            if contender.name in results.skipped.get(mode.name, {}):
                continue
            if progress.minutes > pace.end:
                if not results.figure(mode.name, contender.name):
                    results.skipped.setdefault(mode.name, {})[contender.name] = "the time was up"
                continue
            try:
                server = fleet.serving(contender)
                watch = Stopwatch(server.pid)
                target = Target(server.port, contender.role != "floor")
                outcome = mode.round(target, pace.budget(mode) if number else WARM_UP, watch)
                if mode.fresh:
                    fleet.stop(contender)
                else:
                    settled(server.pid, seconds=PATIENCE)  # the next one has the core for itself
            except (Declined, WrongReply, DoesNotStart, OSError) as error:
                results.skipped.setdefault(mode.name, {})[contender.name] = _reason(error)
                results.figures.get(mode.name, {}).pop(contender.name, None)
                if not isinstance(error, Declined):
                    fleet.stop(contender)  # a fresh one for the next mode
                continue
            if number:
                by_server = results.figures.setdefault(mode.name, {})
                by_server.setdefault(contender.name, Figure()).add(mode, outcome, watch)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Declined) else f"failed: {error or type(error).__name__}"
