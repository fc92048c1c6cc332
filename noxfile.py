"""Everything that has to hold before a change goes in, in parts: `nox -l` lists them, `nox -s lint types` runs two.

`.ci/run` runs them all, several at a time. What follows `--` goes to the session's main command:
`nox -s tests -- tests/core -k half_close`.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

import nox

nox.needs_version = ">=2025.10.14"
nox.options.sessions = ["lint", "types", "imports", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "virtualenv"  # uv would not read what pip is configured with
nox.options.error_on_missing_interpreters = False  # a CI system asks for that, where the matrix has to be whole
nox.options.download_python = "never"

ROOT: Final = Path(__file__).parent
PROJECT: Final = nox.project.load_toml("pyproject.toml")
PYTHONS: Final = ["3.11", "3.12", "3.13", "3.14"]
FUZZ_TARGETS: Final = [
    path.stem for path in sorted(ROOT.glob("fuzz/[a-z]*.py")) if "\ndef check(" in path.read_text("utf-8")
]
FUZZ_SECONDS: Final = 30
NO_C_PART: Final = "no compiler, or no Python.h"
# A wheel can lack a file, or hold a module that only the source tree satisfies: these load every module and start every
# command. tests/transports, tests/interop and the rest judge behaviour, which packaging does not change.
TESTS_OF_THE_WHEEL: Final = ["core", "conformance", "cli", "client", "app", "testing", "compat", "conformance_suite"]

for name in ("PYTHONPATH", "WSCORE_PURE"):
    os.environ.pop(name, None)  # the source tree, or a setting of the shell, must not decide what is tested


def offer_interpreters_of_pyenv() -> None:
    """Let pyenv's `python3.X` run: without PYENV_VERSION it refuses all versions but the default one."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [
        max(matching, key=lambda path: int(path.name.rpartition(".")[2]))
        for python in [f"3.{sys.version_info.minor}", *PYTHONS]
        if (matching := [path for path in versions.glob(f"{python}.*") if path.name.rpartition(".")[2].isdecimal()])
    ]
    if found:
        os.environ.setdefault("PYENV_VERSION", ":".join(dict.fromkeys(path.name for path in found)))


offer_interpreters_of_pyenv()


def install(session: nox.Session, *groups: str, extra: str = "test") -> None:
    """Install wscore from the tree, as the source says at any moment, and dependency groups."""
    session.install("-e", f".[{extra}]" if extra else ".", *nox.project.dependency_groups(PROJECT, *groups))


def pytest(session: nox.Session, *arguments: str, python: str = "python", **environment: str) -> None:
    """Run pytest without its cache, which sessions that run side by side would share."""
    command = (python, "-m", "pytest", "-q", "-n", os.environ.get("WSCORE_TEST_WORKERS", "4"), "-p", "no:cacheprovider")
    session.run(*command, *arguments, env=environment, external=python != "python")


def executable(session: nox.Session) -> str:
    """Return the path of the session's Python."""
    path = session.run("python", "-c", "import sys; print(sys.executable)", silent=True)
    assert isinstance(path, str)
    return path.strip()


def has_compiler() -> bool:
    """Return whether the C part can be built here."""
    return shutil.which("cc") is not None and Path(sysconfig.get_path("include"), "Python.h").exists()


