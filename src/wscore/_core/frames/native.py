"""The native engine: one parse loop over one buffer.

The fast path, `_scan`, reads a run of messages, each complete in one uncompressed frame, as nearly all are: its only
state is the position in the buffer, and it creates no objects but the messages. Everything else takes the slow path,
which follows the RFC from top to bottom: the header is checked before any payload is kept, and a data frame's payload
is unmasked, inflated and checked as it arrives, in pieces of any size. So invalid UTF-8 is detected at the first bad
byte, and no byte is processed twice, however large a message is and however it was split.

Violations are detected in the same order as by the `wsproto` engine, so both fail a peer that breaks several rules at
once with the same code.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from io import BytesIO
from typing import ClassVar, Final

from ..close import Close, CloseCode, MalformedClose, close_payload, read_close_payload
from ..config import Config
from .assembler import MessageAssembler, ViolationError
from .codec import MORE, Event, Ping, Pong, ProtocolViolation
from .deflate import DeflateParameters
from .mask import ACCELERATED, mask, unmask
from .opcodes import CLOSE, CONTINUATION, FIN, FINAL_BINARY, FINAL_TEXT, MASKED, PING, PONG, RSV, RSV1, TEXT, Opcode
from .scan import Scan, scan, scan_unmasked
from .write import frame

__all__ = ["NativeCodec"]

_OPCODES: Final = frozenset(map(int, Opcode))

# The C code reads in place; the Python code needs `bytes`.
_VIEW: Final[Callable[[bytes | memoryview], bytes | memoryview]] = memoryview if ACCELERATED else bytes


def _readable(view: memoryview) -> bool:
    return ACCELERATED and view.format == "B" and view.ndim == 1 and view.c_contiguous


class NativeCodec:
    """A `FrameCodec` for the server's end of a connection."""

    __slots__ = (
        "_at",
        "_between",
        "_buffer",
        "_compresses",
        "_content",
        "_final",
        "_is_text",
        "_key",
        "_left",
        "_limit",
        "_messages",
        "_over",
        "_rest",
        "_scan",
        "_tail",
        "has_pending",
        "idle",
        "plain",
    )

    def __init__(self, config: Config, deflate: DeflateParameters | None, *, client: bool = False) -> None:
        self._messages = MessageAssembler(config, deflate, client=client)
        self._scan: Scan = scan_unmasked if client else scan
        self._compresses = deflate is not None
        self.plain = deflate is None
        self._limit = config.max_message_size
        self._buffer: bytes | memoryview = b""  # a memoryview only until `retain`
        self._at: int = 0  # position in the buffer; everything before it was read
        self._between = True  # no message is being read, and no violation has occurred
        self._over = False
        self.has_pending = False
        self.idle = True
        # The data frame being read; its payload may have arrived in part.
        self._key = b""  # rotated as the payload arrives; empty between frames
        self._left: int = 0
        self._final = False
        self._rest = b""  # unmasked payload left to be inflated in another turn
        # The message being read, of one frame or more.
        self._is_text = False
        self._content = BytesIO()  # grows in place where possible, and returns its content without a copy
        self._tail = b""  # a code point's first bytes, cut off at the end of a piece

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Accept bytes from the peer."""
        if self._buffer:
            self._buffer = b"".join((self._buffer[self._at :], data))
        elif type(data) is bytes or (type(data) is memoryview and _readable(data)):
            self._buffer = data
        else:
            self._buffer = bytes(data)
        self._at = 0
        self.has_pending = True
        self.idle = False

    def retain(self) -> None:
        """Copy the unread input, if any of it will still be read."""
        if type(self._buffer) is memoryview:
            self._buffer, self._at = b"" if self._over else bytes(self._buffer[self._at :]), 0

    def messages(self, count: int, size: int) -> tuple[list[str | bytes], int]:
        """Take the fast path as far as it leads, for complete plain messages."""
        if not self._between:
            return [], 0
        messages, at, size = self._scan(self._buffer, self._at, self._limit, count, size)
        if at == len(self._buffer):
            self._buffer, self._at = b"", 0  # an idle connection holds no read that was used up
            self.has_pending = False
            self.idle = True
        else:
            self._at = at
        return messages, size

    def next_event(self) -> Event | None:
        """Take the slow path to the next message, control frame or violation."""
        if self._over:
            return None
        if self._at == len(self._buffer) and not self._rest:
            self._buffer, self._at = b"", 0  # an idle connection holds no read that was used up
            self.idle = self._between
            return None
        try:
            return self._read()
        except ViolationError as failure:
            return self._fail(failure.code)

    def begin_turn(self) -> None:
        """Start counting work for a new turn."""
        self._messages.begin_turn()

    def _fail(self, code: int) -> ProtocolViolation:
        self._over = True
        self._between = False
        return ProtocolViolation(code)

    def _read(self) -> Event | None:
        messages = self._messages
        while True:
            if messages.work_left <= 0:
                messages.begin_turn()
                return MORE
            if not self._key:
                control = self._read_header()
                if control is not None:
                    messages.work_left -= 1
                    return control
                if not self._key:
                    break
            self._read_payload()
            if self._rest:
                continue
            if self._left:
                break
            self._key = b""
            messages.work_left -= 1
            rest = messages.finish_frame(final=self._final)
            if self._final:
                return self._end_message(rest)
        self._buffer, self._at = bytes(self._buffer[self._at :]), 0
        return None

    # -- headers

    def _read_header(self) -> Event | None:
        """Read a frame's header once it is complete; a control frame is read as a whole and returned."""
        buffer, at = self._buffer, self._at
        here = len(buffer) - at
        if here < 2:
            return None
        first, second = buffer[at], buffer[at + 1]
        opcode, size, header = first & 0x0F, second & 0x7F, 2
        if opcode not in _OPCODES:
            raise ViolationError(CloseCode.PROTOCOL_ERROR)
        control = opcode >= CLOSE
        if control and (not first & FIN or size > 125):  # RFC 6455 5.5
            raise ViolationError(CloseCode.PROTOCOL_ERROR)
        if size > 125:
            header = 4 if size == 126 else 10
            if here < header:
                return None
            shortest = 126 if size == 126 else 1 << 16
            size = int.from_bytes(buffer[at + 2 : at + header])
            if size < shortest or size >> 63:  # RFC 6455 5.2: the shortest form, and the top bit clear
                raise ViolationError(CloseCode.PROTOCOL_ERROR)
        allowed = 0
        if not control and self._messages.open_frame(
            continues=opcode == CONTINUATION, rsv1=bool(first & RSV1), size=size
        ):
            allowed = RSV1
        if first & RSV & ~allowed:
            raise ViolationError(CloseCode.PROTOCOL_ERROR)
        if second & MASKED != self._EXPECTED:  # RFC 6455 5.1
            raise ViolationError(CloseCode.PROTOCOL_ERROR)
        start = at + header + self._KEY_SIZE
        if control:
            if len(buffer) < start + size:
                return None
            self._at = start + size
            return self._control(opcode, self._whole(start, self._at))
        if len(buffer) < start:
            return None
        self._at = start
        self._key, self._left, self._final = self._key_before(start), size, bool(first & FIN)
        if opcode != CONTINUATION:
            self._between = False
            self._is_text = opcode == TEXT
        return None

    def _control(self, opcode: int, payload: bytes) -> Event:
        if opcode == PING:
            return Ping(payload)
        if opcode == PONG:
            return Pong(payload)
        try:
            close = read_close_payload(payload)
        except MalformedClose as failure:
            raise ViolationError(failure.code) from None
        self._over = True
        self._between = False
        return close

    # -- masking: a client's frames must be masked, a server's must not (RFC 6455 5.1)

    _EXPECTED: ClassVar[int] = MASKED
    _KEY_SIZE: ClassVar[int] = 4

    def _whole(self, start: int, end: int) -> bytes:
        """Return a complete payload from the buffer, unmasked."""
        return unmask(self._buffer, start, end)

    def _key_before(self, start: int) -> bytes:
        """Return the key before a payload; kept in `_key`, it also indicates that a frame is being read."""
        return bytes(self._buffer[start - 4 : start])

    def _piece(self, piece: bytes | memoryview) -> bytes:
        """Unmask a piece of the payload, and rotate the key for the next."""
        key = self._key
        turn = len(piece) % 4
        self._key = key[turn:] + key[:turn]
        return mask(piece, key)

    # -- payload

    def _read_payload(self) -> None:
        """Read the available part of a data frame's payload, inflating no more than the turn allows."""
        payload = self._rest
        if not payload:
            piece = _VIEW(self._buffer)[self._at : self._at + self._left]  # `_piece` makes the only copy
            if not piece:
                return
            self._at += len(piece)
            self._left -= len(piece)
            payload = self._piece(piece)
        content, self._rest = self._messages.some_content(payload)
        self._keep(content)

    def _keep(self, piece: bytes, *, last: bool = False) -> None:
        """Append a piece to the message, and check its UTF-8 (RFC 6455 8.1)."""
        self._content.write(piece)
        if self._is_text:
            piece = self._tail + piece if self._tail else piece
            try:
                _, read = codecs.utf_8_decode(piece, "strict", last)
            except UnicodeDecodeError:
                raise ViolationError(CloseCode.INVALID_DATA) from None
            self._tail = piece[read:]

    def _end_message(self, rest: bytes) -> str | bytes:
        self._keep(rest, last=True)
        content, self._content = self._content, BytesIO()
        self._between = True
        return str(content.getbuffer(), "utf-8") if self._is_text else content.getvalue()

    # -- writing

    def text(self, text: str) -> bytes:
        """Encode a text message."""
        return self._data(FINAL_TEXT, text.encode()) if self._compresses else frame(FINAL_TEXT, text)

    def binary(self, data: bytes) -> bytes:
        """Encode a binary message."""
        return self._data(FINAL_BINARY, data) if self._compresses else frame(FINAL_BINARY, data)

    def _data(self, first: int, payload: bytes) -> bytes:
        compressed, payload = self._messages.payload(payload)
        return frame(first | RSV1 if compressed else first, payload)

    def ping(self, payload: bytes) -> bytes:
        """Encode a ping."""
        return frame(FIN | PING, payload)

    def pong(self, payload: bytes) -> bytes:
        """Encode a pong."""
        return frame(FIN | PONG, payload)

    def close(self, close: Close) -> bytes:
        """Encode a close frame."""
        return frame(FIN | CLOSE, close_payload(close))
