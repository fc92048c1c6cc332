"""Our own engine for the client's end: what it reads is not masked, what it writes is (RFC 6455 5.1, 5.3)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import ClassVar, Final

from .._close import Close, close_payload
from .._config import Config
from .._deflate import Deflate
from ._mask import mask
from .native import NativeCodec

__all__ = ["NativeClientCodec"]

_CONTINUATION: Final = 0x0
_TEXT: Final = 0x1
_BINARY: Final = 0x2
_FIN: Final = 0x80
_RSV1: Final = 0x40
_WHOLE_TEXT: Final = 0x81
_WHOLE_BINARY: Final = 0x82
_CLOSE: Final = 0x88
_PING: Final = 0x89
_PONG: Final = 0x8A
_MASKED: Final = 0x80

_IN_A_FRAME: Final = b"\0\0\0\0"  # the key of a frame that is not masked


class NativeClientCodec(NativeCodec):
    """A `ClientFrameCodec` for the client's end of a connection."""

    __slots__ = ("_key_source",)

    def __init__(self, config: Config, deflate: Deflate | None, key: Callable[[], bytes]) -> None:
        """Mask each frame with what `key` gives: four bytes that nobody can foretell."""
        super().__init__(config, deflate, client=True)
        self._key_source = key

    # -- reading

    _EXPECTED: ClassVar[int] = 0
    _KEY_SIZE: ClassVar[int] = 0

    def messages(self, count: int, size: int) -> tuple[list[str | bytes], int]:
        """Take the fast path, as far as it leads: the server's, without a mask."""
        messages: list[str | bytes] = []
        left = size
        if self._between:
            buffer, at, limit = self._buffer, self._at, self._limit
            here = len(buffer)
            while count and left > 0 and at + 2 <= here:
                first, length, start, shortest = buffer[at], buffer[at + 1], at + 2, 0
                if length > 125:
                    if length > 127:
                        break  # masked
                    start, shortest = (at + 4, 126) if length == 126 else (at + 10, 1 << 16)
                    length = int.from_bytes(buffer[at + 2 : start])
                end = start + length
                if end > here or not shortest <= length <= limit:
                    break
                if first == _WHOLE_TEXT:
                    try:
                        messages.append(buffer[start:end].decode())
                    except UnicodeDecodeError:
                        break
                elif first == _WHOLE_BINARY:
                    messages.append(buffer[start:end])
                else:
                    break
                at = end
                count -= 1
                left -= length
            self._at = at
            if at == here:
                self._buffer, self._at = b"", 0  # an idle connection holds no read that was used up
                self.unread = False
        return messages, size - left

    def _whole(self, start: int, end: int) -> bytes:
        return self._buffer[start:end]

    def _key_before(self, start: int) -> bytes:
        del start
        return _IN_A_FRAME

    def _piece(self, piece: bytes) -> bytes:
        return piece

    # -- writing

    def text(self, text: str) -> bytes:
        """Write a text message."""
        payload = text.encode()
        return self._data(_WHOLE_TEXT, payload) if self._compresses else self._masked(_WHOLE_TEXT, payload)

    def binary(self, data: bytes) -> bytes:
        """Write a binary message."""
        return self._data(_WHOLE_BINARY, data) if self._compresses else self._masked(_WHOLE_BINARY, data)

    def _data(self, first: int, payload: bytes) -> bytes:
        compressed, payload = self._messages.payload(payload)
        return self._masked(first | _RSV1 if compressed else first, payload)

    def fragment(self, fragment: str | bytes, *, first: bool, final: bool) -> bytes:
        """Write a piece of a message."""
        opcode, payload = (_TEXT, fragment.encode()) if isinstance(fragment, str) else (_BINARY, fragment)
        compressed, payload = self._messages.fragment(payload, first=first, final=final)
        return self._masked((opcode if first else _CONTINUATION) | compressed * _RSV1 | final * _FIN, payload)

    def ping(self, payload: bytes) -> bytes:
        """Write a ping."""
        return self._masked(_PING, payload)

    def pong(self, payload: bytes) -> bytes:
        """Write a pong."""
        return self._masked(_PONG, payload)

    def close(self, close: Close) -> bytes:
        """Write a close frame."""
        return self._masked(_CLOSE, close_payload(close))

    def _masked(self, first: int, payload: bytes) -> bytes:
        """Put a header before a payload, in the shortest form (RFC 6455 5.2), and mask that with a key of its own."""
        size = len(payload)
        key = self._key_source()
        if size < 126:
            return b"%c%c%b%b" % (first, _MASKED | size, key, mask(payload, key))
        if size < 1 << 16:
            return _MEDIUM.pack(first, _MASKED | 126, size) + key + mask(payload, key)
        return _LONG.pack(first, _MASKED | 127, size) + key + mask(payload, key)


_MEDIUM: Final = struct.Struct("!BBH")
_LONG: Final = struct.Struct("!BBQ")
