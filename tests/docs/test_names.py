"""The names of code on the pages that explain the code exist, and the glossary is in order."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = ("explanation/a-walk-through-the-code.md", "reference/glossary.md")
FROM_ELSEWHERE: Final = {
    *("call_at", "graceful_timeout", "lingering_close", "SHUT_WR", "send_nowait", "Transport", "asyncio", "trio"),
    *("websocket", "http", "response", "start", "disconnect", "body", "lowlevel", "checkpoint", "sleep"),
}
"""Names of the standard library, of nginx, gunicorn and trio, and ASGI's messages."""


class _Names(ast.NodeVisitor):
    """Collects what a module defines: all names, and those of each class."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.members: defaultdict[str, set[str]] = defaultdict(set)
        self.bases: defaultdict[str, set[str]] = defaultdict(set)
        self._classes: list[str] = []

    def _add(self, name: str) -> None:
        self.names.add(name)
        if self._classes:
            self.members[self._classes[-1]].add(name)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._add(node.name)
        self.bases[node.name] |= {
            name.id for base in node.bases for name in ast.walk(base) if isinstance(name, ast.Name)
        }
        self._classes.append(node.name)
        self.generic_visit(node)
        self._classes.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._add(node.name)
        self.names |= {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Name):  # another name for a class
            self.bases[ast.unparse(node.targets[0])].add(node.value.id)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Store):
            self._add(node.attr)
        self.generic_visit(node)


@cache
def _code() -> _Names:
    names = _Names()
    for file in sorted((ROOT / "src").rglob("*.py")):
        names.names |= {file.stem, file.parent.name}
        names.visit(ast.parse(file.read_text()))
    return names


def _members(kind: str) -> set[str]:
    """Return what a class and its bases define."""
    code = _code()
    return code.members[kind].union(*(_members(base) for base in code.bases[kind]))


def _unknown(text: str) -> set[str]:
    """Return the names in backticks that no code defines, dotted ones by class and member."""
    code, unknown = _code(), set[str]()
    for span in re.findall(r"`([^`\n]+)`", text):
        name = re.sub(r"\(.*", "", span)
        if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", name):
            continue  # a path, an option, a command
        first, *rest = name.split(".")
        if rest and first in code.members:
            unknown |= {name} if rest[0] not in _members(first) else set()
        elif not {first, *rest} <= code.names | FROM_ELSEWHERE:
            unknown.add(name)
    return unknown


@pytest.mark.parametrize("page", PAGES)
def test_names_in_backticks_exist(page: str) -> None:
    """Every function, class and attribute that the page names in backticks is defined in the code."""
    assert _unknown((DOCS / page).read_text().replace("```", "")) == set()


@pytest.mark.parametrize("page", PAGES)
def test_paths_in_backticks_exist(page: str) -> None:
    """Every file of the code that the page names exists."""
    paths = re.findall(r"`([\w/]+/\w+\.py)`", (DOCS / page).read_text())
    assert [path for path in paths if not any((ROOT / at / path).exists() for at in ("", "src", "src/wscore"))] == []


def test_names_in_drawings_exist() -> None:
    """The methods that the drawings of the walk call are defined in the code, and so are the classes they show."""
    page = (DOCS / PAGES[0]).read_text()
    drawings = re.findall(r"^```mermaid\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(drawings) == len(re.findall("^## ", page, re.MULTILINE))
    words = {word for drawing in drawings for word in re.findall(r"\w*_\w+|[A-Z][a-z]+[A-Z]\w+", drawing)}
    assert words - _code().names - {"sequenceDiagram"} == set()


def test_an_unknown_name_is_found() -> None:
    """What no code defines is told apart from what some code does, and a member is looked for in its class."""
    assert _unknown("`Driver.sync`, `Config.max_queue`, `--port`, `Inbox`, `Driver.settle`, `Endpoint._parse`") == {
        "Inbox",
        "Driver.settle",
    }


def test_the_glossary_is_in_order() -> None:
    """Its terms stand in alphabetical order, each once."""
    terms = re.findall(r"^\*\*(.+?)\*\*: ", (DOCS / PAGES[1]).read_text(), re.MULTILINE)
    keys = [term.lower().replace("_", " ") for term in terms]
    assert keys == sorted(set(keys))
