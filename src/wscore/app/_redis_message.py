"""What goes through Redis: the names of channels and keys, and the format of a message.

    wscore1 ORIGIN KIND IDS\\nPAYLOAD

ORIGIN is 32 hexadecimal digits, random for each process; KIND is `t` (text) or `b` (binary); IDS is a JSON array: in
the channel of a room the excluded members, in the channel of ids the one recipient. Anyone who can publish can put
anything there, so every message is fully validated.
"""

from __future__ import annotations

import json
from typing import Final, cast

from ._backplane import Envelope

__all__ = ["Malformed", "Names", "decode", "encode", "sent_by"]

_MAGIC: Final = b"wscore1 "
_ORIGIN: Final = slice(len(_MAGIC), len(_MAGIC) + 32)
_KIND: Final = slice(_ORIGIN.stop + 1, _ORIGIN.stop + 2)
_IDS: Final = _KIND.stop + 1


class Malformed(ValueError):
    """A message that is not a backplane's; the text says what is wrong with it."""


class Names:
    """The names under one prefix. Surrogates in room names and ids, which UTF-8 cannot encode, stay distinct."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.ids = encode_name(f"{prefix}ids")
        """The channel for messages to one member; every process subscribes to it."""

    def channel(self, room: str) -> bytes:
        """Return the channel of a room; processes with members there subscribe to it."""
        return encode_name(f"{self._prefix}room:{room}")

    def presence(self, room: str) -> bytes:
        """Return the key of a room's presence: a sorted set of "ORIGIN:ID", scored by expiry time."""
        return encode_name(f"{self._prefix}presence:{room}")


def encode_name(name: str) -> bytes:
    """Encode a name."""
    return name.encode("utf-8", "surrogatepass")


def decode_name(name: bytes) -> str:
    """Decode a name. Invalid bytes, which are not a backplane's, are escaped."""
    try:
        return name.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return name.decode("utf-8", "backslashreplace")


def encode(envelope: Envelope, origin: str) -> bytes:
    """Return the message for an envelope."""
    ids = sorted(envelope.exclude) if envelope.id is None else [envelope.id]
    kind, payload = ("t", envelope.data.encode()) if isinstance(envelope.data, str) else ("b", envelope.data)
    return b"%s%s %s %s\n%s" % (_MAGIC, origin.encode(), kind.encode(), json.dumps(ids).encode(), payload)


def sent_by(message: bytes, origin: bytes) -> bool:
    """Return whether a message is from `origin`, without validating it."""
    return message[_ORIGIN] == origin


def decode(message: bytes, room: str | None) -> Envelope:
    """Parse a message from the channel of `room`, or of ids if that is None. Raises Malformed."""
    if not message.startswith(_MAGIC):
        raise Malformed("it does not begin with wscore1")
    head, newline, payload = message.partition(b"\n")
    if not newline or message[_ORIGIN.stop : _KIND.start] != b" " or head[_KIND.stop : _IDS] != b" ":
        raise Malformed("its first line is not MAGIC ORIGIN KIND IDS")
    ids = _read_ids(head[_IDS:])
    kind = message[_KIND]
    if kind not in (b"t", b"b"):
        raise Malformed(f"its kind is {kind!r}, not t or b")
    try:
        data = payload.decode() if kind == b"t" else payload
    except UnicodeDecodeError:
        raise Malformed("its text is not UTF-8") from None
    if room is not None:
        return Envelope(data, room, None, frozenset(ids))
    if len(ids) != 1:
        raise Malformed(f"it is for {len(ids)} ids, not for one")
    return Envelope(data, None, ids[0], frozenset())


def _read_ids(text: bytes) -> list[str]:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed("its ids are not JSON") from None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in cast("list[object]", found)):
        raise Malformed("its ids are not an array of strings")
    return cast("list[str]", found)
