"""The tables that are printed, and the JSON that is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from bench.contenders import CONTENDERS, Contender
from bench.environment import Environment
from bench.goals import judge
from bench.machine import Machine
from bench.measure import Figure, Pace, Results
from bench.modes import MEMORY, MODES, Mode

__all__ = ["as_json", "figures", "goals", "ratios", "skipped"]


def number(value: float) -> str:
    """Show three digits that mean something, as differences below 1.3 mean little."""
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def table(rows: Iterable[Sequence[str]]) -> str:
    """Align: the first column to the left, the others to the right."""
    rows = list(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join((row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))))
        for row in rows
    ]
    return "\n".join((lines[0], "-" * len(lines[0]), *lines[1:]))


def _measured(results: Results) -> list[Mode]:
    return [mode for mode in MODES if results.figures.get(mode.name)]


def figures(results: Results) -> str:
    """Show what each server cost in each mode, the cheapest first."""
    parts = []
    for mode in _measured(results):
        by_cost = sorted(results.figures[mode.name].items(), key=lambda item: item[1].best)
        rows: list[tuple[str, ...]]
        if mode is MEMORY:
            rows = [
                (mode.title, f"KiB, at {results.idle_connections:,}"),
                *((name, number(figure.best)) for name, figure in by_cost),
            ]
        else:
            rows = [
                (mode.title, f"CPU us per {mode.thing}: best", "median", "max/min", f"{mode.thing}s/s, best"),
                *(
                    (name, number(f.best), number(f.median), f"{f.spread:.2f}", number(max(f.rate)))
                    for name, f in by_cost
                ),
            ]
        parts.append(table(rows))
    return "\n\n".join(parts)


def ratios(results: Results) -> str:
    """Show wscore's best figure by each peer's best on the same loop; below 1 wscore is cheaper."""
    parts = []
    for ours in (each for each in CONTENDERS if each.role == "ours"):
        peers = [each for each in CONTENDERS if each.loop == ours.loop and each.role != "ours"]
        peers = [each for each in peers if any(each.name in of for of in results.figures.values())]
        rows = [_ratios(mode, ours, peers, results) for mode in _measured(results)]
        rows = [row for row in rows if any(cell != "-" for cell in row[1:])]
        if rows:
            parts.append(table([(f"{ours.name} / peer", *(peer.name for peer in peers)), *rows]))
    return "\n\n".join(parts)


def _ratios(mode: Mode, ours: Contender, peers: Sequence[Contender], results: Results) -> tuple[str, ...]:
    own = results.best(mode.name, ours.name)
    others = [results.best(mode.name, peer.name) for peer in peers]
    return (mode.title, *("-" if own is None or not other else f"{own / other:.2f}" for other in others))


def goals(results: Results) -> str:
    """Show for each goal what was reached; those that nothing was measured for are counted only."""
    titles = {mode.name: mode.title for mode in MODES}
    rows = [("goal", "wscore on", "against", "at most", "reached", "met")]
    verdicts = judge(results)
    for verdict in verdicts:
        goal = verdict.goal
        if verdict.reached is None:
            continue
        rows.append(
            (
                titles[goal.mode],
                goal.ours.removeprefix("wscore-"),
                goal.against or "(KiB)",
                f"{goal.limit:g}",
                f"{verdict.reached:.2f}",
                "yes" if verdict.met else "NO",
            )
        )
    met = sum(verdict.met is True for verdict in verdicts)
    return (
        table(rows) + "\n\n" if len(rows) > 1 else ""
    ) + f"{met} of {len(rows) - 1} met; {len(verdicts) - len(rows) + 1} not measured in this run"


def skipped(results: Results) -> str:
    """Say who is missing where, and why; servers that are missing for the same reason share a line."""
    titles = {mode.name: mode.title for mode in MODES}
    lines: dict[tuple[str, str], list[str]] = {}
    for mode, reasons in results.skipped.items():
        for server, reason in reasons.items():
            lines.setdefault((titles.get(mode, "everywhere"), reason), []).append(server)
    return "\n".join(f"{where}: {', '.join(servers)}: {reason}" for (where, reason), servers in lines.items())


def as_json(results: Results, machine: Machine, environment: Environment, pace: Pace, began: str) -> dict[str, Any]:
    """Give everything, each round among it, as what `json.dump` takes."""
    return {
        "format": 1,
        "began": began,
        "machine": dataclasses.asdict(machine),
        "python": environment.name,
        "versions": environment.versions,
        "pace": dataclasses.asdict(pace),
        "modes": [
            {
                "name": mode.name,
                "title": mode.title,
                "unit": "KiB" if mode is MEMORY else f"CPU us per {mode.thing}",
                "servers": {name: _figure(figure) for name, figure in results.figures[mode.name].items()},
            }
            for mode in _measured(results)
        ],
        "skipped": results.skipped,
        "hurried": results.hurried,
        "goals": [
            {**dataclasses.asdict(verdict.goal), "reached": verdict.reached, "met": verdict.met}
            for verdict in judge(results)
        ],
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "best": figure.best,
        "median": figure.median,
        "spread": figure.spread,
        "rounds": figure.cost,
        "per_second": figure.rate,
    }
