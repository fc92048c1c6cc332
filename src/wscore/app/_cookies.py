"""The Cookie header as browsers write it: any text between semicolons, which is more than RFC 6265 allows."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["parse_cookies"]

_ESCAPE: Final = re.compile(r"\\(?:([0-3][0-7]{2})|(.))")


def parse_cookies(header: str) -> dict[str, str]:
    """Parse one Cookie header.

    A part without "=" is a value without a name, as in browsers (bugzilla.mozilla.org, bug 169091). A quoted value is
    unquoted and unescaped (octal escapes too, as Python's `http.cookies` writes them).

    Returns:
        The values by name; the last one for a repeated name.
    """
    cookies: dict[str, str] = {}
    for part in header.split(";"):
        name, equals, value = part.partition("=")
        if not equals:
            name, value = "", part
        name, value = name.strip(), value.strip()
        if name or value:
            cookies[name] = _unquote(value)
    return cookies


def _unquote(value: str) -> str:
    if len(value) < 2 or not (value.startswith('"') and value.endswith('"')):
        return value
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)) if match[1] else match[2], value[1:-1])
