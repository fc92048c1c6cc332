"""Remove one statement at a time, run tests, and print what was removed without a test noticing.

    python -m fuzz.mutate_transports src/wscore_asyncio --tests tests/asyncio tests/conformance tests/client

The statements are removed in a copy of `src/`. What was found is kept in `fuzz/found/mutants.jsonl`, so that a run that
was interrupted goes on where it was. Survivors with a reason in `fuzz/explained_mutants.txt` are not printed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
NOT_REMOVED: Final = (ast.Pass, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Assert)
"""Without these nothing changes, nothing loads, or the type checkers complain."""


@dataclass(frozen=True)
class Mutant:
    """A statement that can be removed."""

    path: Path
    """Of its file, below `src/`."""
    key: str
    """Its file, its function and its text: it stays when lines above it come or go."""
    first: int
    last: int
    column: int

    def of(self, source: str) -> str:
        """Give the source without the statement."""
        lines = source.splitlines(keepends=True)
        lines[self.first - 1 : self.last] = [" " * self.column + "pass\n"]
        return "".join(lines)


def mutants(path: Path, source: str) -> Iterator[Mutant]:
    """Find the statements of all functions of a file, those in others among them; docstrings are none."""
    seen: Counter[str] = Counter()

    def visit(node: ast.AST, within: str, in_function: bool) -> Iterator[Mutant]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = not isinstance(child, ast.ClassDef)
                yield from visit(child, f"{within}.{child.name}".lstrip("."), inner)
                continue
            docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            if in_function and isinstance(child, ast.stmt) and not isinstance(child, NOT_REMOVED) and not docstring:
                text = f"{path} {within}: {ast.unparse(child).splitlines()[0]}"
                seen[text] += 1
                key = text if seen[text] == 1 else f"{text} ({seen[text]})"
                yield Mutant(path, key, child.lineno, child.end_lineno or child.lineno, child.col_offset)
            yield from visit(child, within, in_function)

    yield from visit(ast.parse(source), "", False)


def run_tests(copy: Path, tests: Sequence[str], seconds: float) -> str:
    """Run the tests on a copy: "survived", "noticed", or "hangs" where they do not end, which is noticed as well."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return "hangs"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what the tests had started is in its session
    if status not in {0, 1, 2}:  # 2: its module cannot even be loaded
        raise SystemExit(f"pytest ended with status {status}: {' '.join(command)}")
    return "noticed" if status else "survived"


def explained(file: Path) -> dict[str, str]:
    """Read why survivors may survive: a line each, the key, two spaces, `#` and the reason."""
    lines = file.read_text().splitlines() if file.exists() else []
    return dict(line.rsplit("  # ", 1) for line in lines if line and not line.startswith("#"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz.mutate_transports", description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="+", type=Path, help="packages or files below src/")
    parser.add_argument(
        "--tests", nargs="+", default=["tests/asyncio", "tests/trio", "tests/conformance", "tests/client"]
    )
    parser.add_argument("--jobs", type=int, choices=[1, 2], default=1, help="at a time; 1 by default")
    parser.add_argument("--most", type=int, help="how many to try, of those that were not tried yet")
    parser.add_argument("--found", type=Path, default=HERE / "found" / "mutants.jsonl")
    parser.add_argument("--explained", type=Path, default=HERE / "explained_mutants.txt")
    parser.add_argument("--again", action="store_true", help="forget what survived before, and try that again")
    given = parser.parse_args()
    source = next(parent for parent in given.paths[0].resolve().parents if parent.name == "src")
    files = [file for path in given.paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    below = [file.resolve().relative_to(source) for file in files]
    every = [mutant for path in below for mutant in mutants(path, (source / path).read_text())]
    given.found.parent.mkdir(parents=True, exist_ok=True)
    told = map(json.loads, given.found.read_text().splitlines() if given.found.exists() else [])
    known: dict[str, str] = dict(told)
    if given.again:
        known = {key: outcome for key, outcome in known.items() if outcome != "survived"}
    left = [mutant for mutant in every if mutant.key not in known][: given.most]
    with tempfile.TemporaryDirectory() as folder, given.found.open("a") as found:
        copies = [Path(folder, str(number), "src") for number in range(given.jobs)]
        for copy in copies:
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        began = time.monotonic()
        if left and run_tests(copies[0], given.tests, 3600) != "survived":
            raise SystemExit("the tests fail although nothing was removed")
        seconds = 10 + 3 * (time.monotonic() - began)

        def try_one(mutant: Mutant) -> tuple[Mutant, str]:
            copy = copies.pop()
            file = copy / mutant.path
            original = file.read_text()
            try:
                file.write_text(mutant.of(original))
                return mutant, run_tests(copy, given.tests, seconds)
            finally:
                file.write_text(original)
                copies.append(copy)

        with ThreadPoolExecutor(given.jobs) as pool:
            for number, (mutant, outcome) in enumerate(pool.map(try_one, left), 1):
                known[mutant.key] = outcome
                print(json.dumps([mutant.key, outcome]), file=found, flush=True)
                print(f"[{number} of {len(left)}] {outcome}: {mutant.key}", file=sys.stderr, flush=True)
    outcomes = Counter(known.get(mutant.key, "not tried") for mutant in every)
    print(f"{len(every)} statements: {', '.join(f'{count} {outcome}' for outcome, count in outcomes.most_common())}")
    reasons = explained(given.explained)
    survivors = [each for each in every if known.get(each.key) == "survived" and each.key not in reasons]
    for mutant in survivors:
        print(f"{source.name}/{mutant.path}:{mutant.first}: {mutant.key.partition(' ')[2]}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
