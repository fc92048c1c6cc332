"""Frames by hand, right or wrong, and frames read back: for tests that talk to a WebSocket byte by byte.

Nothing here uses how wscore reads or writes. What goes in is written from RFC 6455's own picture of a frame (5.2), so
that it can be as wrong as a test wants it; what comes out is taken apart as plainly.
"""

from __future__ import annotations

import itertools
import zlib
from typing import NamedTuple, TypedDict, Unpack

from wscore import Opcode

from .._public import set_public_module
from ._annotated import AnnotatedBytes, Line

__all__ = [
    "MASK",
    "AnnotatedBytes",
    "Compressor",
    "Frame",
    "FrameReader",
    "Line",
    "Oddities",
    "binary",
    "close",
    "fragments",
    "frame",
    "masked",
    "ping",
    "pong",
    "read_frames",
    "text",
]

MASK = bytes.fromhex("37fa213d")
"""The key that frames are masked with by default: that of the examples in RFC 6455 5.7."""

_NAMES = {int(each): each.name.lower() for each in Opcode}
_PREVIEW = 32
"""Characters of a payload's repr that a comment shows."""


class Oddities(TypedDict, total=False):
    """What may be special about a frame; the arguments of `frame`."""

    fin: bool
    rsv: int
    mask: bytes | None
    length_in: int | None
    announces: int | None


# -- what one end writes


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    length_in: int | None = None,
    announces: int | None = None,
) -> AnnotatedBytes:
    """Return one frame (RFC 6455 5.2), allowed or not.

    Args:
        opcode: Four bits.
        payload: As it is to be read, not masked.
        fin: Whether it is the last frame of a message.
        rsv: Three bits, RSV1 the highest.
        mask: The masking key; None for a server's frame, which is not masked.
        length_in: The bits that the length takes: 7, 16 or 64. None for the fewest.
        announces: The length that is said; None for that of the payload.

    Returns:
        The bytes, with a comment.
    """
    length = len(payload) if announces is None else announces
    shortest = 7 if length < 126 else 16 if length < 1 << 16 else 64
    if length_in is None:
        length_in = shortest
    first = bytes([fin << 7 | rsv << 4 | opcode])
    mask_bit = (mask is not None) << 7
    match length_in:
        case 7:
            second = bytes([mask_bit | length])
        case 16:
            second = bytes([mask_bit | 126]) + length.to_bytes(2)
        case _:
            second = bytes([mask_bit | 127]) + length.to_bytes(8)
    key = b"" if mask is None else mask
    content = payload if mask is None else masked(payload, mask)
    size = "1 byte" if length == 1 else f"{length} bytes"
    if length != len(payload):
        size += f" announced, {len(payload)} there"
    if length_in != shortest:
        size += f", said in {length_in} bits"
    comment = _comment(opcode, payload, fin=fin, rsv=rsv, is_masked=mask is not None, size=size)
    return AnnotatedBytes.of(Line((first, second, key, content), comment))


def text(message: str, **oddities: Unpack[Oddities]) -> AnnotatedBytes:
    """Return a text message in one frame; the arguments of `frame` make it odd."""
    return frame(Opcode.TEXT, message.encode(), **oddities)


def binary(message: bytes, **oddities: Unpack[Oddities]) -> AnnotatedBytes:
    """Return a binary message in one frame; the arguments of `frame` make it odd."""
    return frame(Opcode.BINARY, message, **oddities)


def close(code: int | None = None, reason: str | bytes = b"", **oddities: Unpack[Oddities]) -> AnnotatedBytes:
    """Return a close frame; without a code it is empty (RFC 6455 5.5.1)."""
    said = reason.encode() if isinstance(reason, str) else reason
    return frame(Opcode.CLOSE, b"" if code is None else code.to_bytes(2) + said, **oddities)


def ping(payload: bytes = b"", **oddities: Unpack[Oddities]) -> AnnotatedBytes:
    """Return a ping."""
    return frame(Opcode.PING, payload, **oddities)


def pong(payload: bytes = b"", **oddities: Unpack[Oddities]) -> AnnotatedBytes:
    """Return a pong."""
    return frame(Opcode.PONG, payload, **oddities)


def fragments(opcode: int, *payloads: bytes, rsv: int = 0, mask: bytes | None = MASK) -> list[AnnotatedBytes]:
    """Return the frames of one message, a payload each; `rsv` is the first one's (RFC 7692 6.1)."""
    last = len(payloads) - 1
    return [
        frame(
            Opcode.CONTINUATION if index else opcode,
            payload,
            fin=index == last,
            rsv=0 if index else rsv,
            mask=mask,
        )
        for index, payload in enumerate(payloads)
    ]


def masked(payload: bytes, key: bytes) -> bytes:
    """Return `payload` masked with `key`, or unmasked (RFC 6455 5.3)."""
    return bytes(byte ^ mask for byte, mask in zip(payload, itertools.cycle(key), strict=False))


