"""The command: `python bench/latency.py [--quick] ...`: an innocent client beside two that attack. See README.md."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path[0] = str(Path(__file__).resolve().parents[1])  # bench/ itself has files named like the peers

from bench.attackers import ATTACKS, Attack, attacked
from bench.connections import Target, WrongReply, connect, receive_exactly, receive_head
from bench.contenders import Contender
from bench.distribution import percentile
from bench.environment import here, installed
from bench.frames import exchange, payload
from bench.machine import Usage, machine
from bench.measure import Progress
from bench.processes import DoesNotStart, Fleet, end_as_ctrl_c_does, share_cores
from bench.report import number, table

MINUTES: Final = 12  # no round begins after that
PATIENCE: Final = 5.0  # seconds after which an answer does not count as one any more
PAUSE: Final = 0.005  # between an echo and the next question

_UVICORN: Final = ("uvicorn", "websockets", "h11")
SERVERS: Final = (
    Contender("wscore-asyncio", "attacked", ("wscore", "asyncio"), "asyncio", ("wscore",), "ours"),
    Contender("wscore-uvloop", "attacked", ("wscore", "uvloop"), "uvloop", ("wscore", "uvloop"), "ours"),
    Contender("wscore-trio", "attacked", ("wscore", "trio"), "trio", ("wscore", "trio"), "ours"),
    Contender("uvicorn-sansio", "attacked", ("uvicorn", "asyncio"), "asyncio", _UVICORN),
    Contender("uvicorn-sansio-uvloop", "attacked", ("uvicorn", "uvloop"), "uvloop", (*_UVICORN, "uvloop")),
)


@dataclasses.dataclass(slots=True)
class Figures:
    """How long the innocent client waited, in seconds; infinite where nothing came in time."""

    opening: list[float] = dataclasses.field(default_factory=list)
    """From its connect to the 101, once a round."""
    echoes: list[float] = dataclasses.field(default_factory=list)


def one_round(port: int, seconds: float, figures: Figures) -> None:
    """Connect, and ask for one echo after the other; what does not come in time ends the round."""
    target = Target(port, websocket=True)
    exchanges = [exchange("text", payload("text", 32, each), websocket=True) for each in range(2)]

    def timed(act: Callable[[], None], into: list[float]) -> bool:
        began = time.perf_counter()
        try:
            act()
        except TimeoutError:
            into.append(math.inf)
            return False
        into.append(time.perf_counter() - began)
        return True

    end = time.perf_counter() + seconds
    with contextlib.closing(connect(target)) as sock:
        sock.settimeout(PATIENCE)

        def open_it() -> None:
            sock.sendall(target.request())
            receive_head(sock)

        if not timed(open_it, figures.opening):
            figures.echoes.append(math.inf)
            return
        turn = 0
        while not figures.echoes or time.perf_counter() < end:
            one = exchanges[turn % 2]

            def ask() -> None:
                sock.sendall(one.sent)  # noqa: B023 - it is called at once
                if (reply := receive_exactly(sock, len(one.reply))) != one.reply:  # noqa: B023
                    raise WrongReply(f"{reply!r} instead of the echo")

            if not timed(ask, figures.echoes):
                return
            turn += 1
            time.sleep(PAUSE)


def milliseconds(seconds: float) -> str:
    """Show a duration."""
    return number(1000 * seconds) if seconds < math.inf else f"> {1000 * PATIENCE:,.0f}"


def shown(attack: Attack, found: dict[str, Figures]) -> str:
    """Make the table of one attack, the quickest first."""
    rows: list[tuple[str, ...]] = [(attack.title, "ms: median", "p99", "until it is open", "echoes")]
    for name, each in sorted(found.items(), key=lambda item: statistics.median(item[1].echoes)):
        median, opening = statistics.median(each.echoes), max(each.opening)
        came = sum(1 for echo in each.echoes if echo < math.inf)
        rows.append(
            (name, milliseconds(median), milliseconds(percentile(each.echoes, 0.99)), milliseconds(opening), str(came))
        )
    return table(rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/latency.py", description="Measure how long a client waits for its echo beside two that attack."
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--quick", action="store_true", help="1 round of a second instead of 3 of two")
    pace.add_argument("--smoke", action="store_true", help="a moment each: whether it runs, no figures")
    parser.add_argument("--only", metavar="SERVER,...", help=", ".join(each.name for each in SERVERS))
    parser.add_argument("--attacks", metavar="ATTACK,...", help=", ".join(each.name for each in ATTACKS))
    parser.add_argument(
        "--here", action="store_true", help="install nothing: this Python, this checkout's src/, what is there of peers"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    given = parser.parse_args()
    for option, known in (("only", [each.name for each in SERVERS]), ("attacks", [each.name for each in ATTACKS])):
        names = getattr(given, option).split(",") if getattr(given, option) else known
        if unknown := sorted(set(names) - set(known)):
            parser.error(f"--{option}: no {', '.join(unknown)}; there are {', '.join(known)}")
        setattr(given, option, names)
    return given


def main() -> int:
    given = arguments()
    end_as_ctrl_c_does()
    rounds, seconds = (1, 0.1) if given.smoke else (1, 1.0) if given.quick else (3, 2.0)
    servers = [each for each in SERVERS if each.name in given.only]
    attacks = [each for each in ATTACKS if each.name in given.attacks]
    environment = (here() if given.here else installed()).look(
        (package for each in servers for package in each.packages), ()
    )
    on, usage = machine(), Usage()
    began = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    core, _ = share_cores()
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions.items())
    print(f"{began}: {on}\n{environment.name}, {versions}")
    found: dict[str, dict[str, Figures]] = {each.name: {} for each in attacks}
    skipped: dict[str, str] = {}
    interrupted = False
    progress = Progress(rounds * len(servers) * len(attacks))
    with Fleet(environment.python, environment.variables, core) as fleet:
        try:
            for turn in range(rounds):
                for attack in attacks:
                    for server in random.sample(servers, len(servers)):
                        progress.step(attack.title, f"{server.name}, round {turn + 1} of {rounds}")
                        if absent := [each for each in server.packages if each not in environment.versions]:
                            skipped[server.name] = f"{', '.join(absent)} is not installed"
                            continue
                        if turn and progress.minutes > MINUTES:
                            continue
                        try:
                            port = fleet.serving(server).port
                            with attacked(port, attack, seconds + 2 * PATIENCE):
                                one_round(port, seconds, found[attack.name].setdefault(server.name, Figures()))
                        except (WrongReply, DoesNotStart, OSError) as error:
                            skipped[f"{server.name}, {attack.name}"] = f"failed: {type(error).__name__}: {error}"
                            found[attack.name].pop(server.name, None)
                        fleet.stop(server)  # what it still has to do is no part of the next round
        except KeyboardInterrupt:
            interrupted = True
            print("\ninterrupted: this is what there was", file=sys.stderr)
    progress.end()
    print("\n## How long an echo takes beside two attackers")
    for attack in attacks:
        if found[attack.name]:
            print(f"\n{shown(attack, found[attack.name])}")
    for name, why in skipped.items():
        print(f"not measured: {name}: {why}")
    print(f"\n{(others := usage.by_others())}")
    if given.json:
        seen = {name: {who: dataclasses.asdict(each) for who, each in by.items()} for name, by in found.items()}
        about = {"began": began, "machine": dataclasses.asdict(on), "others": dataclasses.asdict(others)}
        about |= {"versions": environment.versions, "figures": seen, "skipped": skipped}
        given.json.write_text(json.dumps(about, indent=1) + "\n")
    failed = any(reason.startswith("failed") for reason in skipped.values())
    return 130 if interrupted else 1 if failed or not any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
