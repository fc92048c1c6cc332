"""The rules for messages, shared by all engines: the order of frames, limits, and permessage-deflate.

An engine reads headers and payload and applies these rules to them, so all engines fail the same fault with the same
code. Limits are checked on a header, before any of its payload is kept.
"""

from __future__ import annotations

import sys
from typing import Final

from ..close import CloseCode
from ..config import Config
from .deflate import CorruptDeflate, DeflateParameters, Deflater, Inflater, TooLarge

__all__ = ["WORK_A_TURN", "MessageAssembler", "ViolationError"]

# Some tenths of a millisecond for frames; a few milliseconds for inflating.
WORK_A_TURN: Final = 256
"""Units of work that an engine does per turn: a frame is one, and so are 4 KiB of inflated output or deflated input."""
_UNIT: Final = 12  # as a shift: 4 KiB


class ViolationError(Exception):
    """The peer broke a rule; `code` is the close code to fail the connection with. It never leaves an engine."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class MessageAssembler:
    """Checks and decodes the messages of one connection, frame by frame.

    For each data frame an engine calls `open_frame`, then `content` with its payload, split in any way, and then
    `finish_frame`. Control frames are not part of a message, even between its fragments.
    """

    __slots__ = (
        "_deflater",
        "_fragments",
        "_frame_size",
        "_inflater",
        "_limit",
        "_max_fragments",
        "_min_compressed",
        "_size",
        "_wire_size",
        "compressed",
        "work_left",
    )

    compressed: bool
    """Whether the message being read is compressed."""
    work_left: int
    """Units of work left in this turn; inflating is counted here, frames by the engine."""

    def __init__(self, config: Config, deflate: DeflateParameters | None, *, client: bool = False) -> None:
        """Keep the limits, and set up permessage-deflate if agreed on, for the server's or the `client`'s end."""
        self._limit = config.max_message_size
        self._max_fragments = config.max_fragments
        self._min_compressed = config.compression_min_size
        self._inflater: Inflater | None = None
        self._deflater: Deflater | None = None
        if deflate is not None:
            of_server = (deflate.server_window_bits, not deflate.server_no_context_takeover)
            of_client = (deflate.client_window_bits, not deflate.client_no_context_takeover)
            (bits, takeover), (our_bits, our_takeover) = (of_server, of_client) if client else (of_client, of_server)
            self._inflater = Inflater(window_bits=bits, context_takeover=takeover)
            if our_bits > 8:  # zlib cannot compress with 8; compressing is never required (RFC 7692 6)
                self._deflater = Deflater(
                    window_bits=our_bits,
                    context_takeover=our_takeover,
                    level=config.compression_level,
                    mem_level=config.compression_mem_level,
                )
        self.compressed = False
        self.work_left = WORK_A_TURN
        self._frame_size = 0  # announced by the header of the frame being read
        self._wire_size = 0  # of the message's finished frames
        self._size = 0  # inflated bytes of the message so far
        self._fragments = 0  # finished frames of the message; 0 if none is being read

    # -- reading

    def begin_turn(self) -> None:
        """Start counting work for a new turn."""
        self.work_left = WORK_A_TURN

    def open_frame(self, *, continues: bool, rsv1: bool, size: int) -> bool:
        """Check a data frame's header, and return whether its RSV1 may be set. Raises ViolationError.

        It may be called again for the same frame, since an engine may not have the whole header yet.
        """
        if continues is (self._fragments == 0):  # RFC 6455 5.4
            raise ViolationError(CloseCode.PROTOCOL_ERROR)
        if not continues:
            self.compressed = rsv1 and self._inflater is not None
        self._frame_size = size
        # Incompressible data grows a little when compressed; the exact limit applies to the inflated size.
        limit = self._limit + self._limit // 8 + 1024 if self.compressed else self._limit
        if self._wire_size + size > limit or self._fragments >= self._max_fragments:
            raise ViolationError(CloseCode.MESSAGE_TOO_BIG)
        return self.compressed and not continues

    def content(self, piece: bytes) -> bytes:
        """Return the content of a piece of payload: itself, or inflated. Raises ViolationError."""
        if not self.compressed:
            return piece
        return self._inflate(piece, sys.maxsize)

    def some_content(self, piece: bytes) -> tuple[bytes, bytes]:
        """Do as `content` within the work left, and also return the unread rest of the piece."""
        if not self.compressed:
            return piece, b""
        content = self._inflate(piece, self.work_left << _UNIT)
        assert self._inflater is not None
        return content, self._inflater.unread

    def finish_frame(self, *, final: bool) -> bytes:
        """End the frame, and with `final` the message; return the rest of its content. Raises ViolationError."""
        if not final:
            self._wire_size += self._frame_size
            self._fragments += 1
            return b""
        rest = self._inflate(None) if self.compressed else b""
        self._wire_size = self._size = self._fragments = 0
        self.compressed = False
        return rest

    def _inflate(self, piece: bytes | None, enough: int = 0) -> bytes:
        """Inflate a piece of the message, up to `enough` bytes, or with None its end."""
        assert self._inflater is not None  # otherwise `compressed` is never set
        room = self._limit - self._size
        try:
            inflated = (
                self._inflater.end_message(room) if piece is None else self._inflater.inflate(piece, room, enough)
            )
        except TooLarge:
            raise ViolationError(CloseCode.MESSAGE_TOO_BIG) from None
        except CorruptDeflate:
            raise ViolationError(CloseCode.INVALID_DATA) from None
        size = len(inflated)
        self._size += size
        self.work_left -= (size if piece is None else max(size, len(piece))) >> _UNIT
        return inflated

    # -- writing

    def payload(self, message: bytes) -> tuple[bool, bytes]:
        """Return whether a message is sent compressed (RSV1, RFC 7692 6), and its payload on the wire."""
        if self._deflater is None or len(message) < self._min_compressed:
            return False, message
        return True, self._deflater.deflate(message)

    def fragment(self, payload: bytes, *, first: bool, final: bool) -> tuple[bool, bytes]:
        """Return whether to set RSV1, and the payload on the wire, for one frame of a fragmented message.

        Its total size is unknown in advance, so it is compressed whatever its size.
        """
        if first and final:
            return self.payload(payload)
        if self._deflater is None:
            return False, payload
        return first, self._deflater.deflate(payload, final=final)
