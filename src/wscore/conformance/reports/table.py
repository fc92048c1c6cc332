"""The terminal's table: a line for each family, and a line for each case that did not pass."""

from __future__ import annotations

from collections import Counter
from typing import Final

from ..outcome import Outcome
from .document import Report

__all__ = ["lines"]

_COLUMNS: Final = (Outcome.PASS, Outcome.LENIENT, Outcome.FAIL, Outcome.NO_ANSWER, Outcome.NOT_APPLICABLE)


def lines(report: Report) -> list[str]:
    """Return the table, then what did not pass, and a line that sums it up."""
    counts: dict[str, Counter[Outcome]] = {}
    for result in report.results:
        counts.setdefault(result.family, Counter())[result.outcome] += 1
    counts["all"] = report.counts()
    width = max(map(len, counts))
    text = [f"{'':{width}}" + "".join(f"  {outcome.value:>{len(outcome.value)}}" for outcome in _COLUMNS)]
    for family, found in counts.items():
        cells = "".join(f"  {found[outcome] or '.':>{len(outcome.value)}}" for outcome in _COLUMNS)
        text.append(f"{family:{width}}{cells}")
    for outcome in (Outcome.FAIL, Outcome.NO_ANSWER, Outcome.LENIENT, Outcome.NOT_APPLICABLE):
        listed = [result for result in report.results if result.outcome is outcome]
        if listed:
            text += ["", f"{outcome.value}:"]
        for result in listed:
            source = "" if "(RFC" in result.says else f" ({result.source})"
            text.append(f"  {result.id}: {result.says}{source}")
    verdict = "keeps" if report.passes(strict=False) else "does not keep"
    should = " and every SHOULD" if report.passes(strict=True) else ""
    text += ["", f"{report.name} {verdict} every MUST{should}: {len(report.results)} cases in {report.seconds:.1f} s"]
    return text