class Compressor:
    """One end's half of permessage-deflate, on zlib alone (RFC 7692 7.2.1).

    Args:
        window_bits: The window, as a power of two, 9 to 15.
        context_takeover: Whether a message may refer to those before it.
        level: zlib's level, 0 to 9.
    """

    def __init__(self, *, window_bits: int = 15, context_takeover: bool = True, level: int = 6) -> None:
        self._window_bits = window_bits
        self._level = level
        self._context_takeover = context_takeover
        self._begin()

    def _begin(self) -> None:
        self._stream = zlib.compressobj(self._level, zlib.DEFLATED, -self._window_bits)

    def payload(self, message: bytes) -> bytes:
        """Return the payload of a message's frame or frames."""
        if not self._context_takeover:
            self._begin()
        compressed = self._stream.compress(message) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        return compressed.removesuffix(b"\x00\x00\xff\xff")

    def text(self, message: str) -> AnnotatedBytes:
        """Return a compressed text message in one frame."""
        return frame(Opcode.TEXT, self.payload(message.encode()), rsv=0b100)

    def binary(self, message: bytes) -> AnnotatedBytes:
        """Return a compressed binary message in one frame."""
        return frame(Opcode.BINARY, self.payload(message), rsv=0b100)


# -- what the other end reads


class Frame(NamedTuple):
    """A frame that was read. `payload` is as on the wire, but for a mask; `rsv` is three bits, RSV1 the highest."""

    opcode: int
    payload: bytes
    rsv: int = 0
    fin: bool = True

    @property
    def rsv1(self) -> bool:
        """Whether it begins a compressed message (RFC 7692 6)."""
        return self.rsv & 0b100 != 0


class FrameReader:
    """Takes frames apart as they come. Judges nothing but their layout: whatever RSV bits, opcodes and lengths.

    Args:
        masked: Whether the frames have to be masked, as a client's are. None: either.
    """

    def __init__(self, *, masked: bool | None = None) -> None:
        self._masked = masked
        self._unread = b""

    @property
    def unread(self) -> bytes:
        """The beginning of a frame that is not whole."""
        return self._unread

    def receive_data(self, data: bytes) -> list[Frame]:
        """Return the frames that `data` completes.

        Raises:
            ValueError: A frame is masked that may not be, or the other way round.
        """
        data = self._unread + data
        frames: list[Frame] = []
        begin = 0
        while len(data) >= begin + 2:
            first, second = data[begin], data[begin + 1]
            has_key = second >= 0x80
            if self._masked is not None and has_key is not self._masked:
                raise ValueError("a masked frame" if has_key else "a frame that is not masked")
            size, at = second & 0x7F, begin + 2
            if size >= 126:
                at += 2 if size == 126 else 8
                size = int.from_bytes(data[begin + 2 : at])
            content = at + 4 * has_key
            if len(data) < content + size:
                break
            payload = data[content : content + size]
            begin = content + size
            if has_key:
                payload = masked(payload, data[at:content])
            frames.append(Frame(first & 0xF, payload, first >> 4 & 0b111, first >= 0x80))
        self._unread = data[begin:]
        return frames


def read_frames(data: bytes, *, masked: bool = False) -> list[Frame]:
    """Take whole frames apart.

    Args:
        data: Frames, nothing before or after them.
        masked: Whether they are a client's.

    Raises:
        ValueError: A mask is missing or too much, or the last frame is cut short.
    """
    reader = FrameReader(masked=masked)
    frames = reader.receive_data(data)
    if reader.unread:
        raise ValueError("half a frame")
    return frames


# -- comments


def _comment(opcode: int, payload: bytes, *, fin: bool, rsv: int, is_masked: bool, size: str) -> str:
    flags = ["FIN"] * fin + [f"RSV{bit}" for bit in (1, 2, 3) if rsv >> (3 - bit) & 1]
    what = " ".join([*flags, _NAMES.get(opcode, f"opcode {opcode:#x}")])
    said = [what if fin else f"{what} (not the last)", "masked" if is_masked else "not masked", size]
    meaning = _meaning(opcode, payload, rsv)
    return ", ".join(said) + (f": {meaning}" if meaning else "")


def _meaning(opcode: int, payload: bytes, rsv: int) -> str:
    if not payload:
        return ""
    if rsv & 0b100:
        return "compressed"
    if opcode == Opcode.CLOSE and len(payload) >= 2:
        reason = _preview(payload[2:], is_text=True)
        return f"{int.from_bytes(payload[:2])}" + (f" {reason}" if reason else "")
    return _preview(payload, is_text=opcode == Opcode.TEXT)


def _preview(payload: bytes, *, is_text: bool) -> str:
    if not payload:
        return ""
    shown: str | bytes = payload
    if is_text:
        try:
            shown = payload.decode()
        except UnicodeDecodeError:
            return "not UTF-8"
    preview = repr(shown)
    return preview if len(preview) <= _PREVIEW else f"{preview[:_PREVIEW]}.."


set_public_module(__name__, [globals()[name] for name in __all__])
