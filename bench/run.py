"""The command: `python bench/run.py [--quick] ...`. See README.md beside it."""

from __future__ import annotations

import argparse
import datetime
import json
import resource
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # bench/ itself has files named like the peers

from bench import chart, report
from bench.contenders import CONTENDERS
from bench.environment import here, installed
from bench.machine import machine
from bench.measure import Pace, measure
from bench.modes import MODES
from bench.processes import end_as_ctrl_c_does, share_cores

FULL = Pace(rounds=5, seconds=0.4, idle_connections=5000, minutes=20)
QUICK = Pace(rounds=3, seconds=0.06, idle_connections=1000, minutes=2.5)
SMOKE = Pace(rounds=1, seconds=0.02, idle_connections=10, minutes=1, share=0.005)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/run.py", description="Measure what wscore and its peers cost, in one run on loopback."
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--quick", action="store_true", help="fewer and shorter rounds, 1,000 idle connections")
    pace.add_argument("--smoke", action="store_true", help="a handful of messages: whether it runs, no figures")
    parser.add_argument("--only", metavar="SERVER,...", help="servers: " + ", ".join(each.name for each in CONTENDERS))
    parser.add_argument("--modes", metavar="MODE,...", help="modes: " + ", ".join(each.name for each in MODES))
    parser.add_argument(
        "--here", action="store_true", help="install nothing: this Python, this checkout's src/, what is there of peers"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the chart")
    given = parser.parse_args()
    for option, known in (("only", [each.name for each in CONTENDERS]), ("modes", [each.name for each in MODES])):
        names = getattr(given, option).split(",") if getattr(given, option) else known
        if unknown := sorted(set(names) - set(known)):
            parser.error(f"--{option}: no {', '.join(unknown)}; there are {', '.join(known)}")
        setattr(given, option, names)
    return given


def main() -> int:
    given = arguments()
    end_as_ctrl_c_does()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the servers inherit it
    pace = QUICK if given.quick else SMOKE if given.smoke else FULL
    modes = [mode for mode in MODES if mode.name in given.modes]
    if not given.here:
        print("installing the peers and wscore into bench/.venv, where that is not done", file=sys.stderr)
    contenders = [each for mode in MODES for each in mode.contenders if each.name in given.only]
    environment = (here() if given.here else installed()).look(
        (package for each in contenders for package in each.packages), (each.needs for each in contenders if each.needs)
    )
    on = machine()
    began = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    servers_core, load_core = share_cores()
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions.items())
    print(f"{began}: {on}\n{environment.name}, {versions}")
    if servers_core is None:
        print("one core only: servers and load share it, and the figures suffer")
    else:
        print(f"servers on core {servers_core}, load on core {load_core}")
    interrupted = False
    steps = measure(modes, set(given.only), environment, pace, servers_core)
    results = next(steps)
    try:
        for _ in steps:
            pass
    except KeyboardInterrupt:
        interrupted = True
        print("\ninterrupted: this is what there was", file=sys.stderr)
    finally:
        steps.close()
    for title, text in (
        ("Figures", report.figures(results)),
        ("Ratios of the best rounds: below 1 wscore costs less", report.ratios(results)),
        ("Goals", report.goals(results)),
        ("Not measured", report.skipped(results)),
    ):
        if text:
            print(f"\n## {title}\n\n{text}")
    if results.hurried:
        print(f"\nThe time was up; fewer rounds than {pace.rounds}: {', '.join(results.hurried)}")
    if given.json:
        given.json.write_text(json.dumps(report.as_json(results, on, environment, pace, began), indent=1) + "\n")
    if given.svg and any(results.figures.values()):
        given.svg.write_text(chart.chart(results, on, environment, began))
    failed = any(reason.startswith("failed") for reasons in results.skipped.values() for reason in reasons.values())
    return 130 if interrupted else 1 if failed or not any(results.figures.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
