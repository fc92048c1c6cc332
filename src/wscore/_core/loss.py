"""Why a connection was lost, derived from the exception that a transport caught: a description, and whether to retry.

Rule of this file: it imports neither `ssl` nor an event loop. TLS errors are recognized by the attributes that Python's
ssl gives them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

__all__ = ["describe_loss", "is_certificate_error"]

_LENGTH: Final = 200  # characters of an error's text
# OpenSSL's names of alerts (RFC 8446 6.2) for a certificate that is missing, bad, revoked, expired or unknown, or was
# issued by an unknown authority.
_OF_CERTIFICATES: Final = ("CERTIFICATE", "UNKNOWN_CA")


def describe_loss(error: BaseException) -> str:
    """Describe an exception in one line, by its first cause: trio's exceptions have the system's as their cause."""
    *_, first = _chain(error)
    text = " ".join(str(getattr(first, "strerror", None) or first).split())
    return text[:_LENGTH] or type(first).__name__


def is_certificate_error(error: BaseException | None) -> bool:
    """Return whether TLS failed because of a certificate, ours or theirs, which a retry would not fix."""
    for each in _chain(error):
        reason: Any = getattr(each, "reason", None)
        if isinstance(reason, str) and any(name in reason for name in _OF_CERTIFICATES):
            return True
    return False


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()  # a chain can be made circular by hand
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__
