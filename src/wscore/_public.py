"""Gives public names the module that users import them from, in tracebacks, reprs and help()."""

from __future__ import annotations

import types
from collections.abc import Iterable

__all__ = ["set_public_module"]


def set_public_module(module: str, things: Iterable[object]) -> None:
    """Set the `__module__` of classes and functions of ours; others, such as type aliases, stay as they are."""
    for thing in things:
        if isinstance(thing, type | types.FunctionType) and thing.__module__.startswith("wscore"):
            thing.__module__ = module
