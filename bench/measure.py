"""Interleaved rounds: in each round every server has its turn, so that what disturbs the machine disturbs them all."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from bench import load
from bench.accounting import Stopwatch
from bench.connections import Declined, Target, WrongReply
from bench.contenders import Contender
from bench.environment import Environment
from bench.load import Budget
from bench.modes import MEMORY, Mode
from bench.processes import DoesNotStart, Fleet

__all__ = ["Figure", "Pace", "Results", "measure"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a run takes."""

    rounds: int
    seconds: float
    """The most that one round of one server takes."""
    idle_connections: int
    minutes: float
    """After which every mode that is left gets one round only."""
    share: float = 1.0
    """Of the messages that a round of each mode may have."""


@dataclass(slots=True)
class Figure:
    """What a server cost in one mode, per round."""

    cost: list[float] = field(default_factory=list)
    """CPU microseconds per message or connection; KiB per connection for memory."""
    rate: list[float] = field(default_factory=list)
    """Messages or connections per second of wall-clock time."""

    @property
    def best(self) -> float:
        return min(self.cost)

    @property
    def median(self) -> float:
        return statistics.median(self.cost)

    @property
    def spread(self) -> float:
        """The worst round by the best one."""
        return max(self.cost) / min(self.cost) if min(self.cost) > 0 else 1.0


@dataclass(slots=True)
class Results:
    """Everything that was measured, and why the rest was not."""

    figures: dict[str, dict[str, Figure]] = field(default_factory=dict)
    """By mode, then by server."""
    skipped: dict[str, dict[str, str]] = field(default_factory=dict)
    """Reasons, by mode, then by server; mode "" is for servers that take no part at all."""
    idle_connections: int = 0
    """How many connections memory was measured with."""
    hurried: list[str] = field(default_factory=list)
    """Modes that had fewer rounds, because the time was up."""

    def best(self, mode: str, server: str) -> float | None:
        """Give the figure to compare by."""
        figure = self.figures.get(mode, {}).get(server)
        return figure.best if figure is not None and figure.cost else None


WARM_UP: Final = Budget(640, 0.05)


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
    modes: Sequence[Mode], contenders: set[str], environment: Environment, pace: Pace, core: int | None
) -> Generator[Results, None, None]:
    """Run all rounds; gives the results first, and fills them while it is iterated, one step per group of modes."""
    results = Results(idle_connections=pace.idle_connections)
    yield results
    takes_part = {
        mode: [each for each in mode.contenders if each.name in contenders and _there(each, mode, environment, results)]
        for mode in modes
    }
    rounds = {mode: 1 if mode is MEMORY else mode.warm_up + pace.rounds for mode in modes}
    progress = Progress(sum(rounds[mode] * len(takes_part[mode]) for mode in modes) or 1)
    with Fleet(environment.python, environment.variables, core) as fleet:
        before: Sequence[Contender] = ()
        for _, group in groupby(modes, key=lambda mode: mode.together or mode.name):
            together = list(group)
            now = takes_part[together[0]]
            fleet.stop(*(each for each in before if each not in now or together[0] is MEMORY))
            if together[0] is MEMORY:
                _memory(fleet, takes_part[MEMORY], pace, results, progress)
            else:
                fleet.start(*now)
                _rounds(fleet, [(mode, each) for mode in together for each in now], pace, results, progress)
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
    fleet: Fleet, turns: Sequence[tuple[Mode, Contender]], pace: Pace, results: Results, progress: Progress
) -> None:
    for number in range(pace.rounds + 1):
        late = progress.minutes > pace.minutes
        if late and number > 1:
            results.hurried.extend(dict.fromkeys(mode.title for mode, _ in turns))
            break
        for mode, contender in turns:
            if not number and (late or not mode.warm_up):
                continue
            progress.step(mode.title, f"{contender.name}, round {number} of {pace.rounds}" if number else "warming up")
            if contender.name in results.skipped.get(mode.name, {}):
                continue
            try:
                server = fleet.serving(contender)
                watch = Stopwatch(server.pid)
                target = Target(server.port, contender.role != "floor")
                budget = Budget(max(1, int(mode.messages * pace.share)), pace.seconds) if number else WARM_UP
                done = mode.round(target, budget, watch)
            except (Declined, WrongReply, DoesNotStart, OSError) as error:
                results.skipped.setdefault(mode.name, {})[contender.name] = _reason(error)
                results.figures.get(mode.name, {}).pop(contender.name, None)
                if not isinstance(error, Declined):
                    fleet.stop(contender)  # a fresh one for the next mode
                continue
            if number:
                figure = results.figures.setdefault(mode.name, {}).setdefault(contender.name, Figure())
                figure.cost.append(watch.cpu / 1000 / done)
                figure.rate.append(done / watch.wall)


def _memory(fleet: Fleet, contenders: Sequence[Contender], pace: Pace, results: Results, progress: Progress) -> None:
    for contender in contenders:
        progress.step(MEMORY.title, contender.name)
        try:
            server = fleet.serving(contender)  # a fresh one: what an old one has freed it would use first
            target = Target(server.port, contender.role != "floor")
            kib = load.memory_per_connection(target, server.pid, pace.idle_connections)
            results.figures.setdefault(MEMORY.name, {})[contender.name] = Figure([kib])
        except (WrongReply, DoesNotStart, OSError) as error:
            results.skipped.setdefault(MEMORY.name, {})[contender.name] = _reason(error)
        fleet.stop(contender)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Declined) else f"failed: {error or type(error).__name__}"
