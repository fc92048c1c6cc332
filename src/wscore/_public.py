"""Gives public names the module that users import them from, in tracebacks, reprs and help()."""

from __future__ import annotations

import types
from collections.abc import Iterable

__all__ = ["set_public_module"]


def set_public_module(package: str, things: Iterable[object]) -> None:
    """Set the `__module__` of classes and functions from a package's own modules; type aliases have none."""
    for thing in things:
        if isinstance(thing, type | types.FunctionType) and thing.__module__.startswith(f"{package}."):
            thing.__module__ = package
