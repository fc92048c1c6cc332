"""The page on edge cases and the citations of its ids agree: none is unknown, none is without a test."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "edge-cases.md"
ROWS: Final = re.findall(r"^\| ([A-Z]\d+) \|", PAGE.read_text(), re.MULTILINE)
FAMILIES: Final = "".join(sorted({row[0] for row in ROWS}))
CITATION: Final = re.compile(rf"(?<![\w.%&+-])([{FAMILIES}])([1-9]\d?)(?:-\1([1-9]\d?))?(?![\w%+;])")
NAME: Final = re.compile(rf"test_((?:[{FAMILIES.lower()}]\d+_)+)")

UNTESTED: Final[dict[str, str]] = {}
"""Rows that no test cites, each with the reason."""


def _ids(text: str) -> Iterator[str]:
    """Yield each id in a text; a range such as `T1-T4` is all its ids."""
    for family, first, last in CITATION.findall(text):
        for number in range(int(first), int(last or first) + 1):
            yield f"{family}{number}"


def _cited(source: str) -> Iterator[str]:
    """Yield the ids in a module's comments, docstrings and names of tests, and of its parametrized cases."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield from _ids(token.string)
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _ids(ast.get_docstring(node) or "")
            case ast.keyword(arg="id", value=ast.Constant(value=str(name))):
                yield from _ids(re.split("[-:]", name)[0])
    yield from _shown(source)


def _shown(source: str) -> Iterator[str]:
    """Yield the ids that a test has in its name (`test_f17_f20_a_close_…` has two) or in its own docstring.

    What a module says of itself, "rows F1-F32", shows nothing.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            if match := NAME.match(node.name):
                yield from match[1].upper().rstrip("_").split("_")
            yield from _ids(ast.get_docstring(node) or "")


@cache
def _citations() -> dict[str, list[str]]:
    """Return the files that cite each id."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for folder in ("src", "tests", "fuzz"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for row in set(_cited(file.read_text())):
                found[row].append(file.relative_to(ROOT).as_posix())
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = re.sub(r"^```.*?^```|`[^`]*`", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for row in set(_ids(text)):
            found[row].append(page.relative_to(ROOT).as_posix())
    return found


@cache
def _tested() -> frozenset[str]:
    """Return the ids that some test shows."""
    return frozenset(row for file in (ROOT / "tests").rglob("test_*.py") for row in _shown(file.read_text()))


def test_every_row_has_an_id_of_its_own() -> None:
    """The ids of a family are numbered from 1 without a gap, and none is given twice."""
    for family in FAMILIES:
        numbers = [int(row[1:]) for row in ROWS if row[0] == family]
        assert numbers == list(range(1, len(numbers) + 1))


def test_every_id_that_is_cited_is_on_the_page() -> None:
    """Code, tests and documentation cite no id that the page lacks."""
    assert {row: files for row, files in _citations().items() if row not in ROWS} == {}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_a_test(row: str) -> None:
    """Each row of the page is cited by a test, in its name or docstring, or has a reason why none can show it."""
    assert (row in UNTESTED) is not (row in _tested())


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("what waits (F32)", ["F32"]),
        ("E24, E25: held", ["E24", "E25"]),
        ("rows T1-T3, as seen", ["T1", "T2", "T3"]),
        ("After ED, A0 is wrong", []),
        ("/a%20b/%C3%A4", []),
        ("U+10FFFF and RFC 6455", []),
    ],
)
def test_citations_are_found(text: str, ids: list[str]) -> None:
    """An id is found alone, in a list and in a range; what only looks like one is not."""
    assert list(_ids(text)) == ids
