"""The engine based on wsproto's frame layer: the only file that imports wsproto, and itself imported only on demand.

It uses `FrameDecoder` and `MessageDecoder` for reading and `FrameProtocol` for writing, but not the layers above them:
`Connection` refuses to write after it has read a close frame, when F32 still has answers to send, and `FrameProtocol`
refuses close code 1014. What wsproto lacks, a limit on message size and a bounded permessage-deflate that survives a
ping between two fragments, is added as a wsproto extension.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wsproto.extensions import Extension
from wsproto.frame_protocol import (
    CloseReason,
    FrameDecoder,
    FrameProtocol,
    MessageDecoder,
    Opcode,
    ParseFailed,
    RsvBits,
)

from ..close import NO_CODE, Close, MalformedClose, read_close_payload
from ..config import Config
from .assembler import MessageAssembler, ViolationError
from .codec import MORE, Event, Ping, Pong, ProtocolViolation
from .deflate import DeflateParameters
from .mask import mask

__all__ = ["WsprotoCodec"]

# wsproto inflates all its input at once, and deflate expands a byte to up to 1,032: this is 2 MiB in the worst case.
_SLICE: Final = 2048
_NO_RSV = RsvBits(False, False, False)


class WsprotoCodec:
    """A `FrameCodec` for the server's end of a connection; with `key`, a source of masking keys, for the client's."""

    def __init__(
        self, config: Config, deflate: DeflateParameters | None, key: Callable[[], bytes] | None = None
    ) -> None:
        client = key is not None
        self._rules = MessageAssembler(config, deflate, client=client)
        rules = _MessageRules(self._rules)
        self._slices = deflate is not None  # wsproto inflates all the input it has of a frame
        self._waiting = b""  # input not yet given to wsproto
        self._at = 0
        self._key = key
        self._decoder = FrameDecoder(client=client, extensions=[rules])
        self._messages = MessageDecoder()
        self._writer = FrameProtocol(client=False, extensions=[rules])
        self._parts: list[str] | list[bytes] = []
        self._over = False
        self.plain = self.idle = False  # it has no fast path
        self.has_pending = True  # possibly: only `next_event` can determine that

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Accept bytes from the peer."""
        if not self._slices:
            self._decoder.receive_bytes(bytes(data))
        else:
            self._waiting, self._at = self._waiting[self._at :] + bytes(data), 0

    def retain(self) -> None:
        """Do nothing: the input was copied."""

    def messages(self, count: int, size: int) -> tuple[list[str | bytes], int]:
        """Return none: this engine has no fast path."""
        del count, size
        return [], 0

    def next_event(self) -> Event | None:
        """Return the next message, control frame or violation."""
        rules = self._rules
        while not self._over:
            if rules.work_left <= 0:
                rules.begin_turn()
                return MORE
            try:
                frame = self._decoder.process_buffer()
                if frame is None:
                    if not self._process():
                        return None
                    continue
                rules.work_left -= 1
                if frame.opcode.iscontrol():
                    assert isinstance(frame.payload, bytes)
                    return self._control(frame.opcode, frame.payload)
                frame = self._messages.process_frame(frame)
            except ParseFailed as failure:
                self._over = True
                return ProtocolViolation(int(failure.code))
            except MalformedClose as failure:
                self._over = True
                return ProtocolViolation(failure.code)
            if frame.message_finished and not self._parts:
                assert isinstance(frame.payload, str | bytes)
                return frame.payload
            self._collect(frame.payload)
            if frame.message_finished:
                parts, self._parts = self._parts, []
                return _join(parts)
        return None

    def begin_turn(self) -> None:
        """Start counting work for a new turn."""
        self._rules.begin_turn()

    def _process(self) -> bool:
        """Give wsproto the next slice; False if there is none."""
        at = self._at
        if at == len(self._waiting):
            self._waiting, self._at = b"", 0
            return False
        self._at = min(at + _SLICE, len(self._waiting))
        self._decoder.receive_bytes(self._waiting[at : self._at])
        return True

    def _control(self, opcode: Opcode, payload: bytes) -> Event:
        if opcode is Opcode.PING:
            return Ping(payload)
        if opcode is Opcode.PONG:
            return Pong(payload)
        close = read_close_payload(payload)
        self._over = True
        return close

    def _collect(self, part: object) -> None:
        """Append a part to the message; parts are joined regularly, as 100,000 one-byte parts take megabytes."""
        assert isinstance(part, str | bytes)
        if part:
            self._parts.append(part)  # type: ignore[arg-type]  # all parts of a message are of its kind
            if len(self._parts) >= 1024:
                self._parts = [_join(self._parts)]  # type: ignore[assignment]
        elif not self._parts:
            self._parts.append(part)  # type: ignore[arg-type]  # determines the type of an empty message

    def text(self, text: str) -> bytes:
        """Encode a text message."""
        text.encode()  # wsproto changes its state before it detects a lone surrogate
        return self._written(self._writer.send_data(text))

    def binary(self, data: bytes) -> bytes:
        """Encode a binary message."""
        return self._written(self._writer.send_data(data))

    def fragment(self, fragment: str | bytes, *, first: bool, final: bool) -> bytes:
        """Encode one fragment of a message."""
        del first  # the writer keeps track
        if isinstance(fragment, str):
            fragment.encode()  # as in `text`
        return self._written(self._writer.send_data(fragment, final))

    def ping(self, payload: bytes) -> bytes:
        """Encode a ping."""
        return self._written(self._writer.ping(payload))

    def pong(self, payload: bytes) -> bytes:
        """Encode a pong."""
        return self._written(self._writer.pong(payload))

    def close(self, close: Close) -> bytes:
        """Encode a close frame."""
        return self._written(self._writer.close() if close == NO_CODE else self._writer.close(close.code, close.reason))

    def _written(self, frame: bytearray) -> bytes:
        """Mask the frame for a client. The writer is a server's, since a client's would draw its own random keys."""
        if self._key is None:
            return bytes(frame)
        size = frame[1]
        start = 2 if size < 126 else 4 if size == 126 else 10
        key = self._key()
        return b"%c%c%b%b%b" % (frame[0], 0x80 | size, bytes(frame[2:start]), key, mask(bytes(frame[start:]), key))


