"""The way of whole, plain messages, from a read to the application's `receive` and from its `send` to a write.

Nearly all messages come whole in one frame, on an open connection without compression, and change no state. For these
`Lane` is the way past the table: `take` reads them, `receive` gives them to the application, `send` frames its answers,
`output` is what to write. `ServerConnection` and `ClientConnection` have the same four inputs and outputs for
everything (`receive_data`, `next_message`, `send`, `data_to_send`), and use the lane's queue and its output: so
whichever way a message goes, its order, the limits and the statistics are the same.

Left to the table, with `open` False, which `Endpoint` sees to:

- everything unless the connection is OPEN: the handshake, a denial, the closing;
- a connection with compression, and every connection of the `wsproto` engine;
- messages behind `websocket.connect`, until the application has taken that;
- a peer's end that waits behind messages (F32);
- input while a pong is awaited, since every byte counts as activity;
- input that waits for another turn.

Left to the table by each method:

- `take`: all frames but whole plain messages, whatever follows them in the same read, and all input while reading is
  paused or a message is there in part;
- `receive`: to resume reading, once the codec holds no more whole plain messages than there is room for;
- `send`: every message but a `websocket.send` with a `str` or with `bytes`, wrong ones among them.

What is done for every message is implemented in C (`frames/_lane.c`), if the extension was built, or else in Python,
with the same results: `PythonLaneBase` is the reference. What is done seldom is `Lane`'s, on either of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .access import Stats
from .asgi.messages import ReceivedMessage
from .config import Config
from .frames.codec import FrameCodec
from .frames.mask import ACCELERATED
from .frames.opcodes import FINAL_BINARY, FINAL_TEXT
from .frames.scan import scan, scan_unmasked
from .frames.write import frame
from .outgoing import payload_size

__all__ = ["MESSAGES_A_TURN", "Lane", "PythonLaneBase"]

MESSAGES_A_TURN: Final = 256
"""Messages read in batches per turn; the codec counts all other work."""


class PythonLaneBase:
    """Queue and output, and what is done with them for every message; `Lane` documents the attributes."""

    __slots__ = (
        "_chunks",
        "_codec",
        "_late_pong",
        "_later",
        "_low_count",
        "_low_size",
        "_max_count",
        "_max_message_size",
        "_max_size",
        "_next",
        "_scan",
        "_stats",
        "_turn_size",
        "asking",
        "count",
        "full",
        "output_limit",
        "output_size",
        "paused",
        "run",
        "size",
        "taken",
    )

    _codec: FrameCodec  # from `attach` on
    run: int
    count: int
    size: int
    full: bool
    paused: bool
    asking: bool
    output_size: int
    output_limit: int
    taken: int

    def __init__(self, config: Config, stats: Stats, masked: bool, turn: int) -> None:
        self._stats = stats
        self._scan = scan if masked else scan_unmasked
        self._turn_size = turn
        self._max_message_size = config.max_message_size
        self.run = 0
        # Messages for the application, in two lists, so that each is taken from an end: those to be taken next, the
        # first one last, and those behind them in order. There is nothing in `_later` unless there is in `_next`.
        # Lists that are empty take a tenth of an empty deque's 760 bytes.
        self._next: list[str | bytes] = []
        self._later: list[str | bytes] = []
        self._max_count = config.max_queue
        self._max_size = config.max_queue_size
        self._low_count = config.max_queue // 2
        self._low_size = config.max_queue_size // 2
        self.count = self.size = 0
        self.full = self.paused = self.asking = False
        # bytes for the peer
        self._chunks: list[bytes] = []
        self._late_pong: bytes | None = None  # answers the latest ping received while full
        self.output_limit = config.max_output_size
        self.output_size = self.taken = 0

    # -- the four steps of a message past the table, while `open`

    def take(self, data: bytes | memoryview) -> bytes | memoryview | None:
        """Queue the whole plain messages with which a read begins, as many as there is room for.

        Returns:
            What is left, for `endpoint.receive_rest`, which may be b"" if the queue is full now; None if nothing is.
        """
        if self.paused or not self._codec.idle:
            return data
        if not ACCELERATED:  # pragma: no cover  # the C code reads in place; the Python code needs `bytes`
            data = bytes(data)
        room = self._max_count - self.count
        messages, at, size = self._scan(
            data,
            0,
            self._max_message_size,
            room if room < self._turn_size else self._turn_size,
            self._max_size - self.size,
        )
        if messages:
            self.put(messages, size)
            if at == len(data) and not self.full:
                return None
        self.run = len(messages)
        return data[at:]

    def receive(self) -> ReceivedMessage | None:
        """Take the application's next message, or return None.

        If it made room, what the codec holds is read; the lane is shut if `endpoint.read_on` has to go on with that.
        """
        waiting = self._next
        if not waiting:
            self.asking = True
            return None
        self.asking = False
        payload = waiting.pop()
        message: ReceivedMessage
        if isinstance(payload, str):
            self.size -= len(payload) if payload.isascii() else payload_size(payload)
            message = {"type": "websocket.receive", "text": payload}
        else:
            self.size -= len(payload)
            message = {"type": "websocket.receive", "bytes": payload}
        self.count -= 1
        if self._later and not waiting:
            self._turn()
        if self.paused:
            if self.full:
                self.full = self.count >= self._max_count or self.size >= self._max_size
            if self.count <= self._low_count and self.size <= self._low_size:
                self._read_on()
        return message

    def send(self, message: Any) -> bool:
        """Frame a `websocket.send`; False, with nothing done, if `ServerConnection.send` has to look at the message."""
        if type(message) is not dict:
            return False
        fields: dict[str, Any] = message  # pyright: ignore[reportUnknownVariableType]
        if fields.get("type") != "websocket.send":
            return False
        text, data = fields.get("text"), fields.get("bytes")
        if data is None and type(text) is str:
            try:
                chunk = frame(FINAL_TEXT, text)
            except UnicodeEncodeError:
                return False
        elif text is None and type(data) is bytes:
            chunk = frame(FINAL_BINARY, data)
        else:
            return False
        self._chunks.append(chunk)
        size = len(chunk)
        self.output_size += size
        stats = self._stats
        stats.messages_sent += 1
        stats.bytes_sent += size - (2 if size < 128 else 4 if size < 65540 else 10)  # the header (RFC 6455 5.2)
        return True

    def output(self) -> bytes:
        """Take everything that waits to be written."""
        pong = self._late_pong
        if pong is not None:
            self._late_pong = None
            self.write(pong)
        chunks = self._chunks
        if not chunks:
            return b""
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.taken += self.output_size
        self.output_size = 0
        return data

    # -- queue and output, for the table

    def attach(self, codec: FrameCodec) -> None:
        """Keep the codec, which knows whether a message is there in part."""
        self._codec = codec

    def put(self, messages: list[str | bytes], size: int) -> None:
        """Queue messages from the peer with `size` bytes of payload in total. The list is the queue's from here on."""
        count, stats = len(messages), self._stats
        stats.messages_received += count
        stats.bytes_received += size
        if self._next:
            self._later += messages
        else:
            messages.reverse()
            self._next = messages
        self.count += count
        self.size += size
        self.full = self.count >= self._max_count or self.size >= self._max_size

    def next_payload(self) -> str | bytes | None:
        """Take the payload of the peer's next message, or return None."""
        if not self._next:
            return None
        payload = self._next.pop()
        self.count -= 1
        self.size -= payload_size(payload)
        if self.full:
            self.full = self.count >= self._max_count or self.size >= self._max_size
        if self._later and not self._next:
            self._turn()
        return payload

    def _turn(self) -> None:
        """Make what is queued later what is next."""
        self._next, self._later = self._later, self._next
        self._next.reverse()

    def _read_on(self) -> None:
        """Queue what the codec holds, now that there is room."""
        raise NotImplementedError

    def drop_payloads(self) -> None:
        """Drop all messages from the peer."""
        self._next, self._later = [], []
        self.count = self.size = 0
        self.full = False

    def write(self, data: bytes) -> None:
        """Append bytes, even when full."""
        self._chunks.append(data)
        self.output_size += len(data)

    def drop_output(self) -> None:
        """Discard all output."""
        self._chunks.clear()
        self._late_pong = None
        self.output_size = 0


