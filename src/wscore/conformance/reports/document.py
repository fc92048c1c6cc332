"""A report, and its JSON: what a run found out about one peer. The format is in docs/reference/conformance.md."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast

from ..outcome import Outcome, Result
from ..transcript import Row

__all__ = ["FORMAT", "VERSION", "NotAReport", "Report", "read", "write"]

FORMAT: Final = "wscore conformance report"
VERSION: Final = 1


class NotAReport(Exception):
    """A file is no report: `str()` is one line that says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found out. `name` is what the peer is called, `started` an ISO 8601 time, `tool` what wrote it."""

    end: Literal["server", "client"]
    name: str
    tool: str
    started: str
    seconds: float
    patience: float
    results: Sequence[Result]

    def counts(self) -> Counter[Outcome]:
        """Return how many cases came to which outcome."""
        return Counter(result.outcome for result in self.results)

    def failures(self, *, strict: bool) -> int:
        """Return how many cases failed; with `strict` a lenient pass is a failure."""
        return sum((result.outcome.strict if strict else result.outcome.lenient) is False for result in self.results)

    def passes(self, *, strict: bool) -> bool:
        """Return whether no case failed; with `strict` a lenient pass is a failure."""
        return self.failures(strict=strict) == 0


def write(report: Report) -> str:
    """Return a report's JSON."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "tool": report.tool,
        "end": report.end,
        "name": report.name,
        "started": report.started,
        "seconds": round(report.seconds, 3),
        "patience": report.patience,
        "counts": {outcome.value: report.counts()[outcome] for outcome in Outcome},
        "cases": [
            {
                "id": result.id,
                "title": result.title,
                "source": result.source,
                "outcome": result.outcome.value,
                "strict": result.outcome.strict,
                "lenient": result.outcome.lenient,
                "says": result.says,
                "seconds": result.seconds,
                "conversation": result.conversation,
            }
            for result in report.results
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def read(file: Path) -> Report:
    """Read a report's JSON. Raises NotAReport."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise NotAReport(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise NotAReport(f"{file} is not JSON") from None
    if not isinstance(found, dict) or cast("dict[str, Any]", found).get("format") != FORMAT:
        raise NotAReport(f"{file} is no conformance report")
    document = cast("dict[str, Any]", found)
    if document.get("version") != VERSION:
        raise NotAReport(f"{file} has version {document.get('version')} of the format; {VERSION} is understood here")
    try:
        return Report(
            end="client" if document["end"] == "client" else "server",
            name=str(document["name"]),
            tool=str(document["tool"]),
            started=str(document["started"]),
            seconds=float(document["seconds"]),
            patience=float(document["patience"]),
            results=[_result(case) for case in document["cases"]],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NotAReport(f"{file} is a conformance report that lacks something: {error!r}") from None


def _result(case: dict[str, Any]) -> Result:
    return Result(
        id=str(case["id"]),
        title=str(case["title"]),
        source=str(case["source"]),
        outcome=Outcome(case["outcome"]),
        says=str(case["says"]),
        seconds=float(case["seconds"]),
        conversation=[_row(row) for row in case["conversation"]],
    )


def _row(found: dict[str, Any]) -> Row:
    row: Row = {
        "at": float(found["at"]),
        "by": "probe" if found["by"] == "probe" else "peer",
        "note": str(found["note"]),
    }
    if "hex" in found:
        row["size"], row["hex"] = int(found["size"]), bytes.fromhex(found["hex"]).hex()
    return row
