"""Reads what a core writes, as the other end would, and fails where that is not lawful."""

from __future__ import annotations

import zlib

from wscore import Opcode

from ..frames import Frame, FrameReader
from ..handshakes import header_values

__all__ = ["OutputReader"]

_END = b"\r\n\r\n"


class OutputReader:
    """The other end of a connection, which reads all output as it comes.

    It fails an AssertionError on what no end may write: a head that is none, a mask missing or too much, RSV bits
    without a meaning, a fragment within a message or of none, a control frame that is fragmented or too long, text that
    is not UTF-8, compressed data that is not, and anything behind a close frame.

    Args:
        masked: True for a client's output: a request, and frames that are masked.
        extensions: Of a client's output: the extensions that the server's response has agreed on.
    """

    head: bytes
    """What was written before the frames: a request, or a whole HTTP response, its body included."""
    opened: bool
    """Whether frames follow the head: of a server's output after a 101, of a client's after the request."""
    messages: list[str | bytes]
    """The messages that were read."""
    pings: list[bytes]
    """The payloads of the pings."""
    pongs: list[bytes]
    """The payloads of the pongs."""
    close: bytes | None
    """The payload of the close frame; None before it came."""

    extensions: bytes
    """The extensions that are agreed on."""

    def __init__(self, *, masked: bool = False, extensions: bytes = b"") -> None:
        self.head = b""
        self.opened = False
        self.messages = []
        self.pings = []
        self.pongs = []
        self.close = None
        self._is_client = masked
        self._frames = FrameReader(masked=masked)
        self._parts: list[bytes] = []
        self._first: Frame | None = None  # of a message whose frames are still coming
        self.extensions = extensions
        self._inflater = zlib.decompressobj(-15)

    def receive_data(self, data: bytes) -> None:
        """Read what was written."""
        if not self.opened:
            self.head += data
            at = self.head.find(_END)
            if at < 0 or not (self._is_client or self.head.startswith(b"HTTP/1.1 101 ")):
                return
            self.head, data = self.head[: at + len(_END)], self.head[at + len(_END) :]
            self.opened = True
            if not self._is_client:
                self.extensions = b", ".join(header_values(self.head, b"sec-websocket-extensions"))
        try:
            frames = self._frames.receive_data(data)
        except ValueError as error:
            raise AssertionError(f"wrote {error}") from None
        assert self.close is None or not data, "wrote behind a close frame"
        for frame in frames:
            self._take(frame)

    @property
    def whole(self) -> bool:
        """Whether what was written ends with a frame, and not within one."""
        return not self._frames.unread

    def _take(self, frame: Frame) -> None:
        assert self.close is None, "wrote a frame behind a close frame"
        starts_message = frame.opcode in (Opcode.TEXT, Opcode.BINARY)
        assert frame.rsv == 0 or (frame.rsv1 and frame.rsv == 0b100 and starts_message and self.extensions), "RSV bits"
        if frame.opcode >= Opcode.CLOSE:
            assert frame.fin, "wrote a control frame in parts"
            assert len(frame.payload) <= 125, "wrote a control frame that is too long"
        match frame.opcode:
            case Opcode.PING:
                self.pings.append(frame.payload)
            case Opcode.PONG:
                self.pongs.append(frame.payload)
            case Opcode.CLOSE:
                self.close = frame.payload
            case _:
                self._take_part(frame)

    def _take_part(self, frame: Frame) -> None:
        if frame.opcode == Opcode.CONTINUATION:
            assert self._first is not None, "wrote a continuation of nothing"
        else:
            assert frame.opcode in (Opcode.TEXT, Opcode.BINARY), f"wrote opcode {frame.opcode:#x}"
            assert self._first is None, "wrote a message within another"
            self._first = frame
        self._parts.append(frame.payload)
        if frame.fin:
            first, content = self._first, b"".join(self._parts)
            self._first, self._parts = None, []
            if first.rsv1:
                content = self._inflated(content)
            self.messages.append(content.decode() if first.opcode == Opcode.TEXT else content)

    def _inflated(self, content: bytes) -> bytes:
        if (b"client" if self._is_client else b"server") + b"_no_context_takeover" in self.extensions:
            self._inflater = zlib.decompressobj(-15)
        return self._inflater.decompress(content + b"\x00\x00\xff\xff")
