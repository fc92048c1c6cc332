"""The engine on wsproto's frame layer; the only importer of wsproto.

It takes `FrameDecoder` and `MessageDecoder` for reading and `FrameProtocol` for writing, and leaves the layers above
them: `Connection` refuses to write once it has read a close frame, where F32 still has answers to send, and
`FrameProtocol` refuses close code 1014. What wsproto lacks, a limit on messages and a bounded permessage-deflate that
survives a ping between two fragments, is plugged in as an extension of wsproto's.
"""

from __future__ import annotations

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

from .._close import NO_CODE, Close, MalformedClose, read_close_payload
from .._config import Config
from .._deflate import CorruptDeflate, Deflate, Deflater, Inflater, TooLarge
from . import Event, Ping, Pong, Violation

__all__ = ["WsprotoCodec"]

_NO_RSV = RsvBits(False, False, False)


class WsprotoCodec:
    """A `FrameCodec` for the server's end of a connection."""

    def __init__(self, config: Config, deflate: Deflate | None) -> None:
        rules = _MessageRules(config, deflate)
        self._decoder = FrameDecoder(client=False, extensions=[rules])
        self._messages = MessageDecoder()
        self._writer = FrameProtocol(client=False, extensions=[rules])
        self._parts: list[str] | list[bytes] = []
        self._over = False

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the peer."""
        self._decoder.receive_bytes(bytes(data))

    def next_event(self) -> Event | None:
        """Give the next message, control frame or failure."""
        while not self._over:
            try:
                frame = self._decoder.process_buffer()
                if frame is None:
                    return None
                if frame.opcode.iscontrol():
                    assert isinstance(frame.payload, bytes)
                    return self._control(frame.opcode, frame.payload)
                frame = self._messages.process_frame(frame)
            except ParseFailed as failure:
                self._over = True
                return Violation(int(failure.code))
            except MalformedClose as failure:
                self._over = True
                return Violation(failure.code)
            if frame.message_finished and not self._parts:
                assert isinstance(frame.payload, str | bytes)
                return frame.payload
            self._collect(frame.payload)
            if frame.message_finished:
                parts, self._parts = self._parts, []
                return _join(parts)
        return None

    def _control(self, opcode: Opcode, payload: bytes) -> Event:
        if opcode is Opcode.PING:
            return Ping(payload)
        if opcode is Opcode.PONG:
            return Pong(payload)
        close = read_close_payload(payload)
        self._over = True
        return close

    def _collect(self, part: object) -> None:
        """Keep a part of a message; joined now and then, as a hundred thousand parts of a byte each weigh megabytes."""
        assert isinstance(part, str | bytes)
        if part:
            self._parts.append(part)  # type: ignore[arg-type]  # all parts of a message are of its kind
            if len(self._parts) >= 1024:
                self._parts = [_join(self._parts)]  # type: ignore[assignment]
        elif not self._parts:
            self._parts.append(part)  # type: ignore[arg-type]  # it says of which kind an empty message is

    def text(self, payload: bytes) -> bytes:
        """Write a text message."""
        return bytes(self._writer.send_data(payload.decode()))

    def binary(self, payload: bytes) -> bytes:
        """Write a binary message."""
        return bytes(self._writer.send_data(payload))

    def ping(self, payload: bytes) -> bytes:
        """Write a ping."""
        return bytes(self._writer.ping(payload))

    def pong(self, payload: bytes) -> bytes:
        """Write a pong."""
        return bytes(self._writer.pong(payload))

    def close(self, close: Close) -> bytes:
        """Write a close frame."""
        return bytes(self._writer.close() if close == NO_CODE else self._writer.close(close.code, close.reason))


def _join(parts: list[str] | list[bytes]) -> str | bytes:
    return ("" if isinstance(parts[0], str) else b"").join(parts)  # type: ignore[arg-type]


class _MessageRules(Extension):
    """Limits judged on the frame's header, and permessage-deflate (RFC 7692), in the shape of a wsproto extension.

    wsproto calls `frame_inbound_header` a second time for a header whose masking key had not arrived, so that hook
    only notes what it sees.
    """

    name = "wscore"

    def __init__(self, config: Config, deflate: Deflate | None) -> None:
        self._limit = config.max_message_size
        self._max_fragments = config.max_fragments
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
        self._control = False  # the frame being read is a control frame
        self._compressed = False  # the message being read is compressed; a control frame between does not touch it
        self._wire_size = 0  # payload bytes of the message's finished frames
        self._frame_size = 0  # of the frame being read
        self._size = 0  # what the message has come to
        self._fragments = 0

    def enabled(self) -> bool:
        return True

    def offer(self) -> bool | str:
        return False

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        del proto
        self._control = opcode.iscontrol()
        if self._control:
            return _NO_RSV
        first = opcode is not Opcode.CONTINUATION
        if first is (self._fragments > 0):
            # RFC 6455 5.4. wsproto sees it too, but after a byte of payload, which would be inflated first.
            return CloseReason.PROTOCOL_ERROR
        if first:
            self._compressed = rsv.rsv1 and self._inflater is not None
        self._frame_size = payload_length
        limit = self._limit
        if self._compressed:
            limit += limit // 8 + 1024  # incompressible data grows a little; what it inflates to is what counts
        if self._wire_size + payload_length > limit or self._fragments >= self._max_fragments:
            return CloseReason.MESSAGE_TOO_BIG
        return RsvBits(first and self._compressed, False, False)

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes | CloseReason:
        del proto
        if self._control or not self._compressed:
            return data
        return self._inflate(data)

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:
        del proto
        if self._control:
            return None
        self._wire_size += self._frame_size
        self._fragments += 1
        if not fin:
            return None
        rest = self._inflate(None) if self._compressed else None
        self._wire_size = self._size = self._fragments = 0
        self._compressed = False
        return rest

    def frame_outbound(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, data: bytes, fin: bool
    ) -> tuple[RsvBits, bytes]:
        del proto, fin  # we write whole messages
        if self._deflater is None or opcode.iscontrol():
            return rsv, data
        return RsvBits(True, False, False), self._deflater.deflate(data)

    def _inflate(self, data: bytes | None) -> bytes | CloseReason:
        """Inflate a piece of the message, or with None its end."""
        assert self._inflater is not None  # else no message is taken for compressed
        room = self._limit - self._size
        try:
            inflated = self._inflater.end_message(room) if data is None else self._inflater.inflate(data, room)
        except TooLarge:
            return CloseReason.MESSAGE_TOO_BIG
        except CorruptDeflate:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        self._size += len(inflated)
        return inflated