def _join(parts: list[str] | list[bytes]) -> str | bytes:
    return ("" if isinstance(parts[0], str) else b"").join(parts)  # type: ignore[arg-type]


class _MessageRules(Extension):
    """The rules shared by all engines, limits and permessage-deflate, as a wsproto extension."""

    name = "wscore"

    def __init__(self, messages: MessageAssembler) -> None:
        self._messages = messages
        self._control = False  # the frame being read is a control frame

    def enabled(self) -> bool:
        return True

    def offer(self) -> bool | str:  # pragma: no cover  # for wsproto's handshake, which is not used
        return False

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        del proto
        self._control = opcode.iscontrol()
        if self._control:
            return _NO_RSV
        # wsproto detects a misplaced frame too, but only after a byte of payload, which would be inflated first.
        try:
            takes_rsv1 = self._messages.open_frame(
                continues=opcode is Opcode.CONTINUATION, rsv1=rsv.rsv1, size=payload_length
            )
        except ViolationError as failure:
            return CloseReason(failure.code)
        return RsvBits(takes_rsv1, False, False)

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes | CloseReason:
        del proto
        if self._control:
            return data
        try:
            return self._messages.content(data)
        except ViolationError as failure:
            return CloseReason(failure.code)

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:
        del proto
        if self._control:
            return None
        try:
            return self._messages.finish_frame(final=fin)
        except ViolationError as failure:
            return CloseReason(failure.code)

    def frame_outbound(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, data: bytes, fin: bool
    ) -> tuple[RsvBits, bytes]:
        del proto
        if opcode.iscontrol():
            return rsv, data
        compressed, payload = self._messages.fragment(data, first=opcode is not Opcode.CONTINUATION, final=fin)
        return RsvBits(compressed, False, False), payload
