"""Remove one statement at a time, run tests, and print what was removed without a test noticing.

    python -m fuzz.mutate_transports src/wscore_asyncio/_socket_driver.py
    python -m fuzz.mutate_transports src/wscore_trio --tests tests/trio tests/conformance

Which tests are run for which file is written in `fuzz/mutants.toml`, those first that notice most and soonest; without
paths, all of its files are tried. Hypothesis stops at the first example that fails, without looking for a smaller one.

The statements are removed in a copy of `src/`. What was found is kept in `fuzz/found/mutants.jsonl`, so that a run that
was interrupted goes on where it was. Survivors with a reason in `fuzz/explained_mutants.txt` are not printed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
NOT_REMOVED: Final = (ast.Pass, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Assert)
"""Without these nothing changes, nothing loads, or the type checkers complain."""
PRELOADED: Final = ["pytest", "hypothesis.stateful", "trio", "ssl", "h11", "wsproto", "trustme"]
"""What takes most of the time to load, and is the same for every mutant: loaded once, in a process that then forks."""


SECONDS_A_TEST: Final = 15
"""A test that takes longer has noticed something; without a mutant none takes a third of it."""
DEFAULT_TESTS: Final = ["tests/asyncio", "tests/trio", "tests/conformance", "tests/client"]
"""For files that the plan does not know."""


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
            if in_function and isinstance(child, ast.stmt) and removable(child):
                text = f"{path} {within}: {ast.unparse(child).splitlines()[0]}"
                seen[text] += 1
                key = text if seen[text] == 1 else f"{text} ({seen[text]})"
                yield Mutant(path, key, child.lineno, child.end_lineno or child.lineno, child.col_offset)
            yield from visit(child, within, in_function)

    yield from visit(ast.parse(source), "", False)


def removable(statement: ast.stmt) -> bool:
    """Tell whether something may be lost with the statement."""
    if isinstance(statement, NOT_REMOVED):
        return False
    if isinstance(statement, ast.Raise):  # of a primitive that a transport has to give
        return not (isinstance(statement.exc, ast.Name) and statement.exc.id == "NotImplementedError")
    return not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))  # a docstring


def _test(copy: str, arguments: Sequence[str]) -> None:
    """Run pytest, in a process of its own, on the modules in `copy`; what it says is in a file beside that."""
    import pytest  # here it is loaded already

    os.setsid()
    said = os.open(Path(copy).with_name("said"), os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.environ["PYTHONPATH"] = copy  # for what the tests start
    sys.path.insert(0, copy)
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    # That what is loaded already has plain assertions is as it should be.
    options = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    options += ["-o", f"faulthandler_timeout={SECONDS_A_TEST}", "-o", "faulthandler_exit_on_timeout=true"]
    os._exit(pytest.main([*options, *arguments]))


def run_tests(copy: Path, tests: Sequence[str], seconds: float) -> str:
    """Run the tests on a copy: "survived", "noticed", or "hangs" where they do not end, which is noticed as well."""
    process = multiprocessing.get_context("forkserver").Process(target=_test, args=(str(copy), tests))
    process.start()
    assert process.pid is not None
    try:
        process.join(seconds)
        status = process.exitcode
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what the tests had started is in its session
    if status is None:
        process.join()
        return "hangs"
    if status in {4, 5}:  # pytest's own numbers for a command line that is wrong, and for no tests
        raise SystemExit(f"pytest ended with status {status}: {' '.join(tests)}")
    return "noticed" if status else "survived"  # other numbers: its module cannot even be loaded


def who_noticed(copy: Path) -> str:
    """Name the test that failed in the last run."""
    said = copy.with_name("said").read_text(errors="replace").splitlines()
    return next((line.split()[1] for line in said if line.startswith(("FAILED ", "ERROR "))), "no single test")


def put_back(plan: Path, source: Path, copy: Path) -> bool:
    """Put back the plan's faults, each of which was there once; print who notices, and after how many seconds."""
    tests, all_noticed = planned(plan), True
    for fault in tomllib.loads(plan.read_text())["fault"]:
        path, text = Path(fault["file"]), (source.parent / fault["file"]).read_text()
        if any(text.count(change["now"]) != 1 for change in fault["changes"]):
            raise SystemExit(f"{path} is not any more as the plan has it: {fault['name']}")
        for change in fault["changes"]:
            text = text.replace(change["now"], change["then"])
        file = copy / path.relative_to("src")
        original = file.read_text()
        file.write_text(text)
        began = time.monotonic()
        outcome = run_tests(copy, tests[path], 600)
        print(f"{outcome} after {time.monotonic() - began:.1f} s: {fault['name']} ({who_noticed(copy)})", flush=True)
        file.write_text(original)
        all_noticed = all_noticed and outcome != "survived"
    return all_noticed