@nox.session
def tests(session: nox.Session) -> None:
    """Test the source tree: what the README's command does."""
    install(session)
    pytest(session, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style and the spelling."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types with mypy and pyright, both strict, and the public API as its users see it."""
    install(session, "types")
    session.run("mypy", "--strict")
    session.run("mypy", "--strict", "tests/typing")
    session.run("pyright", "--pythonpath", executable(session))


@nox.session
def imports(session: nox.Session) -> None:
    """Check who imports whom."""
    install(session, "lint", extra="trio")
    session.run("lint-imports", "--no-cache")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the sdist and both wheels, and test the wheel where the source tree is out of reach."""
    session.install(*nox.project.dependency_groups(PROJECT, "build"))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        session.run("python", "-m", "build", "--outdir", str(work / "dist"), ".", silent=True)
        session.run(
            *("python", "-m", "build", "--wheel", "--outdir", str(work / "pure"), "."),
            env={"WSCORE_PURE": "1"},
            silent=True,
        )
        [pure] = (work / "pure").iterdir()
        if not pure.name.endswith("-py3-none-any.whl"):
            session.error(f"without the C part the wheel must be for every platform, and is {pure.name}")
        [built] = (work / "dist").glob("*.whl")
        session.run("python", "-m", "venv", str(work / "venv"))
        python = str(work / "venv/bin/python")
        session.run(python, "-m", "pip", "install", "-q", f"{built}[test]", external=True)
        outside = work / "outside"
        shutil.copytree(ROOT / "tests", outside / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("docs", "fuzz", "bench"):
            shutil.copytree(ROOT / name, outside / name, ignore=shutil.ignore_patterns(".*", "found", "__pycache__"))
        for name in ("README.md", "CHANGELOG.md", "pyproject.toml"):
            shutil.copy(ROOT / name, outside)
        with session.chdir(outside):
            check = (
                "import sys, wscore, wscore_asyncio, wscore_trio\n"
                "for module in (wscore, wscore_asyncio, wscore_trio):\n"
                "    assert module.__file__.startswith(sys.prefix), module.__file__\n"
            )
            if has_compiler():
                check += "from wscore._core.frames import mask\nassert mask.ACCELERATED, 'the C part was not built'\n"
            session.run(python, "-c", check, external=True)
            session.run(str(work / "venv/bin/wscore"), "--version", external=True)
            chosen = session.posargs or [f"tests/{name}" for name in TESTS_OF_THE_WHEEL]
            pytest(session, *chosen, python=python)


@nox.session
@nox.parametrize("variant", [nox.param(name, id=name) for name in ("pure", "wsproto")])
def core(session: nox.Session, variant: str) -> None:
    """Test the core without its C part, and on the other frame engine: what lies above sees no difference."""
    install(session)
    if variant == "pure":
        pytest(session, "tests/core", *session.posargs, WSCORE_PURE="1")
    else:
        pytest(session, "tests/core", "--engine", "wsproto", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Demand that tests/core takes every branch of the core, without the C part: Python does it all."""
    if not has_compiler():
        session.skip(NO_C_PART)
    install(session, "coverage")
    # In one process: workers would have to be measured each. tests/test_interface.py tests a module of the core.
    command = ("python", "-m", "coverage", "run", "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider")
    with tempfile.TemporaryDirectory() as folder:
        data = {"COVERAGE_FILE": str(Path(folder, "coverage"))}
        session.run(*command, "tests/core", "tests/test_interface.py", env={**data, "WSCORE_PURE": "1"})
        # Only with the C part does the core read a transport's buffer in place.
        session.run(*command[:4], "--append", *command[4:], "tests/core/test_half_close.py", env=data)
        session.run("python", "-m", "coverage", "report", env=data)


@nox.session
@nox.parametrize("target", [nox.param(name, id=name) for name in FUZZ_TARGETS])
def fuzz(session: nox.Session, target: str) -> None:
    """Fuzz for 30 seconds; libFuzzer's options may follow `--`. Findings are in fuzz/found."""
    if sys.version_info >= (3, 14):
        session.skip("atheris has no release for this Python")
    install(session, "fuzz")
    session.run("python", "-m", f"fuzz.{target}", *(session.posargs or [f"-max_total_time={FUZZ_SECONDS}"]))


@nox.session
def memory(session: nox.Session) -> None:
    """Test the C part under AddressSanitizer; with `-- full` under valgrind, too, which takes two minutes."""
    if not has_compiler():
        session.skip(NO_C_PART)
    install(session)
    quick = [] if session.posargs == ["full"] else ["--quick"]
    session.run(".ci/memory", executable(session), *quick, external=True)


@nox.session(python=PYTHONS)
def matrix(session: nox.Session) -> None:
    """Test the core and both transports on a Python, as it is installed there. One that is not there is skipped."""
    session.install(".[test]")
    chosen = session.posargs or ["tests/core", "tests/asyncio", "tests/trio"]
    # Another Python may fail a test; it does not need other examples, nor as many.
    profile = ["--hypothesis-profile", "the same in every run"]
    pytest(session, *profile, *chosen, WSCORE_EXAMPLES=os.environ.get("WSCORE_EXAMPLES", "25"))
