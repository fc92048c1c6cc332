"""A conversation as one page that needs nothing else: no script, no style and no picture from anywhere.

Rule of this file: everything that a peer may have said is escaped, and the page's own policy (Content-Security-Policy)
forbids the browser to load anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from decimal import Decimal
from html import escape
from typing import Final

from ... import Config
from ...recording import Recording, Replay
from ..escaping import escape_controls
from .conversation import Row
from .lifecycle_drawing import drawing
from .page_style import SCRIPT, STYLE

__all__ = ["page"]

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_FIRST, _LAST = 5000, 1000  # rows: a browser would take minutes for a hundred thousand
_DUMPED: Final = 4096  # bytes of a row
_LANES: Final = {"peer": 8, "wscore": 67, "application": 126}


def page(recording: Recording, rows: Sequence[Row], found: Replay) -> str:
    """Return the page; `found` is what the replay gave."""
    differs = None if found.difference is None else found.difference.line
    name = recording.name.rpartition("/")[2]
    state = "AWAITING_REQUEST" if recording.server else "AWAITING_RESPONSE"
    way = [state, *(row.state for row in rows if row.state is not None)]
    drawn: list[str] = []
    for number, row in enumerate(rows):
        state = row.state or state
        if number < _FIRST or number >= len(rows) - _LAST or row.line == differs:
            drawn.append(_row(row, state, differs=row.line == differs))
        elif number == _FIRST:
            drawn.append(f'<p class="quiet">{len(rows) - _FIRST - _LAST:,} rows are left out here.</p>')
    other = "client" if recording.server else "server"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
            f"<title>{_text(name)}</title>",
            f"<style>{STYLE}</style></head><body>",
            f"<h1>{_text(name)}</h1>",
            f'<p class="quiet">{_text(_about(recording))}</p>',
            f'<p class="verdict{" differs" if differs else ""}">{_text(_verdict(recording, found))}</p>',
            "<main><section>",
            f'<div class="rows"><div class="head"><span class="time">seconds</span>'
            f"<span>{other} · wscore · app</span><span>what</span></div>",
            *drawn,
            "</div>",
            f"<p>cut: {_text(recording.cut)}</p>" if recording.cut is not None else "",
            "</section><aside>",
            drawing(way, server=recording.server),
            "<h2>Configuration</h2>",
            _facts(_settings(recording)),
            "</aside></main>",
            f"<script>{SCRIPT}</script></body></html>",
            "",
        ]
    )


def _about(recording: Recording) -> str:
    header = recording.header
    credentials = "redacted" if header["redacted"] else "kept"
    return (
        f"A {header['end']}'s connection, recorded by wscore {header.get('wscore', '?')} on {header.get('time', '?')}; "
        f"payloads {header['payloads']}, credentials {credentials}. Each row unfolds."
    )


def _verdict(recording: Recording, found: Replay) -> str:
    if (difference := found.difference) is not None:
        recorded, came = (_short(value) for value in (difference.recorded, difference.came))
        return (
            f"A replay differs at line {difference.line}, {difference.call} at {difference.at:f} s: "
            f"{difference.what} was {recorded}, and came as {came}."
        )
    if found.untold is not None:
        return f"A replay goes as recorded for {found.same} calls; {found.untold}."
    return f"A replay goes as recorded: all of {len(recording.lines)} calls."


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _settings(recording: Recording) -> list[tuple[str, str]]:
    """Return what was configured other than by default."""
    defaults = Config()
    found: list[tuple[str, str]] = []
    for each in dataclasses.fields(Config):
        value = recording.header["config"].get(each.name)
        value = float(value) if isinstance(value, Decimal) else value
        if value != getattr(defaults, each.name):
            found.append((each.name, str(value)))
    return found or [("", "the defaults")]


def _row(row: Row, state: str, *, differs: bool) -> str:
    entered = "" if row.state is None else f'<span class="state">{row.state}</span>'
    return (
        f'<details class="row{" differs" if differs else ""}" data-state="{state}"><summary>'
        f'<span class="time">{row.at:.3f}</span>{_arrow(row)}'
        f'<span class="title">{_text(row.title)}{entered}</span></summary>'
        f'<div class="more">{_facts(_details(row))}{_dump(row)}</div></details>'
    )


def _arrow(row: Row) -> str:
    """Draw the three life lines, and the arrow between two of them."""
    lines = "".join(f'<line x1="{x}" x2="{x}" y1="0" y2="20"/>' for x in _LANES.values())
    start, end = _LANES[row.sender], _LANES[row.receiver]
    if start == end:
        mark = f'<circle class="event" cx="{start}" cy="10" r="4"/>'
    else:
        kind = "peer" if "peer" in {row.sender, row.receiver} else "application"
        back = -7 if end > start else 7
        mark = (
            f'<line class="{kind}" x1="{start}" x2="{end}" y1="10" y2="10"/>'
            f'<path class="{kind}" d="M{end} 10l{back} -4v8z"/>'
        )
    label = f"{row.sender} to {row.receiver}" if start != end else "event"
    return (
        f'<svg class="lanes" viewBox="0 0 134 20" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f"{lines}{mark}</svg>"
    )


def _details(row: Row) -> Iterator[tuple[str, str]]:
    yield "line", str(row.line)
    yield "at", f"{row.at:f} s"
    if row.section:
        yield "section", row.section
    yield from row.facts
    if row.due is not None:
        yield "deadline", f"{row.due:f} s"
    if row.left_out:
        yield "left out", f"{row.left_out:,} bytes"


def _facts(facts: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{_text(name)}</dt><dd>{_text(value)}</dd>' for name, value in facts)}</dl>"


def _dump(row: Row) -> str:
    """Show the bytes in hexadecimal, with what is printable beside them."""
    if not row.data:
        return ""
    lines: list[str] = []
    for at in range(0, min(len(row.data), _DUMPED), 16):
        piece = row.data[at : at + 16]
        printable = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        lines.append(f"{at:04x}  {piece.hex(' '):<47}  {printable}")
    if len(row.data) > _DUMPED:
        lines.append(f"and {len(row.data) - _DUMPED:,} bytes more")
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def _text(value: object) -> str:
    return escape(escape_controls(str(value)))
