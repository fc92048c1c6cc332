"""Hypothesis, which `wscore.testing.strategies` and `wscore.testing.machine` need and nothing else does."""

from __future__ import annotations

import importlib.util

__all__ = ["require_hypothesis"]


def require_hypothesis(module: str) -> None:
    """Raise ImportError, with what to install, if Hypothesis is not there for `module`."""
    if importlib.util.find_spec("hypothesis") is None:
        raise ImportError(f"{module} needs Hypothesis: pip install 'wscore[hypothesis]'", name="hypothesis")
