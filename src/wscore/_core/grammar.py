"""HTTP's grammar, as far as both ends of a handshake need it (RFC 9110 5, RFC 9112 2)."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["CONNECTION_HEADERS", "END_OF_HEAD", "TOKEN", "is_field_value", "is_token"]

TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
"""A token (RFC 9110 5.6.2), to be put into patterns."""
END_OF_HEAD: Final = re.compile(rb"\n\r?\n")
"""The empty line after a head; bare line feeds are found too, so that such a head can be refused."""
CONNECTION_HEADERS: Final = frozenset({b"connection", b"upgrade", b"content-length", b"transfer-encoding"})
"""Headers that say how a message is framed and what becomes of the connection: never an application's."""

is_token: Final = re.compile(TOKEN).fullmatch
is_field_value: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*").fullmatch
"""Matches a header's value: no CR, LF, NUL or other control character (RFC 9110 5.5)."""
