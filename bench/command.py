"""What `run.py` and `clients.py` do: they differ in what they measure."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import random
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import chart, report
from bench.contenders import CONTENDERS, MAIN, Contender
from bench.environment import here, installed
from bench.machine import Usage, machine
from bench.measure import Pace, measure
from bench.modes import Mode
from bench.processes import end_as_ctrl_c_does, share_cores

__all__ = ["measure_and_report"]

FULL = Pace(rounds=8, seconds=0.3, minutes=45, end=55)
QUICK = Pace(rounds=3, seconds=0.06, minutes=2, end=2.75, idle=0.2)
SMOKE = Pace(rounds=1, seconds=0.02, minutes=1, end=2, idle=0.002, share=0.005)


def arguments(program: str, modes: Sequence[Mode]) -> argparse.Namespace:
    """Read the command line; the names in it are those that `modes` have."""
    parser = argparse.ArgumentParser(
        prog=program, description="Measure what wscore and its peers cost, in one run on loopback."
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--quick", action="store_true", help="fewer and shorter rounds, of the main servers")
    pace.add_argument("--smoke", action="store_true", help="a handful of messages: whether it runs, no figures")
    names = list(dict.fromkeys(each.name for mode in modes for each in mode.contenders))
    titles = [mode.name for mode in modes]
    parser.add_argument("--only", metavar="NAME,...", help="whom: " + ", ".join(names))
    parser.add_argument("--modes", metavar="MODE,...", help="what: " + ", ".join(titles))
    parser.add_argument(
        "--here", action="store_true", help="install nothing: this Python, this checkout's src/, what is there of peers"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the chart")
    given = parser.parse_args()
    for option, known in (("only", names), ("modes", titles)):
        chosen = getattr(given, option).split(",") if getattr(given, option) else []
        if unknown := sorted(set(chosen) - set(known)):
            parser.error(f"--{option}: no {', '.join(unknown)}; there are {', '.join(known)}")
        setattr(given, option, chosen)
    return given


def chosen(given: argparse.Namespace, modes: Sequence[Mode]) -> tuple[list[Mode], set[Contender]]:
    """Give what is measured, and who: what was named, or else all, of which a quick run leaves out some."""
    what = [mode for mode in modes if mode.name in given.modes or not (given.modes or (given.quick and not mode.quick))]
    who = {each for mode in what for each in mode.contenders}
    if given.only:
        return what, {each for each in who if each.name in given.only}
    return what, who - (set(CONTENDERS) - set(MAIN)) if given.quick else who


def measure_and_report(program: str, measured: Sequence[Mode]) -> int:
    """Do it all, and give the exit status: a goal that is missed is no failure."""
    given = arguments(program, measured)
    end_as_ctrl_c_does()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the servers inherit it
    pace = QUICK if given.quick else SMOKE if given.smoke else FULL
    modes, contenders = chosen(given, measured)
    if not given.here:
        print("installing the peers and wscore into bench/.venv, where that is not done", file=sys.stderr)
    environment = (here() if given.here else installed()).look(
        (package for each in contenders for package in each.packages), (each.needs for each in contenders if each.needs)
    )
    on, usage = machine(), Usage()
    began = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    servers_core, load_core = share_cores()
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions.items())
    print(f"{began}: {on}\n{environment.name}, {versions}")
    if servers_core is None:
        print("one core only: servers and load share it, and the figures suffer")
    else:
        print(f"servers on core {servers_core}, load on core {load_core}")
    interrupted = False
    steps = measure(modes, contenders, environment, pace, core=servers_core, chance=random.Random())
    results = next(steps)
    try:
        for _ in steps:
            pass
    except KeyboardInterrupt:
        interrupted = True
        print("\ninterrupted: this is what there was", file=sys.stderr)
    finally:
        steps.close()
    others = usage.by_others()
    for title, text in (
        ("Figures", report.figures(results)),
        ("Ratios of paired rounds, median and quartiles: below 1 wscore costs less", report.ratios(results)),
        ("Goals", report.goals(results)),
        ("Not measured", report.skipped(results)),
    ):
        if text:
            print(f"\n## {title}\n\n{text}")
    if results.hurried:
        print(f"\nThe time was up; fewer rounds than {pace.rounds}: {', '.join(results.hurried)}")
    print(f"\n{others}")
    if given.json:
        about = {"began": began, "machine": dataclasses.asdict(on), "others": dataclasses.asdict(others)}
        about |= {"python": environment.name, "versions": environment.versions, "pace": dataclasses.asdict(pace)}
        given.json.write_text(json.dumps({**about, **report.as_json(results)}, indent=1) + "\n")
    if given.svg and any(results.figures.values()):
        given.svg.write_text(chart.chart(results, on, others, environment, began))
    failed = any(reason.startswith("failed") for reasons in results.skipped.values() for reason in reasons.values())
    return 130 if interrupted else 1 if failed or not any(results.figures.values()) else 0
