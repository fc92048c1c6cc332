"""The bytes of one direction, taken apart as they come: heads, frames' headers, control frames, payload, bodies.

Rule of this file: it judges nothing. What breaks the protocol is still taken apart somehow, since a recording holds
whatever came; who reads it decides what it meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

__all__ = ["Frame", "Segment", "WireReader"]

_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_STATUS: Final = re.compile(rb"HTTP/1\.[0-9] ([0-9]{3})")
_CHUNK_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,15}")
_LONGEST_LINE: Final = 200
_SWITCHING_PROTOCOLS: Final = 101
_MASKED: Final = 0x80
_FIN: Final = 0x80
_RSV1: Final = 0x40
_CONTROL: Final = 0x8


@dataclass(slots=True)
class Frame:
    """A frame (RFC 6455 5.2), as far as it has come."""

    first: int
    """The first byte: FIN, RSV and the opcode."""
    length: int
    mask: bytes
    """The masking key; b"" without."""
    message: int
    """The number of the data message that it belongs to, from 0; -1 for a control frame."""
    compressed: bool
    """Whether its message is compressed (RFC 7692 6)."""
    done: int = field(default=0)
    """Bytes of payload that have come."""

    @property
    def final(self) -> bool:
        """Whether it is the last of its message."""
        return bool(self.first & _FIN)

    @property
    def opcode(self) -> int:
        """The opcode."""
        return self.first & 0x0F


class Segment(NamedTuple):
    """A piece of the bytes: what it is a piece of, and for a frame, which."""

    kind: Literal["head", "header", "control", "payload", "framing", "body"]
    """`framing` is a chunk's size or a trailer (RFC 9112 7.1)."""
    data: bytes
    frame: Frame | None = None
    """As it was before this piece: `done` tells where in the payload the piece begins."""


class WireReader:
    """Reads one direction: a head, and after it frames or a body.

    `kind` says whose head comes first: a "request" is followed by frames if it is a GET, a "response" by frames if it
    is a 101 (RFC 6455 4.2.2), and by another response after any other 1xx (RFC 9110 15.2).
    """

    def __init__(self, kind: Literal["request", "response"]) -> None:
        self._kind = kind
        self._stage: Literal["head", "frames", "body", "chunks"] = "head"
        self._head = bytearray()
        self._header = bytearray()
        self._frame: Frame | None = None
        self._message = -1
        self._compressed = False
        self._line = bytearray()  # a chunk's size, or a line of the trailer
        self._chunk_left = 0
        self._trailing = False

    @property
    def in_head(self) -> bool:
        """Whether a head has begun and not ended."""
        return self._stage == "head" and bool(self._head)

    def read(self, data: bytes) -> Iterator[Segment]:
        """Take apart the next bytes; the segments' data, joined, are the bytes."""
        at = 0
        while at < len(data):
            match self._stage:
                case "head":
                    segment = self._read_head(data, at)
                case "frames":
                    segment = self._read_frame(data, at)
                case "chunks":
                    segment = self._read_chunk(data, at)
                case _:
                    segment = Segment("body", data[at:])
            at += len(segment.data)
            yield segment

    def _read_head(self, data: bytes, at: int) -> Segment:
        before = len(self._head)
        self._head += data[at:]
        start = len(self._head) - len(self._head.lstrip(b"\r\n"))  # h11 skips empty lines before a head
        end = _END_OF_HEAD.search(self._head, max(start, before - 3))
        if end is None:
            return Segment("head", data[at:])
        del self._head[end.end() :]
        self._stage = self._after_head(bytes(self._head[start:]))
        self._head.clear()
        return Segment("head", data[at : at + end.end() - before])

    def _after_head(self, head: bytes) -> Literal["head", "frames", "body", "chunks"]:
        if self._kind == "request":
            return "frames" if head.startswith(b"GET ") else "body"
        status = _STATUS.match(head)
        code = int(status[1]) if status else 0
        if code == _SWITCHING_PROTOCOLS:
            return "frames"
        if 100 <= code < 200:
            return "head"
        return "chunks" if re.search(rb"(?i)\ntransfer-encoding:[^\n]*chunked", head) else "body"

    def _read_frame(self, data: bytes, at: int) -> Segment:
        if self._frame is None:
            return self._read_header(data, at)
        frame = self._frame
        piece = data[at : at + frame.length - frame.done]
        told = Frame(frame.first, frame.length, frame.mask, frame.message, frame.compressed, frame.done)
        frame.done += len(piece)
        if frame.done == frame.length:
            self._frame = None
        # A control frame of more than 125 bytes is a mistake (RFC 6455 5.5), and what is in it is not known.
        return Segment("control" if frame.message < 0 and frame.length < 126 else "payload", piece, told)

    def _read_header(self, data: bytes, at: int) -> Segment:
        header = self._header
        before = len(header)
        while (missing := _header_size(header) - len(header)) > 0 and at < len(data):
            piece = data[at : at + missing]
            header += piece
            at += len(piece)
        read = bytes(header[before:])
        if missing > 0:
            return Segment("header", read)
        frame = self._begin(bytes(header))
        header.clear()
        self._frame = frame if frame.length else None
        return Segment("header", read, frame)

    def _begin(self, header: bytes) -> Frame:
        first, size = header[0], header[1] & 0x7F
        if size == 126:
            size = int.from_bytes(header[2:4])
        elif size == 127:
            size = int.from_bytes(header[2:10])
        mask = header[-4:] if header[1] & _MASKED else b""
        if first & _CONTROL:
            return Frame(first, size, mask, -1, False)
        if first & 0x0F:
            self._message += 1
            self._compressed = bool(first & _RSV1)
        return Frame(first, size, mask, max(self._message, 0), self._compressed)

    def _read_chunk(self, data: bytes, at: int) -> Segment:
        if self._chunk_left:
            piece = data[at : at + self._chunk_left]
            self._chunk_left -= len(piece)
            return Segment("body", piece)
        end = data.find(b"\n", at)
        piece = data[at:] if end < 0 else data[at : end + 1]
        self._line += piece
        if end >= 0:
            line = self._line.strip()
            self._line.clear()
            if self._trailing:
                self._stage = "chunks" if line else "body"  # nothing follows the trailer, or nobody knows what
            elif line:  # an empty line ends the chunk before
                size = _CHUNK_SIZE.match(line)
                self._chunk_left = int(size[0], 16) if size else 0
                self._trailing = not self._chunk_left
                self._stage = "chunks" if size else "body"
        elif len(self._line) > _LONGEST_LINE:
            self._stage = "body"
        return Segment("framing", piece)


def _header_size(header: bytearray) -> int:
    """Return how many bytes the header has, as far as what has come of it tells."""
    if len(header) < 2:
        return 2
    size = header[1] & 0x7F
    return 2 + (2 if size == 126 else 8 if size == 127 else 0) + (4 if header[1] & _MASKED else 0)
