"""Simulate conversations at random over random networks, and find what does not hold.

A run is a conversation of one client with one server, or now and then a room of many. It is drawn from the seed and its
number alone. A finding is made smaller, printed with what repeats it, and written to a file, event by event.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from wscore.testing.network import Event

from ._conversation import Play
from ._plan import Plan, draw, simpler
from ._rooms import RoomPlan, draw_room, play_room, simpler_room

FOUND: Final = Path(__file__).parent / "found" / "simulate"
_CHUNK: Final = 50  # runs that a process is given at a time
_TRIES: Final = 300  # simpler plans that are tried for a finding
_SHOWN: Final = 5  # findings that are made smaller and printed; of others the numbers


@dataclass
class Failure:
    """A run in which something does not hold."""

    run: int
    what: str


@dataclass
class Chunk:
    """What came of some runs."""

    runs: int
    connections: int
    failures: list[Failure]


def plan_of(seed: str, run: int) -> Plan | RoomPlan:
    """Draw the plan of a run: seldom a room, seldom two processes, very seldom a thousand members."""
    name = f"{seed}:{run}"
    if run % 5_000 == 4_999:
        return draw_room(name, 1_000, 1 + run // 5_000 % 2)
    if run % 250 == 249:
        return draw_room(name, (3, 200, 10, 150)[run // 250 % 4], 1 + run // 500 % 2)
    return draw(name)


def failure_of(plan: Plan | RoomPlan, log: list[Event] | None = None) -> str | None:
    """Play a plan, and return what does not hold; None if all does."""
    logger = logging.getLogger("wscore")
    level = logger.level
    logger.setLevel(logging.ERROR)  # members that read too slowly are meant to
    try:
        if isinstance(plan, RoomPlan):
            play_room(plan, log)
        else:
            Play(plan, log).run()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        logger.setLevel(level)
    return None


def play_chunk(seed: str, runs: Iterable[int]) -> Chunk:
    """Play some runs."""
    chunk = Chunk(0, 0, [])
    for run in runs:
        plan = plan_of(seed, run)
        chunk.runs += 1
        chunk.connections += plan.members if isinstance(plan, RoomPlan) else 1
        what = failure_of(plan)
        if what is not None:
            chunk.failures.append(Failure(run, what))
    return chunk


def _play_chunk(given: tuple[str, range]) -> Chunk:
    return play_chunk(*given)


def smaller(plan: Plan | RoomPlan, what: str) -> Plan | RoomPlan:
    """Return the simplest plan found that fails in the same way."""
    kind, tries = _kind(what), _TRIES
    while True:
        plans: Iterator[Any] = simpler_room(plan) if isinstance(plan, RoomPlan) else simpler(plan)
        for each in plans:
            tries -= 1
            if tries < 0:
                return plan
            found = failure_of(each)
            if found is not None and _kind(found) == kind:
                plan = each
                break
        else:
            return plan


def _kind(what: str) -> str:
    """Return what two findings of one fault have in common."""
    return what.translate({ord(digit): None for digit in "0123456789."})[:50]


def write_log(path: Path, plan: Plan | RoomPlan, what: str, events: list[Event]) -> None:
    """Write a conversation, a line of JSON for each event: the plan and the finding first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        print(json.dumps({"plan": asdict(plan), "finding": what}), file=file)
        for event in events:
            line = {"at": round(event.at, 6), "socket": event.socket, "what": event.what, "data": event.data.hex()}
            print(json.dumps({key: value for key, value in line.items() if value != ""}), file=file)


def explain(seed: str, failure: Failure, found: Path) -> str:
    """Make a finding smaller, write it down, and say how to repeat it."""
    plan = smaller(plan_of(seed, failure.run), failure.what)
    events: list[Event] = []
    what = failure_of(plan, events) or failure.what
    path = found / f"{seed}-{failure.run}.jsonl"
    write_log(path, plan, what, events)
    changed = {name: value for name, value in asdict(plan).items() if value not in ({}, (), None)}
    return "\n".join(
        [
            f"found: {failure.what}",
            f"  again: python -m fuzz.simulate --seed {seed} --run {failure.run}",
            f"  smaller: {changed}",
            f"  there: {what}",
            f"  event by event: {path}",
        ]
    )


def progress(total: int) -> Callable[[Chunk], None]:
    """Return what shows how far it is: a bar on a terminal, elsewhere a line for each tenth."""
    done = failures = connections = tenths = 0
    began = time.monotonic()

    def show(chunk: Chunk) -> None:
        nonlocal done, failures, connections, tenths
        done += chunk.runs
        failures += len(chunk.failures)
        connections += chunk.connections
        rate = connections / max(time.monotonic() - began, 1e-9)
        text = f"{done:,} of {total:,} runs, {connections:,} connections, {rate:,.0f} a second, {failures} found"
        if sys.stderr.isatty():
            bar = "#" * (30 * done // total)
            print(f"\r[{bar:30}] {text} ", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif 10 * done // total > tenths:
            tenths = 10 * done // total
            print(text, file=sys.stderr, flush=True)

    return show


def simulate(seed: str, runs: range, jobs: int) -> list[Failure]:
    """Play all runs, and return those in which something does not hold, in order."""
    show = progress(len(runs))
    chunks = ((seed, runs[at : at + _CHUNK]) for at in range(0, len(runs), _CHUNK))
    failures: list[Failure] = []
    if jobs == 1:
        played: Iterable[Chunk] = map(_play_chunk, chunks)
        for chunk in played:
            show(chunk)
            failures += chunk.failures
    else:
        with multiprocessing.get_context("spawn").Pool(jobs) as pool:
            for chunk in pool.imap(_play_chunk, chunks):
                show(chunk)
                failures += chunk.failures
    return failures


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _at_least(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a number, {least} or more, and not {text!r}")
        return int(text)

    return read


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = _Parser(prog="python -m fuzz.simulate", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--runs", type=_at_least(1), default=1_000, help="how many, 1000 by default")
    parser.add_argument("--seed", default="0", help="what they are drawn from, 0 by default")
    parser.add_argument("--jobs", type=_at_least(1), default=1, help="processes at a time, 1 by default")
    parser.add_argument("--run", type=_at_least(0), help="play this one alone, and write it down")
    parser.add_argument("--found", type=Path, default=FOUND, help="where findings are written")
    given = parser.parse_args(arguments)
    runs = range(given.runs) if given.run is None else range(given.run, given.run + 1)
    if not all(letter.isalnum() or letter in "-_" for letter in given.seed):
        parser.error(f"argument --seed: {given.seed!r} has more than letters, digits, - and _")
    try:
        failures = simulate(given.seed, runs, given.jobs)
        kinds = itertools.groupby(
            sorted(failures, key=lambda each: (_kind(each.what), each.run)), lambda each: _kind(each.what)
        )
        for _, of_kind in itertools.islice(kinds, _SHOWN):
            first, *others = of_kind
            print(explain(given.seed, first, given.found))
            if others:
                print(f"  likewise: {', '.join(str(each.run) for each in others[:20])}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        parser.error(f"cannot write what was found: {error}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
