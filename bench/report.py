"""The tables that are printed, and the JSON that is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from bench.contenders import CLIENTS, CONTENDERS
from bench.distribution import Quartiles, quartiles
from bench.goals import judge
from bench.measure import Figure, Results
from bench.modes import MODES, Mode

__all__ = ["as_json", "figures", "goals", "number", "ratios", "skipped", "spread", "table"]


def number(value: float) -> str:
    """Show three digits that mean something, as differences below 1.3 mean little."""
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def spread(found: Quartiles) -> str:
    """Show where the middle half of the rounds lies."""
    return f"{number(found.lower)}-{number(found.upper)}"


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
    return "\n\n".join(_figures(mode, results) for mode in _measured(results))


def _figures(mode: Mode, results: Results) -> str:
    by_cost = sorted(results.figures[mode.name].items(), key=lambda item: item[1].median)
    unit = f"{mode.unit}, {results.idle[mode.name]:,} idle" if mode.idle else mode.unit
    also = list(dict.fromkeys(name for _, figure in by_cost for name in figure.also))
    rates = any(figure.rate for _, figure in by_cost)
    rows = [(mode.title, f"{unit}: median", "quartiles", *also, *([f"{mode.thing}s/s"] if rates else []))]
    for name, figure in by_cost:
        besides = [number(quartiles(figure.also[each]).median) for each in also]
        rate = [number(quartiles(figure.rate).median)] if rates else []
        rows.append((name, number(figure.median), spread(figure.quartiles), *besides, *rate))
    return table(rows)


def ratios(results: Results) -> str:
    """Show wscore's figure by each peer's on the same loop, paired round by round; below 1 wscore is cheaper."""
    parts = []
    for ours in (each for each in CONTENDERS if each.role == "ours"):
        loop = [each for each in (*CONTENDERS, *CLIENTS) if each.loop == ours.loop and each.role != "ours"]
        measured = {name for of in results.figures.values() for name in of}
        peers = [name for name in dict.fromkeys(each.name for each in loop) if name in measured]
        rows = [
            (mode.title, *(_ratio(results.ratio(mode.name, ours.name, peer)) for peer in peers))
            for mode in _measured(results)
        ]
        rows = [row for row in rows if any(cell != "-" for cell in row[1:])]
        if rows:
            parts.append(table([(f"{ours.name} / peer", *peers), *rows]))
    return "\n\n".join(parts)


def _ratio(found: Quartiles | None) -> str:
    return "-" if found is None else f"{found.median:.2f} ({found.lower:.2f}-{found.upper:.2f})"


def goals(results: Results) -> str:
    """Show for each goal what was reached; those that nothing was measured for are counted only."""
    titles = {mode.name: mode.title for mode in MODES}
    units = {mode.name: mode.unit for mode in MODES}
    rows = [("goal", "wscore on", "against", "at most", "reached", "quartiles", "")]
    verdicts = judge(results)
    for verdict in verdicts:
        goal = verdict.goal
        if verdict.reached is None:
            continue
        rows.append(
            (
                titles[goal.mode],
                goal.ours.removeprefix("wscore-"),
                titles[goal.in_mode].rpartition(": ")[2] if goal.in_mode else goal.against or f"({units[goal.mode]})",
                f"{goal.limit:g}",
                f"{verdict.reached.median:.2f}",
                f"{verdict.reached.lower:.2f}-{verdict.reached.upper:.2f}",
                "met" if verdict.met else "MISSED",
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


def as_json(results: Results) -> dict[str, Any]:
    """Give everything, each round among it, as what `json.dump` takes."""
    return {
        "format": 2,
        "modes": [
            {
                "name": mode.name,
                "title": mode.title,
                "unit": mode.unit,
                "idle": results.idle.get(mode.name, 0),
                "servers": {name: _figure(figure) for name, figure in results.figures[mode.name].items()},
            }
            for mode in _measured(results)
        ],
        "skipped": results.skipped,
        "hurried": results.hurried,
        "goals": [
            {
                **dataclasses.asdict(verdict.goal),
                "reached": verdict.reached._asdict() if verdict.reached else None,
                "met": verdict.met,
            }
            for verdict in judge(results)
        ],
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {**figure.quartiles._asdict(), "rounds": figure.cost, "per_second": figure.rate, "also": figure.also}
