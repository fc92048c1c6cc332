"""Bytes in the place of those that a recording left out.

A hashed or truncated recording has the headers of data frames and the size of their payload. So that its inputs can be
fed to a core, each byte that is missing becomes an `x`, masked as the frame says: every frame has the size it had, and
begins and ends in the same call. A compressed message gets a deflate stream of just the size it had, which inflates to
just the size that its message had; for that zlib compresses a few letters and then `x`s, and empty blocks fill up.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

from .._core.frames.mask import mask
from .payloads import size_of
from .reading import Recording
from .tape import Pieces
from .wire import WireReader

__all__ = ["Filling", "bytes_of", "deflated"]

_TAIL: Final = b"\x00\x00\xff\xff"
_FIVE: Final = b"\x00\x00\x00\xff\xff"  # an empty block without compression (RFC 1951 3.2.4)
_SIX: Final = b"\x02\x00\x00\x00\xff\xff"  # after an empty block with fixed codes (3.2.6), of ten bits
_LETTERS: Final = bytes(33 + (number * number * 7 + number * 11) % 89 for number in range(1, 200))
_HISTORY: Final = 200  # bytes: within the smallest window that zlib has


def bytes_of(pieces: Pieces) -> bytes:
    """Return bytes as they were, with zeros in the place of those that were left out."""
    parts: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, str):
            parts.append(bytes.fromhex(piece))
        elif isinstance(piece, int):
            parts.append(bytes(piece))
        else:
            parts.append(piece["head"].encode("latin-1"))
    return b"".join(parts)


class Filling:
    """Fills in what a recording's inputs lack."""

    def __init__(self, recording: Recording) -> None:
        self._whole = recording.whole
        self._reader = WireReader("request" if recording.server else "response")
        self._streams = {} if recording.whole else _streams(recording)
        self.compressed = bool(self._streams)
        """Whether compressed messages were received."""

    def fill(self, pieces: Pieces) -> bytes | None:
        """Return the bytes of the next `receive_data`; None if no bytes can stand for what is missing."""
        data = bytes_of(pieces)
        if self._whole:
            return data
        filled = bytearray()
        for kind, piece, frame in self._reader.read(data):
            if kind not in {"payload", "body"}:
                filled += piece
            elif frame is None:
                filled += b"x" * len(piece)
            else:
                content = b"x" * len(piece)
                if frame.compressed and frame.message >= 0:
                    stream = self._streams.get(frame.message)
                    if stream is None:
                        return None
                    content = stream[: len(piece)]
                    self._streams[frame.message] = stream[len(piece) :]
                if frame.mask:
                    turn = frame.done % 4
                    content = mask(content, frame.mask[turn:] + frame.mask[:turn])
                filled += content
        return bytes(filled)


def _streams(recording: Recording) -> dict[int, bytes | None]:
    """Make the payloads of compressed messages, by their number; None where none can stand for it."""
    streams: dict[int, bytes | None] = {}
    sizes: dict[int, int] = {}
    reader = WireReader("request" if recording.server else "response")
    for line in recording.lines:
        if line.get("in") == "receive_data":
            for kind, piece, frame in reader.read(bytes_of(line["data"])):
                if frame is not None and frame.compressed and frame.message >= 0:
                    size = len(piece) if kind == "payload" else 0
                    sizes[frame.message] = sizes.get(frame.message, 0) + size
    inflated = [size_of(message) for line in recording.lines for message in line.get("messages", ())]
    takeover = _keeps_context(recording)
    history = b""
    for number, size in sizes.items():
        # A message that the core did not keep may have any size.
        wanted = [inflated[number]] if number < len(inflated) else range(max(0, size - 32), size + 1)
        streams[number], content = deflated(size, wanted, history) or (None, b"")
        history = content[-_HISTORY:] if takeover else b""
    return streams


def deflated(size: int, wanted: Iterable[int], history: bytes = b"") -> tuple[bytes, bytes] | None:
    """Return a payload (RFC 7692 7.2.1) of `size` bytes that inflates to one of the `wanted` sizes, and its content.

    `history` is what the message before it ended with, if the window is kept. None if there is none: what was there
    compressed better than one letter again and again.
    """
    for inflated in wanted:
        for letters in range(min(inflated, len(_LETTERS)) + 1):
            content = _LETTERS[:letters] + b"x" * (inflated - letters)
            stream = zlib.compressobj(9, zlib.DEFLATED, -9, 9, zlib.Z_DEFAULT_STRATEGY, history)
            payload = (stream.compress(content) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)
            spare = size - len(payload)
            if spare < 0:
                break
            sixes = next((count for count in range(5) if spare >= 6 * count and not (spare - 6 * count) % 5), None)
            if sixes is not None:
                return _FIVE * ((spare - 6 * sixes) // 5) + _SIX * sixes + payload, content
    return None


def _keeps_context(recording: Recording) -> bool:
    """Return whether the peer compresses with what it has sent before (RFC 7692 7.1.1)."""
    word = "client_no_context_takeover" if recording.server else "server_no_context_takeover"
    heads = [
        piece["head"]
        for line in recording.lines
        for piece in line.get("data", ())
        if isinstance(piece, dict) and ("out" in line) == recording.server
    ]
    return word not in "".join(heads).lower()
