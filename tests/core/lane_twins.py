"""The lane on both of its bases: that in Python, and that in C, where it is built."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from wscore._core import lane
from wscore._core.frames import mask
from wscore._core.lane import Lane, PythonLaneBase

__all__ = ["IN_C", "IN_PYTHON", "TWINS", "PythonLane", "loaded"]

IN_C = not issubclass(Lane, PythonLaneBase)


def loaded(name: str, *, accelerated: bool) -> Any:
    """Import the lane's module once more, as it is where there is a C part or none."""
    spec = importlib.util.spec_from_file_location(f"wscore._core.{name}", lane.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mask, "ACCELERATED", accelerated)
        spec.loader.exec_module(module)
    return module


IN_PYTHON = loaded("lane_in_python", accelerated=False) if IN_C else lane
"""The lane's module as it is without the C part."""

PythonLane: type[Lane] = IN_PYTHON.Lane
TWINS = [pytest.param(PythonLane, id="Python"), *([pytest.param(Lane, id="C")] if IN_C else [])]
