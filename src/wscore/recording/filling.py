"""Bytes in the place of those that a recording left out.

A hashed or truncated recording has the headers of data frames and the size of their payload. So that its inputs can be
fed to a core, each byte that is missing becomes an `x`, masked as the frame says: every frame has the size it had, and
begins and ends in the same call. A compressed message gets a deflate stream of just the size it had, which inflates to
just the size that its message had (`deflating`).
"""

from __future__ import annotations

from typing import Final

from .._core.frames.mask import mask
from .deflating import deflated
from .payloads import size_of
from .reading import Recording
from .tape import Pieces
from .wire import WireReader

__all__ = ["Filling", "bytes_of"]

_UNKNOWN: Final = 300
"""How far to look for a size that a message of unknown size may have had."""


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
    takeover, history = _keeps_context(recording), False
    for number, size in sizes.items():
        # A message that the core did not keep may have any size.
        wanted = [inflated[number]] if number < len(inflated) else range(_UNKNOWN)
        made = ((deflated(size, each, history=history), each) for each in wanted)
        streams[number], content = next((found for found in made if found[0] is not None), (None, 0))
        history = takeover and (history or content > 0)
    return streams


def _keeps_context(recording: Recording) -> bool:
    """Return whether the peer compresses with what it has sent before (RFC 7692 7.1.1)."""
    word = "client_no_context_takeover" if recording.server else "server_no_context_takeover"
    heads: list[str] = [
        piece["head"]
        for line in recording.lines
        for piece in line.get("data", ())
        if isinstance(piece, dict) and ("out" in line) == recording.server
    ]
    return word not in "".join(heads).lower()
