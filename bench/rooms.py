"""The command: `python bench/rooms.py [--quick] ...`: a room across two processes. See README.md beside it."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import json
import random
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

sys.path[0] = str(Path(__file__).resolve().parents[1])  # bench/ itself has files named like the peers

from bench.accounting import Stopwatch
from bench.connections import Target, WrongReply, opened, receive_exactly
from bench.contenders import Contender, Loop
from bench.distribution import quartiles
from bench.environment import here, installed
from bench.frames import frame
from bench.machine import Usage, machine
from bench.measure import Progress
from bench.processes import DoesNotStart, Fleet, Server, end_as_ctrl_c_does, share_cores
from bench.redis_process import Redis
from bench.report import number, spread, table
from bench.servers.payload import PAYLOAD

MINUTES: Final = 8  # no round begins after that
REPLY: Final = frame(PAYLOAD.encode(), 0x81, masked=False)
COMMAND: Final = frame(b"go", 0x81, masked=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """Who is measured: the same server twice, or once and alone."""

    name: str
    module: str
    first: str
    """What the server's command line says before the address of Redis."""
    loop: Loop
    packages: tuple[str, ...]
    processes: int = 2

    def contenders(self, url: str) -> list[Contender]:
        """Give the servers to start."""
        arguments = (self.first, url if self.processes > 1 else "-")
        return [
            Contender(f"{self.name} {each}", self.module, arguments, self.loop, self.packages)
            for each in range(self.processes)
        ]


CHANNELS: Final = ("daphne", "channels", "channels-redis", "django", "redis", "twisted")
PAIRS: Final = (
    Pair("wscore-asyncio", "wscore_rooms", "asyncio", "asyncio", ("wscore", "coredis")),
    Pair("wscore-uvloop", "wscore_rooms", "uvloop", "uvloop", ("wscore", "coredis", "uvloop")),
    Pair("wscore-trio", "wscore_rooms", "trio", "trio", ("wscore", "coredis", "trio")),
    Pair("wscore-asyncio, one process, no Redis", "wscore_rooms", "asyncio", "asyncio", ("wscore",), processes=1),
    Pair("daphne, channels_redis.core", "daphne_rooms", "core", "asyncio", CHANNELS),
    Pair("daphne, channels_redis.pubsub", "daphne_rooms", "pubsub", "asyncio", CHANNELS),
)


@dataclasses.dataclass(slots=True)
class Figures:
    """What one of them cost, per round."""

    cost: list[float] = dataclasses.field(default_factory=list)
    """CPU microseconds of the servers per message delivered."""
    redis: list[float] = dataclasses.field(default_factory=list)
    """CPU microseconds of Redis per broadcast."""
    wall: list[float] = dataclasses.field(default_factory=list)
    """Milliseconds from the command to the last of the receivers."""
    commands: dict[str, int] = dataclasses.field(default_factory=dict)
    """Commands that Redis got, in all rounds."""
    broadcasts: int = 0


