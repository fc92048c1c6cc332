"""Why a connection was lost, read off the exception that a transport caught: what to say, and whether to try again.

The rule of this file: it imports no `ssl` and no event loop. TLS errors are known by what Python's ssl says of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

__all__ = ["describe_loss", "is_certificate_error"]

_LENGTH: Final = 200  # characters of an error's text
# Alerts (RFC 8446 6.2) as OpenSSL names them: a certificate that is missing, bad, revoked, expired or unknown, or whose
# authority nobody knows.
_OF_CERTIFICATES: Final = ("CERTIFICATE", "UNKNOWN_CA")


def describe_loss(error: BaseException) -> str:
    """Say in one line what an exception has to say; trio's keeps the system's as its cause."""
    *_, first = _chain(error)
    text = " ".join(str(getattr(first, "strerror", None) or first).split())
    return text[:_LENGTH] or type(first).__name__


def is_certificate_error(error: BaseException | None) -> bool:
    """Tell whether TLS failed over a certificate, ours or theirs: another attempt would not do better."""
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
