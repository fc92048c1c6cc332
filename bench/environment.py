"""The servers' own virtual environment: the peers as requirements.txt pins them, and wscore from this checkout."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.processes import ROOT

__all__ = ["Environment", "here", "installed", "preferred_python"]

VENV: Final = ROOT / "bench" / ".venv"
PREFERRED: Final = "3.12"
REQUIREMENTS: Final = ROOT / "bench" / "requirements.txt"

_ASK: Final = """
import importlib, importlib.metadata, json, platform, sys
packages, modules = json.loads(sys.argv[1])
versions, missing = {}, {}
for name in packages:
    try:
        versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
for name in modules:
    try:
        importlib.import_module(name)
    except ImportError as error:
        missing[name] = str(error)
print(json.dumps([f"{platform.python_implementation()} {platform.python_version()}", versions, missing]))
"""


@dataclass
class Environment:
    """A Python that the servers run on."""

    python: list[str]
    variables: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    name: str = ""
    """The implementation and its version."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of the packages that are there."""
    missing: dict[str, str] = field(default_factory=dict)
    """Modules that cannot be imported, and why."""

    def look(self, packages: Iterable[str], modules: Iterable[str]) -> Environment:
        """Learn what is there."""
        question = json.dumps([sorted(set(packages)), sorted(set(modules))])
        answer = subprocess.run(
            [*self.python, "-c", _ASK, question], env=self.variables, check=True, capture_output=True, text=True
        )
        self.name, self.versions, self.missing = json.loads(answer.stdout)
        self.versions["wscore"] = _version_of_checkout()
        return self


def here() -> Environment:
    """Take the Python that runs the benchmark, with `src/` on its path; nothing is installed."""
    path = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    return Environment([sys.executable], {**os.environ, "PYTHONPATH": path})


def installed() -> Environment:
    """Make the virtual environment, or bring it up to date; what has not changed is not installed again."""
    python = VENV / "bin" / "python"
    base = preferred_python()
    if not python.exists() or _version(str(python)) != _version(base):
        subprocess.run([base, "-m", "venv", "--clear", str(VENV)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # The peers first: what wscore requires is among them, in the versions that are pinned.
    _once("peers", [REQUIREMENTS], [*pip, "--requirement", str(REQUIREMENTS)])
    built_from = [ROOT / "pyproject.toml", *(each for each in sorted((ROOT / "src").rglob("*")) if _is_source(each))]
    _once("wscore", built_from, [*pip, "--force-reinstall", "--no-deps", str(ROOT)])
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return Environment([str(python)], variables)


def preferred_python() -> str:
    """Give the Python that the goals are for, where there is one; else the one that runs the benchmark."""
    name = f"python{PREFERRED}"
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    candidates = [sys.executable, shutil.which(name), *sorted(map(str, pyenv.glob(f"versions/*/bin/{name}")))]
    return next((each for each in candidates if each and _version(each) == PREFERRED), sys.executable)


def _version(python: str) -> str:
    """Give major and minor version; nothing where it does not run, as a shim of pyenv's that has none behind it."""
    ask = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    answer = subprocess.run(ask, check=False, capture_output=True, text=True)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _once(name: str, files: Iterable[Path], command: list[str]) -> None:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file}\0".encode() + file.read_bytes())
    stamp = VENV / f"installed-{name}"
    if not stamp.exists() or stamp.read_text() != digest.hexdigest():
        subprocess.run(command, check=True)
        stamp.write_text(digest.hexdigest())


def _is_source(path: Path) -> bool:
    return path.is_file() and path.suffix not in {".pyc", ".so"}


def _version_of_checkout() -> str:
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        return f"{version}+{commit}{'.changed' if _git('status', '--porcelain', '--', 'src') else ''}"
    except (OSError, subprocess.CalledProcessError):
        return version


def _git(*arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return answer.stdout.strip()
