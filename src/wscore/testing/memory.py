"""What an object holds on to: for tests that something stays bounded, whatever a peer sends."""

from __future__ import annotations

import gc
import types
from collections.abc import Iterable

from .._public import set_public_module

__all__ = ["held_bytes"]

_SHARED = (type, types.ModuleType, types.FunctionType, types.CodeType)
_NAME = 40
"""Characters up to which a text counts as the name of an attribute."""


def held_bytes(thing: object, *, apart: Iterable[object] = ()) -> int:
    """Count the bytes and characters that can be reached from an object, in whatever attributes they are.

    Texts of up to 40 characters do not count: most are names of attributes.

    Args:
        thing: Where to begin.
        apart: Objects that are not looked into, nor counted.

    Returns:
        Their number. What is held several times counts once.
    """
    seen = {id(each) for each in apart}
    waiting: list[object] = [thing]
    total = 0
    while waiting:
        current = waiting.pop()
        if id(current) in seen or isinstance(current, _SHARED):
            continue
        seen.add(id(current))
        if isinstance(current, bytes | bytearray):
            total += len(current)
        elif isinstance(current, str):
            total += len(current) if len(current) > _NAME else 0
        elif not isinstance(current, int | float):
            waiting += gc.get_referents(current)
    return total


set_public_module(__name__, [held_bytes])
