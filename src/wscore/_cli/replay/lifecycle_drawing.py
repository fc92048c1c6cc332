"""The table of states as a drawing (SVG), with the way that a connection has taken through it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from ..._core.lifecycle import CLIENT_TRANSITIONS, SERVER_TRANSITIONS, State, Step, Trigger

__all__ = ["drawing"]

_WIDTH, _COLUMN, _ROW = 380, 176, 74
_BOX: Final = (158, 30)


def drawing(way: Sequence[str], *, server: bool) -> str:
    """Return the drawing; `way` are the names of the states that were entered, in order."""
    table = SERVER_TRANSITIONS if server else CLIENT_TRANSITIONS
    places = _places(table)
    taken = set(itertools.pairwise(way))
    height = max(y for _, y in places.values()) + _BOX[1]
    parts = [
        f'<svg class="states" viewBox="0 0 {_WIDTH} {height + 20}" role="img" aria-label="the states of a connection, '
        f'and the way through them: {escape(", ".join(way))}">'
    ]
    edges = {(state.name, step.state.name) for state, row in table.items() for step in row.values()}
    for source, target in sorted(edges, key=lambda edge: (edge in taken, edge)):
        if source != target:
            kind = "edge taken" if (source, target) in taken else "edge"
            parts.append(f'<path class="{kind}" d="{_path(places[source], places[target])}"/>')
    for name, (x, y) in places.items():
        kind = "node entered" if name in way else "node"
        parts.append(
            f'<g class="{kind}" data-state="{name}"><title>{escape(State[name].value)}</title>'
            f'<rect x="{x - _BOX[0] // 2}" y="{y - _BOX[1] // 2}" width="{_BOX[0]}" height="{_BOX[1]}" rx="6"/>'
            f'<text x="{x}" y="{y + 4}">{name}</text></g>'
        )
    return "".join([*parts, "</svg>"])


def _places(table: Mapping[State, Mapping[Trigger, Step]]) -> dict[str, tuple[int, int]]:
    """Place each state below those that lead to it."""
    ranks = dict.fromkeys(table, 0)
    for _ in table:  # as many times as the longest way can be
        for state, row in table.items():
            for step in row.values():
                if step.state is not state:
                    ranks[step.state] = max(ranks[step.state], ranks[state] + 1)
    rows: dict[int, list[State]] = {}
    for state, rank in ranks.items():
        rows.setdefault(rank, []).append(state)
    return {
        state.name: (
            _WIDTH // 2 + (2 * index - len(states) + 1) * _COLUMN // 2,
            24 + rank * _ROW,
        )
        for rank, states in rows.items()
        for index, state in enumerate(states)
    }


def _path(source: tuple[int, int], target: tuple[int, int]) -> str:
    """Draw straight to the next row, and around whatever is between otherwise."""
    (x1, y1), (x2, y2) = source, target
    half = _BOX[1] // 2
    if y2 - y1 <= _ROW:
        return f"M{x1} {y1 + half}L{x2} {y2 - half}"
    aside = 6 if x1 <= _WIDTH // 2 and y2 - y1 > 2 * _ROW else _WIDTH - 6
    edge = _BOX[0] // 2 * (1 if aside > x1 else -1), _BOX[0] // 2 * (1 if aside > x2 else -1)
    return f"M{x1 + edge[0]} {y1}C{aside} {y1 + half} {aside} {y2 - half} {x2 + edge[1]} {y2}"
