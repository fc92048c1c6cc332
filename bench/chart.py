"""The chart for the README: one panel per mode, one bar per server, the machine and the versions below."""

from __future__ import annotations

import textwrap
from html import escape
from typing import Final

from bench.contenders import CONTENDERS
from bench.environment import Environment
from bench.machine import Machine
from bench.measure import Results
from bench.modes import MEMORY, MODES, Mode
from bench.report import number

__all__ = ["chart"]

SHOWN: Final = ("one-32", "burst-32B-text", "burst-1KiB-text", "burst-64KiB-binary", "connect", "memory")

COLUMNS: Final = 2
WIDTH, NAMES, VALUES = 480, 160, 56
BAR, GAP, HEAD, MARGIN = 14, 4, 40, 16
COLOURS: Final = {"ours": "#0b6e4f", "peer": "#8aa0b8", "floor": "#d4d9df"}
ROLES: Final = {each.name: each.role for each in CONTENDERS}


def chart(results: Results, machine: Machine, environment: Environment, began: str) -> str:
    """Draw what was measured of the modes that are shown; an SVG document."""
    modes = [mode for mode in MODES if mode.name in SHOWN and results.figures.get(mode.name)]
    parts: list[str] = []
    y = MARGIN + 24
    for start in range(0, len(modes), COLUMNS):
        row = modes[start : start + COLUMNS]
        parts.extend(_panel(mode, results, MARGIN + column * (WIDTH + MARGIN), y) for column, mode in enumerate(row))
        y += HEAD + max(len(results.figures[mode.name]) for mode in row) * (BAR + GAP) + MARGIN
    width = MARGIN + COLUMNS * (WIDTH + MARGIN)
    y += MARGIN
    for line in _captions(machine, environment, began):
        parts.append(_text(MARGIN, y, line, "fill:#57606a"))
        y += 15
    title = "What WebSocket servers cost: less is better"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}" role="img" '
        f'aria-label="{title}" style="font:11px system-ui,sans-serif">\n'
        f'<rect width="{width}" height="{y}" fill="#fff"/>\n'
        + _text(MARGIN, MARGIN + 6, title, "font-size:15px;font-weight:600")
        + "".join(parts)
        + "</svg>\n"
    )


def _panel(mode: Mode, results: Results, x: int, y: int) -> str:
    unit = "KiB of memory" if mode is MEMORY else f"CPU \N{MICRO SIGN}s per {mode.thing}"
    by_cost = sorted((figure.best, name) for name, figure in results.figures[mode.name].items())
    longest = by_cost[-1][0] or 1
    parts = [
        _text(x, y + 14, mode.title, "font-weight:600"),
        _text(x, y + 28, unit, "fill:#57606a"),
    ]
    y += HEAD
    for cost, name in by_cost:
        length = max(1.0, (WIDTH - NAMES - VALUES) * cost / longest)
        weight = ";font-weight:600" if ROLES[name] == "ours" else ""
        parts.append(_text(x + NAMES - 6, y + 11, name, f"text-anchor:end{weight}"))
        parts.append(
            f'<rect x="{x + NAMES}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{COLOURS[ROLES[name]]}"/>\n'
        )
        parts.append(_text(x + NAMES + int(length) + 4, y + 11, number(cost), f"fill:#24292f{weight}"))
        y += BAR + GAP
    return "".join(parts)


def _captions(machine: Machine, environment: Environment, began: str) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions.items())
    said = (
        "CPU time of the server, user and system, from the scheduler's accounting; best of interleaved rounds on "
        "loopback. Differences below 1.3 times are no findings. tcp-...: an echo without any protocol, the floor.",
        f"{began}: {machine}.",
        f"{environment.name}, {versions}.",
    )
    return [line for text in said for line in textwrap.wrap(text, 165)]


def _text(x: int, y: int, text: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" style="{style}">{escape(text)}</text>\n'