def one_round(serving: Sequence[Server], redis: Redis, figures: Figures, *, members: int, broadcasts: int) -> None:
    """Open `members` connections, half to each, and let one process broadcast; each of them has to get it, once."""
    with contextlib.ExitStack() as stack:
        targets = [Target(each.port, websocket=True) for each in serving]
        sockets = [sock for each in targets for sock in stack.enter_context(opened(each, members // len(targets)))]
        (control,) = stack.enter_context(opened(targets[0], 1, "/control"))
        time.sleep(0.5)  # until Redis knows of the last of them

        def broadcast() -> None:
            control.sendall(COMMAND)
            for sock in sockets:
                if receive_exactly(sock, len(REPLY)) != REPLY:
                    raise WrongReply("a member got other bytes")

        broadcast()
        redis.forget_calls()
        watches = [Stopwatch(each.pid) for each in serving]
        of_redis = Stopwatch(redis.pid)
        with contextlib.ExitStack() as measured:
            for watch in (*watches, of_redis):
                measured.enter_context(watch)
            began = time.perf_counter()
            for _ in range(broadcasts):
                broadcast()
            wall = time.perf_counter() - began
        calls = redis.calls()
        for sock in sockets:  # twice would be as wrong as never
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                raise WrongReply(f"more than was sent: {sock.recv(100)!r}")
    figures.cost.append(sum(watch.cpu for watch in watches) / 1000 / len(sockets) / broadcasts)
    figures.redis.append(of_redis.cpu / 1000 / broadcasts)
    figures.wall.append(wall * 1000 / broadcasts)
    for command, count in calls.items():
        figures.commands[command] = figures.commands.get(command, 0) + count
    figures.broadcasts += broadcasts


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/rooms.py",
        description="Measure what a broadcast costs whose receivers are connected to two processes.",
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--quick", action="store_true", help="2 rounds instead of 8")
    pace.add_argument("--smoke", action="store_true", help="10 receivers, 1 broadcast: whether it runs, no figures")
    parser.add_argument("--only", metavar="NAME,...", help="begin with: " + "; ".join(each.name for each in PAIRS))
    parser.add_argument(
        "--here", action="store_true", help="install nothing: this Python, this checkout's src/, what is there of peers"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    given = parser.parse_args()
    begins = tuple(given.only.split(",")) if given.only else ("",)
    given.pairs = [each for each in PAIRS if each.name.startswith(begins)]
    if not given.pairs:
        parser.error(f"--only: nothing begins with {given.only}")
    return given


def shown(found: dict[str, Figures]) -> str:
    """Make the table, the cheapest first."""
    rows: list[tuple[str, ...]] = [
        (
            "",
            "CPU us per message delivered: median",
            "quartiles",
            "Redis, us per broadcast",
            "ms until all have it",
            "commands",
        ),
    ]
    for name, each in sorted(found.items(), key=lambda item: statistics.median(item[1].cost)):
        per = {command: calls / each.broadcasts for command, calls in each.commands.items()}
        rows.append(
            (
                name,
                number(statistics.median(each.cost)),
                spread(quartiles(each.cost)),
                number(statistics.median(each.redis)),
                number(statistics.median(each.wall)),
                ", ".join(f"{calls:.3g} {name}" for name, calls in sorted(per.items()) if calls >= 0.05) or "-",
            )
        )
    return table(rows)


def main() -> int:
    given = arguments()
    end_as_ctrl_c_does()
    if shutil.which("redis-server") is None:
        print("there is no redis-server here (Debian: apt install redis-server)", file=sys.stderr)
        return 1
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the servers inherit it
    rounds, broadcasts, members = (1, 1, 10) if given.smoke else (2 if given.quick else 8, 20, 1000)
    environment = (here() if given.here else installed()).look(
        (package for each in given.pairs for package in each.packages), ()
    )
    on, usage = machine(), Usage()
    began = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    core, _ = share_cores()
    found: dict[str, Figures] = {}
    skipped: dict[str, str] = {}
    interrupted = False
    progress = Progress(rounds * len(given.pairs))
    with contextlib.ExitStack() as stack:
        # One for each, so that what one of them asks now and then is not in the counts of the others.
        redis = {pair: stack.enter_context(Redis(core)) for pair in given.pairs}
        fleet = stack.enter_context(Fleet(environment.python, environment.variables, core))
        versions = {**environment.versions, "redis-server": redis[given.pairs[0]].version}
        print(f"{began}: {on}\n{environment.name}, {', '.join(f'{name} {each}' for name, each in versions.items())}")
        try:
            for turn in range(rounds):
                for pair in random.sample(given.pairs, len(given.pairs)):
                    progress.step(pair.name, f"round {turn + 1} of {rounds}")
                    if absent := [each for each in pair.packages if each not in environment.versions]:
                        skipped[pair.name] = f"{', '.join(absent)} is not installed"
                    if pair.name in skipped or (turn and progress.minutes > MINUTES):
                        continue
                    try:
                        figures = found.get(pair.name, Figures())
                        serving = [fleet.serving(each) for each in pair.contenders(redis[pair].url)]
                        one_round(serving, redis[pair], figures, members=members, broadcasts=broadcasts)
                        found[pair.name] = figures
                    except (WrongReply, DoesNotStart, OSError) as error:
                        skipped[pair.name] = f"failed: {type(error).__name__}: {error}"
                        found.pop(pair.name, None)
        except KeyboardInterrupt:
            interrupted = True
            print("\ninterrupted: this is what there was", file=sys.stderr)
    progress.end()
    title = f"{len(PAYLOAD):,} bytes to {members:,} connections, half to each of two processes"
    print(f"\n## {title}\n\n{shown(found)}" if found else "")
    for name, why in skipped.items():
        print(f"not measured: {name}: {why}")
    print(f"\n{(others := usage.by_others())}")
    if given.json:
        document = {
            "began": began,
            "machine": dataclasses.asdict(on),
            "others": dataclasses.asdict(others),
            "python": environment.name,
            "versions": versions,
            "members": members,
            "figures": {name: dataclasses.asdict(each) for name, each in found.items()},
            "skipped": skipped,
        }
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    failed = any(reason.startswith("failed") for reason in skipped.values())
    return 130 if interrupted else 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(main())
