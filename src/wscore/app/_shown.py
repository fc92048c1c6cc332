"""Text from others, made safe for a log: room names, ids, paths, a server's messages."""

from __future__ import annotations

__all__ = ["shown"]


def shown(text: object) -> str:
    """Return the text with non-printable characters escaped: it cannot forge a log line or move the cursor."""
    given = str(text)
    if given.isprintable():
        return given
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in given)
