"""What a recording keeps of a message's payload: all of it, its beginning, or its size and a digest."""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal, get_args

from .._core.outgoing import payload_size

__all__ = ["KEPT", "Description", "PayloadPolicy", "Payloads", "restored", "size_of"]

Payloads = Literal["whole", "truncated", "hashed"]
"""How much is kept."""
KEPT: Final[tuple[Payloads, ...]] = get_args(Payloads)

Description = dict[str, Any]
"""A payload in a recording: `text` or `bytes` (hexadecimal), and unless it is whole, `size` and `digest`."""

_DIGEST_SIZE: Final = 8


class PayloadPolicy:
    """Describes payloads for one recording.

    The digest is keyed, and the key is kept nowhere: equal payloads of one recording can be told to be equal, but
    nobody can try out which short payload (a PIN, a name) a digest belongs to.
    """

    def __init__(self, payloads: Payloads, *, keep: int, key: bytes) -> None:
        self.payloads: Payloads = payloads
        self.keep = keep
        self._key = key

    def describe(self, payload: str | bytes) -> Description:
        """Describe a message's payload, or a fragment's."""
        text = isinstance(payload, str)
        if self.payloads == "whole":
            return {"text": payload} if isinstance(payload, str) else {"bytes": payload.hex()}
        data = payload.encode() if isinstance(payload, str) else payload
        kept = None
        if self.payloads == "truncated":
            kept = data[: self.keep].decode(errors="ignore") if text else data[: self.keep].hex()
        digest = hashlib.blake2b(data, digest_size=_DIGEST_SIZE, key=self._key).hexdigest()
        return {"text" if text else "bytes": kept, "size": len(data), "digest": digest}


def size_of(description: Description) -> int:
    """Return a payload's size in bytes."""
    if "size" in description:
        return int(description["size"])
    return payload_size(description["text"]) if "text" in description else len(description["bytes"]) // 2


def restored(description: Description) -> str | bytes:
    """Return the payload, or in its place as many `x` as it had bytes."""
    if "size" not in description:
        return str(description["text"]) if "text" in description else bytes.fromhex(description["bytes"])
    filler = "x" * int(description["size"])
    return filler if "text" in description else filler.encode()
