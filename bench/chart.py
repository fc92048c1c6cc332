"""The chart for the README: one panel per mode, in it a group of bars per event loop; machine and versions below."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape
from typing import Final, get_args

from bench.contenders import CONTENDERS, MAIN, Loop
from bench.environment import Environment
from bench.machine import Machine, OthersWork
from bench.measure import Figure, Results
from bench.modes import MODES, Mode
from bench.report import number

__all__ = ["SHOWN", "chart"]

SHOWN: Final = (
    "one-32",
    "connect",
    "burst-32B-text",
    "burst-1KiB-text",
    "burst8-64KiB-binary",
    "burst-64KiB-binary",
    "burst-1MiB-binary",
    "memory",
)

COLUMNS: Final = 2
WIDTH, NAMES, VALUES = 480, 150, 48
BAR, GAP, GROUP, HEAD, MARGIN = 13, 4, 20, 36, 18

BARS: Final = {each.name: each for each in CONTENDERS if each in MAIN or each.role == "floor"}

# A page of its own colour, so that it can be read wherever it is shown, and the viewer's scheme where that is known.
STYLE: Final = """
svg{font:11px system-ui,sans-serif}
.page{fill:#fff}text{fill:#24292f}.soft{fill:#57606a}.strong{font-weight:600}.title{font-size:15px;font-weight:600}
.name{text-anchor:end}.ours{fill:#0b7a56}.peer{fill:#8aa0b8}.floor{fill:#d0d7de}.spread{stroke:#24292f}
@media (prefers-color-scheme:dark){
.page{fill:#0d1117}text{fill:#e6edf3}.soft{fill:#9198a1}.ours{fill:#2eb67d}.peer{fill:#5b708a}.floor{fill:#3d444d}
.spread{stroke:#e6edf3}}
"""


def chart(results: Results, machine: Machine, others: OthersWork, environment: Environment, began: str) -> str:
    """Draw what was measured of the modes that are shown; an SVG document."""
    by_name = {mode.name: mode for mode in MODES}
    modes = [by_name[name] for name in SHOWN if any(_groups(name, results).values())]
    parts: list[str] = []
    y = MARGIN + 28
    for start in range(0, len(modes), COLUMNS):
        heights = []
        for column, mode in enumerate(modes[start : start + COLUMNS]):
            drawn, height = _panel(mode, results, MARGIN + column * (WIDTH + MARGIN), y)
            parts.append(drawn)
            heights.append(height)
        y += max(heights) + MARGIN
    width = MARGIN + COLUMNS * (WIDTH + MARGIN)
    y += MARGIN
    for line in _captions(machine, others, environment, began):
        parts.append(_text(MARGIN, y, line, "soft"))
        y += 15
    title = "What WebSocket servers cost on asyncio, uvloop and trio: less is better"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}" role="img" '
        f'aria-label="{title}">\n<style>{STYLE}</style>\n'
        f'<rect width="{width}" height="{y}" class="page"/>\n'
        + _text(MARGIN, MARGIN + 6, title, "title")
        + "".join(parts)
        + "</svg>\n"
    )


def _groups(mode: str, results: Results) -> dict[Loop, list[tuple[str, Figure]]]:
    """Give the bars of a panel by loop, the cheapest first."""
    loops: Sequence[Loop] = get_args(Loop)
    figures = sorted(results.figures.get(mode, {}).items(), key=lambda item: item[1].median)
    return {loop: [each for each in figures if each[0] in BARS and BARS[each[0]].loop == loop] for loop in loops}


def _panel(mode: Mode, results: Results, x: int, y: int) -> tuple[str, int]:
    groups = _groups(mode.name, results)
    longest = max(figure.quartiles.upper for group in groups.values() for _, figure in group) or 1
    idle = f", {results.idle[mode.name]:,} connections" if mode.idle else ""
    unit = mode.unit.replace("us", "\N{MICRO SIGN}s") + idle
    parts = [_text(x, y + 12, mode.title, "strong"), _text(x, y + 27, unit, "soft")]
    top = y
    y += HEAD
    for loop, group in groups.items():
        if not group:
            continue
        parts.append(_text(x + NAMES - 6, y + 12, loop, "soft strong name"))
        y += GROUP
        for name, figure in group:
            parts.append(_bar(name, figure, x, y, (WIDTH - NAMES - VALUES) / longest))
            y += BAR + GAP
    return "".join(parts), y - top


def _bar(name: str, figure: Figure, x: int, y: int, scale: float) -> str:
    role, spread = BARS[name].role, figure.quartiles
    strong = " strong" if role == "ours" else ""
    left, right = (x + NAMES + each * scale for each in (spread.lower, spread.upper))
    end = x + NAMES + max(1.0, scale * spread.median)
    middle = y + BAR / 2
    return (
        _text(x + NAMES - 6, y + 10, name, f"name{strong}")
        + f'<rect x="{x + NAMES}" y="{y}" width="{end - x - NAMES:.1f}" height="{BAR}" class="{role}"/>\n'
        + f'<path d="M{left:.1f} {middle}H{right:.1f}" class="spread"/>\n'
        + _text(int(max(end, right)) + 4, y + 10, number(spread.median), strong.strip())
    )


def _captions(machine: Machine, others: OthersWork, environment: Environment, began: str) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions.items())
    said = (
        "CPU time of the server, user and system, from the scheduler's accounting: the median of interleaved rounds on "
        "loopback; the line through a bar's end is the middle half of them. Differences below 1.1 times are no "
        "findings. tcp-...: an echo without any protocol, the floor.",
        f"{began}: {machine}; {others}.",
        f"{environment.name}, {versions}.",
    )
    return [line for text in said for line in textwrap.wrap(text, 165)]


def _text(x: int, y: int, text: str, style: str) -> str:
    named = f' class="{style}"' if style else ""
    return f'<text x="{x}" y="{y}"{named}>{escape(text)}</text>\n'