LaneBase = PythonLaneBase

if ACCELERATED and not TYPE_CHECKING:
    from .frames import _speedups

    LaneBase = getattr(_speedups, "LaneBase", PythonLaneBase)  # not there in an extension that was built earlier


class Lane(LaneBase):
    """The messages for the application and the bytes for the peer of one connection, both bounded.

    The queue has a high-water mark (`full`) and a low-water mark (`roomy`), at which reading resumes. Nothing is put
    when it is full. One message may overshoot the limit in bytes, since a message larger than the limit could never
    arrive otherwise. The low-water mark is half the limits: pausing and resuming a socket for every message costs
    uvicorn a fifth of its time.

    The limit of the output is advisory for senders and binding for pongs: a peer that sends pings and reads no pongs
    must not make it grow unbounded.
    """

    __slots__ = ("_connect", "_disconnect", "open")

    open: bool
    """Whether the table has nothing to decide about a whole plain message: only then call `take`, `receive`, `send`.
    The methods themselves may shut it."""
    run: int
    """How many messages `take` has read in a turn that `Endpoint` goes on with."""
    count: int
    """Messages queued, not counting connect and disconnect."""
    size: int
    """Bytes of payload queued."""
    full: bool
    """No further message should be put."""
    paused: bool
    """No parsing, no reading: the queue is full, or work is pending."""
    asking: bool
    """The application has asked for a message and got none."""
    output_size: int
    """Bytes that wait to be written, not counting a late pong. If it is 0, there is no late pong."""
    output_limit: int
    """Size in bytes from which the output is full."""
    taken: int
    """Total number of bytes of output taken."""

    def __init__(self, config: Config, stats: Stats, *, masked: bool) -> None:
        """Start empty and shut; `masked` says whether the peer masks its frames: a client does, a server does not."""
        super().__init__(config, stats, masked, MESSAGES_A_TURN)
        self.open = False
        self._connect: ReceivedMessage | None = None
        self._disconnect: ReceivedMessage | None = None

    # -- the queue

    def put_connect(self, message: ReceivedMessage) -> None:
        """Queue the first message. It does not count as a message: an application may never ask for it."""
        self._connect = message

    def put_disconnect(self, message: ReceivedMessage) -> None:
        """Queue the last message; it stays behind messages that are put later."""
        assert self._disconnect is None  # a property of the table: QUEUE_DISCONNECT comes once on any path
        self._disconnect = message

    def correct_disconnect(self, message: ReceivedMessage) -> None:
        """Replace the last message, if it is still queued."""
        if self._disconnect is not None:
            self._disconnect = message

    def _read_on(self) -> None:
        """Queue what the codec holds, now that there is room; if that leaves room, the table has to read on."""
        room = self._max_count - self.count
        messages, size = self._codec.messages(
            room if room < MESSAGES_A_TURN else MESSAGES_A_TURN, self._max_size - self.size
        )
        if messages:
            self.put(messages, size)
        if not self.full:
            self.run = len(messages)
            self.open = False

    def next_message(self) -> ReceivedMessage | None:
        """Take the next ASGI message of any kind, or return None."""
        if self._connect is not None:
            first, self._connect = self._connect, None
            return first
        payload = self.next_payload()
        if payload is not None:
            if isinstance(payload, str):
                return {"type": "websocket.receive", "text": payload}
            return {"type": "websocket.receive", "bytes": payload}
        last, self._disconnect = self._disconnect, None
        return last

    def drop_messages(self) -> None:
        """Drop all messages but the disconnect."""
        self._connect = None
        self.drop_payloads()

    def __bool__(self) -> bool:
        """Return whether `next_message` would return a message."""
        return self.count > 0 or self._connect is not None or self._disconnect is not None

    @property
    def connect_waits(self) -> bool:
        """Whether the application has not taken `websocket.connect` yet."""
        return self._connect is not None

    @property
    def free_count(self) -> int:
        """How many more messages fit."""
        return self._max_count - self.count

    @property
    def free_size(self) -> int:
        """How many more bytes fit; the last message may exceed them."""
        return self._max_size - self.size

    @property
    def roomy(self) -> bool:
        """Whether the queue is at most half full, in count and in bytes."""
        return self.count <= self._low_count and self.size <= self._low_size

    # -- the output

    def write_pong(self, pong: bytes) -> None:
        """Append a pong; when full, keep only the latest, which answers all pings before it (RFC 6455 5.5.3)."""
        if self.output_size >= self.output_limit:
            self._late_pong = pong
        else:
            self.write(pong)

    def write_late_pong(self) -> None:
        """Append the pong that was kept back, if there is one."""
        if self._late_pong is not None:
            pong, self._late_pong = self._late_pong, None
            self.write(pong)
