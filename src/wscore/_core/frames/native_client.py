"""The native engine for the client's end: it reads unmasked frames and writes masked ones (RFC 6455 5.1, 5.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from ..close import Close, close_payload
from ..config import Config
from .deflate import DeflateParameters
from .native import NativeCodec
from .opcodes import BINARY, CLOSE, CONTINUATION, FIN, FINAL_BINARY, FINAL_TEXT, PING, PONG, RSV1, TEXT
from .write import masked_frame

__all__ = ["NativeClientCodec"]


_IN_A_FRAME: Final = b"\0\0\0\0"  # the key of an unmasked frame


class NativeClientCodec(NativeCodec):
    """A `ClientFrameCodec` for the client's end of a connection."""

    __slots__ = ("_key_source",)

    def __init__(self, config: Config, deflate: DeflateParameters | None, key: Callable[[], bytes]) -> None:
        """Mask each frame with the next result of `key`: four unpredictable bytes."""
        super().__init__(config, deflate, client=True)
        self._key_source = key

    # -- reading

    _EXPECTED: ClassVar[int] = 0
    _KEY_SIZE: ClassVar[int] = 0

    def _whole(self, start: int, end: int) -> bytes:
        return bytes(self._buffer[start:end])

    def _key_before(self, start: int) -> bytes:
        del start
        return _IN_A_FRAME

    def _piece(self, piece: bytes | memoryview) -> bytes:
        return bytes(piece)

    # -- writing

    def text(self, text: str) -> bytes:
        """Encode a text message."""
        if self._compresses:
            return self._data(FINAL_TEXT, text.encode())
        return masked_frame(FINAL_TEXT, text, self._key_source())

    def binary(self, data: bytes) -> bytes:
        """Encode a binary message."""
        if self._compresses:
            return self._data(FINAL_BINARY, data)
        return masked_frame(FINAL_BINARY, data, self._key_source())

    def _data(self, first: int, payload: bytes) -> bytes:
        compressed, payload = self._messages.payload(payload)
        return masked_frame(first | RSV1 if compressed else first, payload, self._key_source())

    def fragment(self, fragment: str | bytes, *, first: bool, final: bool) -> bytes:
        """Encode one fragment of a message."""
        opcode, payload = (TEXT, fragment.encode()) if isinstance(fragment, str) else (BINARY, fragment)
        compressed, payload = self._messages.fragment(payload, first=first, final=final)
        opening = (opcode if first else CONTINUATION) | compressed * RSV1 | final * FIN
        return masked_frame(opening, payload, self._key_source())

    def ping(self, payload: bytes) -> bytes:
        """Encode a ping."""
        return masked_frame(FIN | PING, payload, self._key_source())

    def pong(self, payload: bytes) -> bytes:
        """Encode a pong."""
        return masked_frame(FIN | PONG, payload, self._key_source())

    def close(self, close: Close) -> bytes:
        """Encode a close frame."""
        return masked_frame(FIN | CLOSE, close_payload(close), self._key_source())
