"""What a run is told as: JSON that is read again, JUnit's XML, one HTML page, and the terminal's table."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from wscore.conformance.outcome import Outcome, Result
from wscore.conformance.reports import document, html, junit, table
from wscore.conformance.transcript import MAX_ROWS, SHOWN, Row, Transcript

EVIL = "</table><script>alert(1)</script> & \x00\x1b[2J 'quoted' \"twice\""


def _row(note: str, data: bytes | None = None) -> Row:
    transcript = Transcript()
    transcript.add(0.25, "peer", note, data)
    return transcript.rows[0]


def _report(name: str = "ws://localhost/", says: str = "why", end: Outcome = Outcome.FAIL) -> document.Report:
    results = [
        Result(
            "frames.length.1-text", "It comes back.", "RFC 6455 5.2", Outcome.PASS, "", 0.5, [_row("text b'x'", b"x")]
        ),
        Result("close.code.1005", "It fails.", "RFC 6455 7.4", end, says, 0.25, [_row(says, b"\x88\x00")]),
        Result("close.empty", "It is answered.", "RFC 6455 5.5.1", Outcome.LENIENT, "with 1000", 0.1, []),
        Result("deflate.plain", "It comes back.", "RFC 7692 6", Outcome.NOT_APPLICABLE, "it declines", 0.1, []),
    ]
    return document.Report("server", name, "wscore 1.0", "2026-01-01T00:00:00+00:00", 1.5, 5.0, results)


def test_json_is_read_again_as_it_was(tmp_path: Path) -> None:
    """Nothing of a report is lost in its JSON."""
    file = tmp_path / "report.json"
    file.write_text(document.write(_report(says=EVIL)))
    assert document.read(file) == _report(says=EVIL)


def test_json_has_both_verdicts() -> None:
    """A case has its outcome, and what that means strictly and leniently; None where there is nothing to judge."""
    cases = json.loads(document.write(_report()))["cases"]
    assert [(case["outcome"], case["strict"], case["lenient"]) for case in cases] == [
        ("pass", True, True),
        ("fail", False, False),
        ("lenient pass", False, True),
        ("not applicable", None, None),
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: No such file or directory"),
        ("{", "is not JSON"),
        ("[]", "is no conformance report"),
        ('{"format": "another"}', "is no conformance report"),
        ('{"format": "wscore conformance report", "version": 2}', "has version 2 of the format; 1 is understood here"),
        ('{"format": "wscore conformance report", "version": 1}', "lacks something: KeyError"),
    ],
)
def test_what_is_no_report_is_said_in_one_line(tmp_path: Path, content: str | None, says: str) -> None:
    """A file that is missing, cut, of another kind or of a later version."""
    file = tmp_path / "report.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(document.NotAReport, match=re.escape(says)) as error:
        document.read(file)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("strict", "failures"), [(False, 1), (True, 2)])
def test_junit_counts_what_failed(strict: bool, failures: int) -> None:
    """A failure for each broken MUST, with `strict` for each SHOULD too, and a skip for what does not apply."""
    suite = ElementTree.fromstring(junit.write(_report(says=EVIL), strict=strict))[0]
    assert suite.attrib["tests"] == "4"
    assert suite.attrib["failures"] == str(failures) == str(len(suite.findall(".//failure")))
    assert suite.attrib["skipped"] == str(len(suite.findall(".//skipped"))) == "1"
    assert suite[1].attrib["classname"] == "close"
    assert suite[1].attrib["name"] == "code.1005"
    failure = suite[1].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == EVIL.replace("\x00", "\\x00").replace("\x1b", "\\x1b")


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_asks_nothing_of_any_host() -> None:
    """It is one file: no script, no address, and a policy that forbids both; what a peer said is text in it."""
    page = _Page(html.write([_report(EVIL, EVIL)]))
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not {"src", "href", "action"} & {name for name, _ in page.attributes}
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes
    text = html.write([_report(EVIL, EVIL)])
    assert "url(" not in text
    assert "color-scheme: light dark" in text


def test_the_page_shows_peers_side_by_side() -> None:
    """A column for each, and rows marked in which they agree, or all passed."""
    text = html.write([_report("first"), _report("second", end=Outcome.NO_ANSWER)])
    assert text.count("<th>first</th>") == text.count("<th>second</th>") == 4  # three families, and the summary
    assert {id: kinds for kinds, id in re.findall(r'<tr class="([a-z ]*)" id="([^"]*)">', text)} == {
        "frames.length.1-text": "fine same",
        "close.code.1005": "",
        "close.empty": "same",
        "deflate.plain": "same",
    }


def test_the_table_sums_up() -> None:
    """A line for each family, one for each case that did not pass, and one for all."""
    lines = table.lines(_report())
    assert [line.split() for line in lines[1:5]] == [
        ["frames", "1", ".", ".", ".", "."],
        ["close", ".", "1", "1", ".", "."],
        ["deflate", ".", ".", ".", ".", "1"],
        ["all", "1", "1", "1", ".", "1"],
    ]
    assert "  close.code.1005: why (RFC 6455 7.4)" in lines
    assert lines[-1] == "ws://localhost/ does not keep every MUST: 4 cases in 1.5 s"


def test_a_conversation_is_bounded() -> None:
    """Of a long piece its beginning is kept, of a long conversation its beginning and its end."""
    transcript = Transcript()
    for number in range(1000):
        transcript.add(number, "probe", str(number), b"x" * 10_000)
    rows = transcript.rows
    assert len(rows) == MAX_ROWS + 1
    assert (rows[0]["note"], rows[-1]["note"]) == ("0", "999")
    assert rows[MAX_ROWS // 2]["note"] == "(800 rows are left out here)"
    assert rows[0].get("size") == 10_000
    assert len(rows[0].get("hex", "")) == 2 * SHOWN
