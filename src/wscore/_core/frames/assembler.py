"""What a message may be, whichever engine reads it: the order of its frames, its limits, and permessage-deflate.

An engine reads headers and payload; it asks here what they mean to the message, so that all engines give the same
code to the same fault. The limits act on a header, before any of its payload is kept.
"""

from __future__ import annotations

import sys
from typing import Final

from ..close import CloseCode
from ..config import Config
from .deflate import CorruptDeflate, DeflateParameters, Deflater, Inflater, TooLarge

__all__ = ["WORK_A_TURN", "MessageAssembler", "ViolationError"]

# Some tenths of a millisecond of frames; a few milliseconds of inflating.
WORK_A_TURN: Final = 256
"""How much an engine does at a time: a frame counts as one, and so do 4 KiB inflated, or read to be."""
_UNIT: Final = 12  # as a shift: 4 KiB


class ViolationError(Exception):
    """The peer broke a rule; `code` is what to fail the connection with. No engine lets it out."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class MessageAssembler:
    """The messages of one connection, frame by frame.

    For each data frame an engine calls `open_frame`, then `content` with its payload, cut in any way, and then
    `finish_frame`. Control frames are no part of a message, wherever they stand.
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
    """The message being read is."""
    work_left: int
    """Of this turn; what is inflated is counted here, frames by the engine."""

    def __init__(self, config: Config, deflate: DeflateParameters | None, *, client: bool = False) -> None:
        """Keep the limits, and the two halves of permessage-deflate where that was agreed on; we are the `client`'s end
        or the server's.
        """
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
            if our_bits > 8:  # zlib has no such compressor; nobody must compress (RFC 7692 6)
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
        self._size = 0  # what the message has come to
        self._fragments = 0  # finished; no message is being read while there is none

    # -- reading

    def begin_turn(self) -> None:
        """Count the work from here on."""
        self.work_left = WORK_A_TURN

    def open_frame(self, *, continues: bool, rsv1: bool, size: int) -> bool:
        """Judge a data frame by its header; tell whether its RSV1 means something. Raises Failure.

        It may be called again for the same frame: an engine may not have the whole header yet.
        """
        if continues is (self._fragments == 0):  # RFC 6455 5.4
            raise ViolationError(CloseCode.PROTOCOL_ERROR)
        if not continues:
            self.compressed = rsv1 and self._inflater is not None
        self._frame_size = size
        # Incompressible data grows a little; what it inflates to is what counts.
        limit = self._limit + self._limit // 8 + 1024 if self.compressed else self._limit
        if self._wire_size + size > limit or self._fragments >= self._max_fragments:
            raise ViolationError(CloseCode.MESSAGE_TOO_BIG)
        return self.compressed and not continues

    def content(self, piece: bytes) -> bytes:
        """Give what a piece of payload means: itself, or what it inflates to. Raises Failure."""
        if not self.compressed:
            return piece
        return self._inflate(piece, sys.maxsize)

    def some_content(self, piece: bytes) -> tuple[bytes, bytes]:
        """Likewise, of no more of the piece than there is work left for; give the rest of the piece, too."""
        if not self.compressed:
            return piece, b""
        content = self._inflate(piece, self.work_left << _UNIT)
        assert self._inflater is not None
        return content, self._inflater.unread

    def finish_frame(self, *, final: bool) -> bytes:
        """End the frame, and with a final one the message; give what was left of that. Raises Failure."""
        if not final:
            self._wire_size += self._frame_size
            self._fragments += 1
            return b""
        rest = self._inflate(None) if self.compressed else b""
        self._wire_size = self._size = self._fragments = 0
        self.compressed = False
        return rest

    def _inflate(self, piece: bytes | None, enough: int = 0) -> bytes:
        """Inflate a piece of the message until that is `enough`, or with None its end."""
        assert self._inflater is not None  # else no message is taken for compressed
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
        """Give a message's payload on the wire, and whether it is compressed; RSV1 says so (RFC 7692 6)."""
        if self._deflater is None or len(message) < self._min_compressed:
            return False, message
        return True, self._deflater.deflate(message)

    def fragment(self, payload: bytes, *, first: bool, final: bool) -> tuple[bool, bytes]:
        """Give a frame's payload on the wire, of a message written piece by piece, and whether RSV1 is set in it.

        How large the message will be nobody knows, so that it is compressed whatever its size.
        """
        if first and final:
            return self.payload(payload)
        if self._deflater is None:
            return False, payload
        return first, self._deflater.deflate(payload, final=final)
