"""Our own engine: one parse loop over one buffer.

The fast path takes a message that came whole, in one small uncompressed frame, which is what nearly all are: it needs
no state but the place in the buffer, and makes no object but the message. Everything else takes the slow path, which
is the RFC read from top to bottom: the header is judged before any payload is kept, and the payload of a data frame is
unmasked, inflated and checked as it comes, however little of it is there. So bad UTF-8 shows at the byte that makes it
bad, and a large message is never copied from a growing buffer to a larger one.

Violations are found in the order in which the `wsproto` engine finds them, so that both give the same code to a peer
that breaks several rules at once.
"""

from __future__ import annotations

import codecs
from typing import Final

from .._close import INVALID_PAYLOAD, PROTOCOL_ERROR, TOO_BIG, Close, MalformedClose, close_payload, read_close_payload
from .._config import Config
from .._deflate import CorruptDeflate, Deflate, Deflater, Inflater, TooLarge
from . import Event, Ping, Pong, Violation
from ._mask import mask

__all__ = ["NativeCodec"]

_CONTINUATION: Final = 0x0
_TEXT: Final = 0x1
_BINARY: Final = 0x2
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
_OPCODES: Final = frozenset({_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG})
_FIN: Final = 0x80
_RSV1: Final = 0x40
_RSV: Final = 0x70
_WHOLE_TEXT: Final = _FIN | _TEXT
_WHOLE_BINARY: Final = _FIN | _BINARY
_WHOLE: Final = (_WHOLE_TEXT, _WHOLE_BINARY)

_new_decoder = codecs.getincrementaldecoder("utf-8")


