"""What others have chosen, as it may stand in a log: names of rooms, ids, paths, words of a server."""

from __future__ import annotations

__all__ = ["shown"]


def shown(text: object) -> str:
    """Give a text with all that is not printable spelled out, so that it forges no line and moves no cursor."""
    given = str(text)
    if given.isprintable():
        return given
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in given)
