"""The end under test as a script talks to it: pieces to send, events to expect, and what each of them proves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Final, Literal, NamedTuple

from .deflate import Compressor, Decompressor, Parameters
from .frames import DEFINED, MASK, BadFrame, Frame, FrameReader, Opcode, close_payload, encode
from .messages import Event, MessageReader, shown
from .outcome import Failed
from .steps import EndWriting, Gone, Note, Receive, Reset, Send, perform

__all__ = ["FENCE", "ClosedInstead", "Peer", "Piece"]

FENCE: Final = b"fence"
"""The payload of what follows a violation: its answer proves that the peer carried on."""


class Piece(NamedTuple):
    """Bytes to send, and how the conversation calls them."""

    data: bytes
    says: str


class ClosedInstead(Failed):
    """The peer closed in place of an answer; `code` is that of its close frame, None without one."""

    def __init__(self, text: str, code: int | None) -> None:
        """Keep the code."""
        super().__init__(text)
        self.code = code


class Peer(ABC):
    """One conversation with the end under test.

    `remarks` are the SHOULDs that it did not keep: with one the outcome is a lenient pass.
    """

    role: ClassVar[Literal["server", "client"]]

    def __init__(self) -> None:
        """Begin before the opening handshake."""
        self.remarks: list[str] = []
        self.begin()

    def begin(self) -> None:
        """Forget the connection: the next one begins."""
        self.buffer = bytearray()  # what came before the frames do
        self._reader = FrameReader()
        self._opened = False
        self._close_sent = False
        self._compressor: Compressor | None = None
        self._messages = MessageReader(masked=self.role == "client")

    def remark(self, text: str) -> None:
        """Note a SHOULD that the peer did not keep, or a limit of its own."""
        self.remarks.append(text)

    # -- opening

    @abstractmethod
    async def open(self) -> None:
        """Open the WebSocket connection, without extensions."""

    @abstractmethod
    async def open_deflate(
        self,
        *,
        probe_bits: int | None = None,
        probe_takeover: bool = True,
        peer_bits: int | None = None,
        peer_takeover: bool = True,
    ) -> None:
        """Open it with permessage-deflate: the window and the context takeover of either end's compressor.

        Raises NotApplicable where the peer does not take part.
        """

    def opened(self, deflate: Parameters | None = None) -> None:
        """Take what comes from now on for frames, the rest of the buffer among it."""
        self._opened = True
        self._reader.feed(bytes(self.buffer))
        self.buffer.clear()
        if deflate is None:
            return
        server = (deflate.server_max_window_bits or 15, not deflate.server_no_context_takeover)
        client = (deflate.client_max_window_bits or 15, not deflate.client_no_context_takeover)
        probe, peer = (client, server) if self.role == "server" else (server, client)
        self._compressor = Compressor(bits=probe[0], takeover=probe[1])
        self._messages.decompressor = Decompressor(bits=peer[0], takeover=peer[1])

    # -- sending

    def frame(
        self,
        opcode: int,
        payload: bytes = b"",
        *,
        fin: bool = True,
        rsv: int = 0,
        masked: bool | None = None,
        mask: bytes = MASK,
        length: bytes | None = None,
    ) -> Piece:
        """Write a frame; it is masked where it must be, unless `masked` says otherwise."""
        if masked is None:
            masked = self.role == "server"
        key = mask if masked else None
        name = Opcode(opcode).name.lower() if opcode in DEFINED else f"opcode {opcode:#x}"
        marks = ["", "not final"][not fin] + (f" rsv {rsv:03b}" if rsv else "")
        if masked is not (self.role == "server"):
            marks += " masked" if masked else " unmasked"
        said = f"{name}{f' ({marks.strip()})' if marks else ''}{shown(payload)}"
        return Piece(encode(opcode, payload, fin=fin, rsv=rsv, mask=key, length=length), said)

    def text(self, payload: str | bytes, *, fin: bool = True) -> Piece:
        """Write a text frame."""
        return self.frame(Opcode.TEXT, payload.encode() if isinstance(payload, str) else payload, fin=fin)

    def binary(self, payload: bytes, *, fin: bool = True) -> Piece:
        """Write a binary frame."""
        return self.frame(Opcode.BINARY, payload, fin=fin)

    def more(self, payload: str | bytes, *, fin: bool = True) -> Piece:
        """Write a continuation frame."""
        return self.frame(Opcode.CONTINUATION, payload.encode() if isinstance(payload, str) else payload, fin=fin)

    def ping(self, payload: bytes = b"") -> Piece:
        """Write a ping."""
        return self.frame(Opcode.PING, payload)

    def pong(self, payload: bytes = b"") -> Piece:
        """Write a pong."""
        return self.frame(Opcode.PONG, payload)

    def close(self, code: int | None = None, reason: bytes | str = b"") -> Piece:
        """Write a close frame."""
        return self.frame(Opcode.CLOSE, b"" if code is None else close_payload(code, reason))

    def compressed(self, opcode: int, payload: bytes, *, final: bool = False) -> Piece:
        """Write a compressed message in one frame."""
        return self.frame(opcode, self.deflated(payload, final=final), rsv=4)

    def deflated(self, payload: bytes, *, final: bool = False) -> bytes:
        """Compress a message for the peer."""
        assert self._compressor is not None, "the case did not open the connection with permessage-deflate"
        return self._compressor.message(payload, final=final)

    async def send(self, *pieces: Piece, chop: int = 0) -> None:
        """Send pieces in one write; with `chop`, in writes of that many bytes."""
        names = [piece.says for piece in pieces[:6]]
        if len(pieces) > 6:
            names.append(f"and {len(pieces) - 6:,} more")
        await perform(Send(b"".join(piece.data for piece in pieces), "; ".join(names), chop))

    async def send_close(
        self,
        code: int | None = None,
        reason: bytes | str = b"",
        *,
        before: tuple[Piece, ...] = (),
        after: tuple[Piece, ...] = (),
        chop: int = 0,
    ) -> None:
        """Send the close frame that ends our half, with other pieces before and after it in the same write."""
        self._close_sent = True
        await self.send(*before, self.close(code, reason), *after, chop=chop)

    @property
    def is_open(self) -> bool:
        """Return whether a close frame of ours would be the first word about the end."""
        return self._opened and not self._close_sent

    def farewell(self) -> Piece:
        """Return what a good peer says when it leaves: a close frame, or nothing where it has said it."""
        return self.close(1000) if self.is_open else Piece(b"", "nothing")

    async def end_writing(self) -> None:
        """End our half of the TCP connection."""
        await perform(EndWriting())

    async def reset(self) -> None:
        """Abort the TCP connection."""
        await perform(Reset())

    # -- receiving

    async def receive(self, waits_for: str, patience: float | None = None) -> bytes | Gone:
        """Wait for bytes or the end."""
        data: bytes | Gone = await perform(Receive(waits_for, patience))
        if isinstance(data, Gone):
            await perform(Note(data.value))
        return data

    async def next_frame(self, waits_for: str, patience: float | None = None) -> Frame | Gone:
        """Wait for a frame, and hold the peer to what any frame has to keep to."""
        while True:
            try:
                frame = self._reader.next_frame()
            except BadFrame as error:
                raise Failed(f"it sent {error}") from None
            if frame is not None:
                break
            data = await self.receive(waits_for, patience)
            if isinstance(data, Gone):
                return data
            self._reader.feed(data)
        said = f"{Opcode(frame.opcode).name.lower()}{'' if frame.fin else ' (not final)'}{shown(frame.payload)}"
        await perform(Note(f"{said}{' compressed' if frame.rsv else ''}"))
        self._messages.check(frame)
        return frame

    async def next_event(self, waits_for: str, patience: float | None = None) -> Event | Gone:
        """Wait for a whole message, a pong or a close frame; a ping is answered meanwhile."""
        while True:
            frame = await self.next_frame(waits_for, patience)
            if isinstance(frame, Gone):
                return frame
            event = self._messages.event(frame)
            if event is not None and event.opcode is not Opcode.PING:
                return event
            if event is not None and not self._close_sent:
                await self.send(self.pong(event.payload))

    # -- what a script expects

    async def echoes(self, opcode: Opcode, payload: bytes, patience: float | None = None) -> None:
        """Wait for a message to come back whole, pongs aside."""
        expected = Event(opcode, payload)
        while True:
            event = await self.next_event(f"the echo of {expected}", patience)
            if isinstance(event, Gone):
                raise ClosedInstead(f"{event.value} came in place of the echo of {expected}", None)
            if event.opcode is Opcode.CLOSE:
                await self.finish()
                raise ClosedInstead(f"{event} came in place of the echo of {expected}", event.code)
            if event.opcode is Opcode.PONG:
                continue
            if event != expected:
                raise Failed(f"{event} came in place of the echo of {expected}")
            return

    async def echo(self, *pieces: Piece, opcode: Opcode, payload: bytes, chop: int = 0) -> None:
        """Send pieces that are one message, and wait for it to come back."""
        await self.send(*pieces, chop=chop)
        await self.echoes(opcode, payload)

    async def pongs(self, payload: bytes) -> None:
        """Wait for the pong that has the payload: the next event has to be it."""
        event = await self.next_event(f"the pong{shown(payload)}")
        if isinstance(event, Gone):
            raise Failed(f"{event.value} came in place of the pong{shown(payload)}")
        if event != (Opcode.PONG, payload):
            raise Failed(f"{event} came in place of the pong{shown(payload)}")

    async def pong_and_echo(self, ping: bytes, opcode: Opcode, payload: bytes) -> None:
        """Wait for a pong and for an echo, in either order: the application may be slower than the protocol."""
        awaited = {Event(Opcode.PONG, ping), Event(opcode, payload)}
        while awaited:
            event = await self.next_event("the pong and the echo")
            if isinstance(event, Gone) or event not in awaited:
                came = event.value if isinstance(event, Gone) else event
                raise Failed(f"{came} came in place of {' and '.join(sorted(map(str, awaited)))}")
            awaited.discard(event)

    async def fails(self, *pieces: Piece, codes: tuple[int, ...] = (1002,)) -> None:
        """Send frames that the peer must not take, a ping behind them, and see the connection failed."""
        await self.send(*pieces, self.ping(FENCE))
        await self.is_failed(codes)

    async def fails_to_read(self, *pieces: Piece, codes: tuple[int, ...] = (1007,)) -> None:
        """Send a message whose content the peer must not take, another behind it, and see the connection failed.

        Not a ping: who looks at the content only when the application asks for it answers pings before that.
        """
        await self.send(*pieces, self.text(FENCE))
        await self.is_failed(codes)

    async def is_failed(self, codes: tuple[int, ...] = (1002,), patience: float | None = None) -> None:
        """See the connection failed (RFC 6455 7.1.7): a close frame, which SHOULD have one of the codes, and the end.

        An answer to anything but a close frame proves that it was not.
        """
        await self.is_failed_by(await self.next_event("the connection to be failed", patience), codes)

    async def is_failed_by(self, event: Event | Gone, codes: tuple[int, ...] = (1002,)) -> None:
        """See the connection failed by an event that has come already."""
        if isinstance(event, Gone):
            self.remark("it ended the connection without a close frame")
        elif event.payload == FENCE and event.opcode in (Opcode.PONG, Opcode.TEXT):
            what = "ping" if event.opcode is Opcode.PONG else "message"
            raise Failed(f"it carried on: it answered the {what} that came after")
        elif event.opcode is not Opcode.CLOSE:
            raise Failed(f"it took what it must not take: {event} came back")
        else:
            if event.code not in codes:
                expected = " or ".join(map(str, codes))
                self.remark(f"it failed the connection with {event}; {expected} would say why")
            await self.finish()

    async def closes(self) -> Event | None:
        """Wait for the peer's close frame, with nothing before it; None where the connection ends without one."""
        event = await self.next_event("the close frame")
        if isinstance(event, Gone):
            return None
        if event.opcode is not Opcode.CLOSE:
            raise Failed(f"{event} came in place of a close frame")
        return event

    async def finish(self) -> None:
        """Answer the peer's close frame if ours is not sent, and see the TCP connection end (RFC 6455 7.1.1)."""
        if not self._close_sent:
            await self.send_close(1000)
        if self.role == "client":
            await self.end_writing()
        await self.ends()

    async def ends(self, patience: float | None = None) -> None:
        """Wait for the end of the connection; a frame before it, after the close frame, is a fault."""
        while not isinstance(await self.next_frame("the end of the TCP connection", patience), Gone):
            pass