class _Failure(Exception):
    """The peer broke a rule; caught where the event is given."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class NativeCodec:
    """A `FrameCodec` for the server's end of a connection."""

    def __init__(self, config: Config, deflate: Deflate | None) -> None:
        self._limit = config.max_message_size
        self._max_fragments = config.max_fragments
        self._fast_limit = min(125, config.max_message_size)
        self._inflater: Inflater | None = None
        self._deflater: Deflater | None = None
        if deflate is not None:
            self._inflater = Inflater(
                window_bits=deflate.client_window_bits, context_takeover=not deflate.client_no_context_takeover
            )
            self._deflater = Deflater(
                window_bits=deflate.server_window_bits,
                context_takeover=not deflate.server_no_context_takeover,
                level=config.compression_level,
                mem_level=config.compression_mem_level,
            )
        self._over = False
        self._buffer = b""
        self._at = 0  # what stands before it in the buffer was read
        # The data frame being read: its payload may be here in part.
        self._key = b""  # turned as the payload comes; empty between frames
        self._left: int = 0
        self._final = False
        # The message being read, of one frame or more.
        self._opcode = _CONTINUATION  # none
        self._compressed = False
        self._fragments = 0
        self._wire_size = 0
        self._size = 0
        self._parts: list[bytes] = []
        self._text: list[str] = []
        self._decoder = _new_decoder()

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the peer."""
        rest = self._buffer[self._at :]
        self._buffer = rest + data if rest else bytes(data)
        self._at = 0

    def next_event(self) -> Event | None:
        """Give the next message, control frame or failure."""
        buffer, at = self._buffer, self._at
        # The fast path: a whole message in one frame of at most 125 bytes, no reserved bit set, all of it here. What it
        # leaves out cannot occur then: fragments, extended lengths, inflating, a decoder across pieces.
        if len(buffer) - at >= 6 and not self._key and not self._opcode and not self._over:
            first, size = buffer[at], buffer[at + 1] - 0x80
            if first in _WHOLE and 0 <= size <= self._fast_limit:
                end = at + 6 + size
                if end <= len(buffer):
                    self._at = end
                    payload = mask(buffer[at + 6 : end], buffer[at + 2 : at + 6])
                    if first == _WHOLE_BINARY:
                        return payload
                    try:
                        return payload.decode()
                    except UnicodeDecodeError:
                        self._over = True
                        return Violation(INVALID_PAYLOAD)
        if self._over:
            return None
        try:
            return self._read()
        except _Failure as failure:
            self._over = True
            return Violation(failure.code)

    def _read(self) -> Event | None:
        """Take the slow path to the next event."""
        while True:
            if not self._key:
                control = self._read_header()
                if control is not None:
                    return control
                if not self._key:
                    return None
            self._read_payload()
            if self._left:
                return None
            self._key = b""
            if self._final:
                return self._end_message()

    # -- headers

    def _read_header(self) -> Event | None:
        """Read a frame's header; a control frame is read whole, and given. Nothing is read while it is not all here."""
        buffer, at = self._buffer, self._at
        here = len(buffer) - at
        if here < 2:
            return None
        first, second = buffer[at], buffer[at + 1]
        opcode, size, header = first & 0x0F, second & 0x7F, 2
        if opcode not in _OPCODES:
            raise _Failure(PROTOCOL_ERROR)
        control = opcode >= _CLOSE
        if control and (not first & _FIN or size > 125):  # RFC 6455 5.5
            raise _Failure(PROTOCOL_ERROR)
        if size > 125:
            header = 4 if size == 126 else 10
            if here < header:
                return None
            shortest = 126 if size == 126 else 1 << 16
            size = int.from_bytes(buffer[at + 2 : at + header])
            if size < shortest or size >> 63:  # RFC 6455 5.2: the shortest form, and the top bit clear
                raise _Failure(PROTOCOL_ERROR)
        if not control:
            self._judge_data(first, opcode, size)
        if first & _RSV & ~(_RSV1 if not control and opcode and self._inflater is not None else 0):
            raise _Failure(PROTOCOL_ERROR)
        if not second & 0x80:  # RFC 6455 5.1
            raise _Failure(PROTOCOL_ERROR)
        start = at + header + 4
        if len(buffer) < start + (size if control else 0):
            return None
        key = buffer[start - 4 : start]
        if control:
            self._at = start + size
            return self._control(opcode, mask(buffer[start : start + size], key))
        self._at = start
        self._key, self._left, self._final = key, size, bool(first & _FIN)
        self._wire_size += size
        self._fragments += 1
        if opcode:
            self._opcode = opcode
            self._compressed = bool(first & _RSV1)
        return None

    def _judge_data(self, first: int, opcode: int, size: int) -> None:
        """Judge a data frame's place and size before its payload is read. It may be asked again: it notes nothing."""
        if (opcode == _CONTINUATION) is (self._opcode == _CONTINUATION):  # RFC 6455 5.4
            raise _Failure(PROTOCOL_ERROR)
        compressed = self._compressed if opcode == _CONTINUATION else first & _RSV1 and self._inflater is not None
        # Incompressible data grows a little; what it inflates to is what counts.
        limit = self._limit + self._limit // 8 + 1024 if compressed else self._limit
        if self._wire_size + size > limit or self._fragments >= self._max_fragments:
            raise _Failure(TOO_BIG)

    def _control(self, opcode: int, payload: bytes) -> Event:
        if opcode == _PING:
            return Ping(payload)
        if opcode == _PONG:
            return Pong(payload)
        try:
            close = read_close_payload(payload)
        except MalformedClose as failure:
            raise _Failure(failure.code) from None
        self._over = True
        return close

    # -- payload

    def _read_payload(self) -> None:
        """Take what is here of the data frame's payload."""
        piece = self._buffer[self._at : self._at + self._left]
        if not piece:
            return
        self._at += len(piece)
        self._left -= len(piece)
        key = self._key
        turn = len(piece) % 4
        self._key = key[turn:] + key[:turn]
        self._take(mask(piece, key))

    def _take(self, piece: bytes) -> None:
        if self._compressed:
            assert self._inflater is not None  # else RSV1 is a violation
            try:
                piece = self._inflater.inflate(piece, self._limit - self._size)
            except TooLarge:
                raise _Failure(TOO_BIG) from None
            except CorruptDeflate:
                raise _Failure(INVALID_PAYLOAD) from None
        self._keep(piece)

    def _keep(self, piece: bytes, *, last: bool = False) -> None:
        self._size += len(piece)
        if self._opcode == _BINARY:
            self._parts.append(piece)
            if len(self._parts) >= 1024:  # a hundred thousand parts of a byte each weigh megabytes
                self._parts = [b"".join(self._parts)]
            return
        try:
            self._text.append(self._decoder.decode(piece, last))
        except UnicodeDecodeError:
            raise _Failure(INVALID_PAYLOAD) from None
        if len(self._text) >= 1024:
            self._text = ["".join(self._text)]

    def _end_message(self) -> str | bytes:
        rest = b""
        if self._compressed:
            assert self._inflater is not None
            try:
                rest = self._inflater.end_message(self._limit - self._size)
            except TooLarge:
                raise _Failure(TOO_BIG) from None
            except CorruptDeflate:
                raise _Failure(INVALID_PAYLOAD) from None
        self._keep(rest, last=True)
        message = b"".join(self._parts) if self._opcode == _BINARY else "".join(self._text)
        self._parts, self._text = [], []
        self._opcode = _CONTINUATION
        self._compressed = False
        self._fragments = self._wire_size = self._size = 0
        return message

    # -- writing

    def text(self, payload: bytes) -> bytes:
        """Write a text message."""
        return self._data(_WHOLE_TEXT, payload)

    def binary(self, payload: bytes) -> bytes:
        """Write a binary message."""
        return self._data(_WHOLE_BINARY, payload)

    def _data(self, first: int, payload: bytes) -> bytes:
        if self._deflater is not None:
            return _frame(first | _RSV1, self._deflater.deflate(payload))
        return _frame(first, payload)

    def ping(self, payload: bytes) -> bytes:
        """Write a ping."""
        return _frame(_FIN | _PING, payload)

    def pong(self, payload: bytes) -> bytes:
        """Write a pong."""
        return _frame(_FIN | _PONG, payload)

    def close(self, close: Close) -> bytes:
        """Write a close frame."""
        return _frame(_FIN | _CLOSE, close_payload(close))


def _frame(first: int, payload: bytes) -> bytes:
    """Put a header before a payload, in the shortest form (RFC 6455 5.2); a server does not mask."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2) + payload
    return bytes((first, 127)) + size.to_bytes(8) + payload