def planned(file: Path) -> dict[Path, list[str]]:
    """Read which tests are for which file."""
    parts = tomllib.loads(file.read_text())["part"] if file.exists() else []
    return {Path(path): part["tests"] for part in parts for path in part["files"]}


def explained(file: Path) -> dict[str, str]:
    """Read why survivors may survive: a line each, the key, two spaces, `#` and the reason."""
    lines = file.read_text().splitlines() if file.exists() else []
    return dict(line.rsplit("  # ", 1) for line in lines if line and not line.startswith("#"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz.mutate_transports", description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, help="packages or files below src/; the plan's by default")
    parser.add_argument("--plan", type=Path, default=HERE / "mutants.toml")
    parser.add_argument("--tests", nargs="+", help="pytest's arguments, in place of the plan's")
    parser.add_argument("--jobs", type=int, choices=[1, 2], default=1, help="at a time; 1 by default")
    parser.add_argument("--most", type=int, help="how many to try, of those that were not tried yet")
    parser.add_argument("--found", type=Path, default=HERE / "found" / "mutants.jsonl")
    parser.add_argument("--explained", type=Path, default=HERE / "explained_mutants.txt")
    parser.add_argument("--again", action="store_true", help="forget what survived before, and try that again")
    parser.add_argument("--faults", action="store_true", help="put back the plan's faults instead, one at a time")
    given = parser.parse_args()
    plan = planned(given.plan)
    paths = given.paths or list(plan)
    source = next(parent for parent in paths[0].resolve().parents if parent.name == "src")
    files = [file for path in paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    below = [file.resolve().relative_to(source) for file in files]
    tests = {path: given.tests or plan.get("src" / path, DEFAULT_TESTS) for path in below}
    every = [mutant for path in below for mutant in mutants(path, (source / path).read_text())]
    given.found.parent.mkdir(parents=True, exist_ok=True)
    told = map(json.loads, given.found.read_text().splitlines() if given.found.exists() else [])
    known: dict[str, str] = dict(told)
    if given.again:
        known = {key: outcome for key, outcome in known.items() if outcome != "survived"}
    multiprocessing.set_forkserver_preload(PRELOADED)
    left = [mutant for mutant in every if mutant.key not in known][: given.most]
    with tempfile.TemporaryDirectory() as folder, given.found.open("a") as found:
        copies = [Path(folder, str(number), "src") for number in range(given.jobs)]
        for copy in copies:
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if given.faults:
            return 0 if put_back(given.plan, source, copies[0]) else 1
        seconds: dict[tuple[str, ...], float] = {}
        for selection in {tuple(tests[mutant.path]): None for mutant in left}:
            began = time.monotonic()
            if run_tests(copies[0], selection, 3600) != "survived":
                raise SystemExit(f"the tests fail although nothing was removed: {' '.join(selection)}")
            seconds[selection] = 5 + 1.5 * (time.monotonic() - began)

        def try_one(mutant: Mutant) -> tuple[Mutant, str]:
            copy = copies.pop()
            file = copy / mutant.path
            original = file.read_text()
            try:
                file.write_text(mutant.of(original))
                selection = tuple(tests[mutant.path])
                return mutant, run_tests(copy, selection, seconds[selection])
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
