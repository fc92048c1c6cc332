"""One HTML page for any number of reports, side by side. It asks nothing of any host, and has no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from ..outcome import Outcome, Result
from ..transcript import Row
from .document import Report

__all__ = ["write"]

_SHORT: Final = {
    Outcome.PASS: ("pass", "pass"),
    Outcome.LENIENT: ("lenient", "lenient"),
    Outcome.FAIL: ("fail", "fail"),
    Outcome.NO_ANSWER: ("silent", "no answer"),
    Outcome.NOT_APPLICABLE: ("apart", "n/a"),
}

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --faint: #8882;
  --pass: light-dark(#176f2c, #63d17f); --lenient: light-dark(#8a5a00, #e9b44c); --fail: light-dark(#b3261e, #ff8a80);
  --apart: light-dark(#5b6570, #9aa5b1); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .6rem; vertical-align: top; }
td, th { border-bottom: 1px solid var(--line); } thead th { position: sticky; top: 0; background: Canvas; }
.number { text-align: right; font-variant-numeric: tabular-nums; } code { font: 13px/1.4 ui-monospace, monospace; }
.pass { color: var(--pass); } .lenient { color: var(--lenient); } .apart { color: var(--apart); }
.fail, .silent { color: var(--fail); font-weight: 600; } .source { color: var(--apart); white-space: nowrap; }
summary { cursor: pointer; } details div { margin: .4rem 0; overflow-x: auto; } .says { font-weight: 400; }
.talk { border-left: 3px solid var(--line); padding-left: .6rem; } .talk td { border: 0; padding: .1rem .6rem .1rem 0; }
.talk code { overflow-wrap: anywhere; } .talk .number { white-space: nowrap; }
.probe { color: var(--apart); } label { margin-right: 1rem; }
body:has(#only:checked) tr.fine { display: none; } body:has(#differ:checked) tr.same { display: none; }
"""


def write(reports: Sequence[Report]) -> str:
    """Return the page."""
    names = " / ".join(report.name for report in reports)
    families: dict[str, list[str]] = {}
    for report in reports:
        for result in report.results:
            ids = families.setdefault(result.family, [])
            if result.id not in ids:
                ids.append(result.id)
    found = [{result.id: result for result in report.results} for report in reports]
    differ = '<label><input type="checkbox" id="differ"> only where they differ</label>' if len(reports) > 1 else ""
    body = "\n".join(_family(family, ids, reports, found) for family, ids in families.items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>WebSocket conformance: {escape(names)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>WebSocket conformance</h1>
{_summary(reports)}
<p>A <b class="pass">pass</b> keeps every MUST and every SHOULD. A <b class="lenient">lenient</b> pass keeps every MUST.
A <b class="fail">fail</b> broke one. <b class="fail">No answer</b>: what had to come did not, in time.
<b class="apart">n/a</b>: the case is about something that the peer does not take part in.</p>
<p><label><input type="checkbox" id="only"> only what did not pass</label>{differ}</p>
{body}
</body>
</html>
"""


def _summary(reports: Sequence[Report]) -> str:
    head = "".join(f'<th class="number">{escape(_SHORT[outcome][1])}</th>' for outcome in Outcome)
    rows = ""
    for report in reports:
        counts = report.counts()
        cells = "".join(
            f'<td class="number{f" {_SHORT[outcome][0]}" if counts[outcome] else ""}">{counts[outcome]}</td>'
            for outcome in Outcome
        )
        rows += (
            f"<tr><th>{escape(report.name)}</th><td>{report.end}</td>{cells}"
            f'<td class="number">{report.seconds:.1f} s</td>'
            f"<td>{escape(report.started)}</td><td>{escape(report.tool)}</td></tr>\n"
        )
    return (
        f"<table><thead><tr><th>peer</th><th>end</th>{head}<th class='number'>time</th><th>date</th><th>by</th></tr>"
        f"</thead><tbody>\n{rows}</tbody></table>"
    )


def _family(family: str, ids: Sequence[str], reports: Sequence[Report], found: Sequence[dict[str, Result]]) -> str:
    head = "".join(f"<th>{escape(report.name)}</th>" for report in reports)
    rows = "\n".join(_case(id, [results.get(id) for results in found]) for id in ids)
    return (
        f'<h2 id="{escape(family)}">{escape(family)}</h2>\n<table><thead><tr><th>case</th>{head}</tr></thead>'
        f"<tbody>\n{rows}\n</tbody></table>"
    )


def _case(id: str, results: Sequence[Result | None]) -> str:
    first = next(result for result in results if result is not None)
    outcomes = {result.outcome if result is not None else None for result in results}
    kinds = ["fine"] if outcomes == {Outcome.PASS} else []
    kinds += ["same"] if len(outcomes) == 1 else []
    cells = "".join(_cell(result) for result in results)
    return (
        f'<tr class="{" ".join(kinds)}" id="{escape(id)}"><td><code>{escape(id)}</code><br>{escape(first.title)} '
        f'<span class="source">{escape(first.source)}</span></td>{cells}</tr>'
    )


def _cell(result: Result | None) -> str:
    if result is None:
        return '<td class="apart">not run</td>'
    kind, word = _SHORT[result.outcome]
    says = f'<div class="says">{escape(result.says)}</div>' if result.says else ""
    talk = "\n".join(map(_row, result.conversation))
    return (
        f'<td><details><summary class="{kind}">{word}{says}</summary><div class="talk">'
        f"<table>{talk}</table>{result.seconds * 1000:.0f} ms</div></details></td>"
    )


def _row(row: Row) -> str:
    arrow = "→" if row["by"] == "probe" else "←"
    note = escape(row["note"])
    if "hex" in row and "size" in row:
        note += f"{' ' if note else ''}<code>{escape(_bytes(row['hex'], row['size']))}</code> ({row['size']:,} bytes)"
    return (
        f'<tr class="{row["by"]}"><td class="number">{row["at"] * 1000:.1f} ms</td><td>{arrow}</td><td>{note}</td></tr>'
    )


def _bytes(kept: str, size: int) -> str:
    """Return the beginning of some bytes: a head as text, all else in hexadecimal."""
    data = bytes.fromhex(kept)
    if data.startswith((b"GET ", b"HTTP/")):
        shown = data[:300]
        text = shown.decode("latin-1").replace("\r\n", "\u240d\u240a ")
    else:
        shown = data[:48]
        text = shown.hex(" ")
    return text + ("\u2026" if len(shown) < size else "")
