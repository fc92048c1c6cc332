"""A transport only does what needs its library: its files are short, and decide nothing that belongs in the core."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest

import wscore
from wscore import State

SRC = Path(wscore.__file__).parents[1]  # where the packages are, installed or not
TRANSPORTS = ["wscore_asyncio", "wscore_trio"]
FILES = [path for transport in TRANSPORTS for path in sorted((SRC / transport).glob("*.py"))]

NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def docstrings(tree: ast.AST) -> set[ast.Constant]:
    """Every string that stands alone as a statement: of modules, classes, functions, and behind attributes."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


def lines_of_code(path: Path) -> int:
    """Lines that hold a token, docstrings and comments not counted."""
    source = path.read_text()
    text = {
        line
        for node in docstrings(ast.parse(source))
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - text)


def constants(path: Path) -> list[ast.Constant]:
    tree = ast.parse(path.read_text())
    left_out = docstrings(tree)
    return [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in left_out]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_each_is_short(transport: str) -> None:
    """All of a transport, server and client, is under 700 lines of code, and none of its files has more than 200."""
    lines = [lines_of_code(path) for path in FILES if path.parent.name == transport]
    assert 0 < sum(lines) < 700
    assert max(lines) <= 200


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_state_is_named(path: Path) -> None:
    """No transport names a state of the core's table: neither the enum nor a member of it."""
    names = {state.name for state in State}
    # CLOSED and OPEN are words of other libraries as well, so what counts is `State.X`.
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not {alias.name for alias in node.names} & {"State", "Trigger", "Effect", "Timer"}
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert not (node.value.id == "State" and node.attr in names)
    assert not {constant.value for constant in constants(path) if isinstance(constant.value, str)} & names


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_message_type_is_named(path: Path) -> None:
    """No transport names an ASGI message type."""
    for constant in constants(path):
        if isinstance(constant.value, str):
            assert not constant.value.startswith(("websocket.", "http.", "lifespan.", "wscore.send_nowait"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_close_code_and_no_duration_is_named(path: Path) -> None:
    """No transport holds a number that could be a close code, a status, or a duration."""
    numbers = [
        constant.value
        for constant in constants(path)
        if isinstance(constant.value, int | float) and not isinstance(constant.value, bool)
    ]
    assert [number for number in numbers if isinstance(number, float) or number >= 100] == []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            waits = name in {"sleep", "call_later", "timeout", "move_on_after", "fail_after", "wait_for", "_within"}
            if waits and node.args and isinstance(node.args[0], ast.Constant):
                assert node.args[0].value in (0, None), f"{name}({node.args[0].value!r})"
