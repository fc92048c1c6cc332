"""Runs a target under atheris. The targets themselves import without it, so that tests can run them over the corpus."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
_INSTRUMENTED = ("wscore", "wsproto", "h11")


def fuzz(name: str) -> None:
    """Fuzz the target `fuzz.NAME`; the command line is libFuzzer's, and without a path it uses the corpus."""
    import atheris

    for module in [module for module in sys.modules if module.partition(".")[0] in (*_INSTRUMENTED, "fuzz")]:
        if module not in ("fuzz", __name__):
            del sys.modules[module]  # loaded without instrumentation, by the target as it was run
    with atheris.instrument_imports(include=list(_INSTRUMENTED)):
        target = importlib.import_module(f"fuzz.{name}")
    found = HERE / "found" / name
    grown = found / "corpus"
    grown.mkdir(parents=True, exist_ok=True)
    arguments = [f"-artifact_prefix={found}/", *sys.argv[1:]]
    if all(argument.startswith("-") for argument in sys.argv[1:]):
        arguments += [str(grown), str(HERE / "corpus" / name)]  # libFuzzer adds to the first, and reads both
    atheris.Setup([sys.argv[0], *arguments], target.check)
    atheris.Fuzz()
