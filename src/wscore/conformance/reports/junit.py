"""JUnit's XML, for continuous integration: a failure for what broke a MUST, a skip for what does not apply."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from ..outcome import Outcome, Result
from .document import Report

__all__ = ["write"]


def write(report: Report, *, strict: bool = False) -> str:
    """Return a report as one test suite; with `strict` a lenient pass is a failure."""
    skipped = report.counts()[Outcome.NOT_APPLICABLE]
    head = (
        f"<testsuite name={quoteattr(_printable(f'wscore conformance {report.end} {report.name}'))} "
        f'tests="{len(report.results)}" failures="{report.failures(strict=strict)}" errors="0" skipped="{skipped}" '
        f'time="{report.seconds:.3f}" timestamp={quoteattr(report.started)}>'
    )
    cases = "\n".join(_case(result, strict=strict) for result in report.results)
    return f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites>\n{head}\n{cases}\n</testsuite>\n</testsuites>\n'


def _fails(result: Result, *, strict: bool) -> bool:
    return (result.outcome.strict if strict else result.outcome.lenient) is False


def _case(result: Result, *, strict: bool) -> str:
    says = _printable(result.says)
    body = ""
    if _fails(result, strict=strict):
        body = f"<failure type={quoteattr(result.outcome.value)} message={quoteattr(says)}/>"
    elif result.outcome is Outcome.NOT_APPLICABLE:
        body = f"<skipped message={quoteattr(says)}/>"
    body += f"<system-out>{escape(_printable(f'{result.title} ({result.source})'))}</system-out>"
    if says and result.outcome is Outcome.LENIENT:
        body += f"<system-err>{escape(f'{result.outcome.value}: {says}')}</system-err>"
    family, _, name = result.id.partition(".")
    return (
        f'<testcase classname={quoteattr(family)} name={quoteattr(name)} time="{result.seconds:.3f}">{body}</testcase>'
    )


def _printable(text: str) -> str:
    """Spell out what XML 1.0 cannot hold: a peer's text may contain anything."""
    return re.sub(
        "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", lambda match: f"\\x{ord(match[0]):02x}", text
    )
