"""The runner of mutants finds what no test notices, goes on where it was, and takes reasons."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..real_time import TIMEOUT

ROOT = Path(__file__).parents[2]

PROGRAM = '''
def double(number: int) -> int:
    """The first statement is needed, the second is not."""
    number *= 2
    number += 0
    return number
'''
TEST = "from program.numbers import double\ndef test_double():\n    assert double(2) == 4\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "src" / "program"
    package.mkdir(parents=True)
    (package / "numbers.py").write_text(PROGRAM)
    (tmp_path / "test_it.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    files = ["--found", "found.jsonl", "--explained", "explained.txt"]
    return subprocess.run(
        [sys.executable, "-m", "fuzz.mutate_transports", "src/program", "--tests", "test_it.py", *files, *options],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },  # they take a second each time
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )


def test_a_statement_that_no_test_needs_is_found(folder: Path) -> None:
    """What survives is printed with its line; what was tried is not tried again; a reason is enough."""
    first = run(folder, "--most", "2")
    assert "3 statements: 1 noticed, 1 survived, 1 not tried" in first.stdout, first.stderr
    second = run(folder, "--jobs", "2")
    assert second.returncode == 1
    assert second.stdout.splitlines() == [
        "3 statements: 2 noticed, 1 survived",
        "src/program/numbers.py:5: double: number += 0",
    ]
    assert "[1 of 1]" in second.stderr
    (folder / "explained.txt").write_text("program/numbers.py double: number += 0  # adds nothing\n")
    assert run(folder).returncode == 0
    assert (folder / "src" / "program" / "numbers.py").read_text() == PROGRAM
