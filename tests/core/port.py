"""A driver over nothing: a plain object that keeps what it was told, and what it was told last.

Nothing happens but what a test does: it is the network, the library, the clock and the application.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from tests.core.peer import head
from wscore import (
    AccessRecord,
    Channel,
    ClientConnection,
    ClientDriver,
    Config,
    Driver,
    Peer,
    Scope,
    ServerConnection,
    ServerDriver,
)

NEVER = 1 << 30


class Clock:
    """Seconds, which stand still until a test sets them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Port(Driver[Any]):
    """`told` has every primitive that was called, in order; the other attributes how things are now."""

    def set_up(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.deadline: float | None = None
        self.reads = True
        self.half_closed = self.closed = False
        self.written = b""
        self.capacity = NEVER  # bytes that the library holds before it is not writable any more
        self.held = 0
        self.unacknowledged = 0  # bytes that the peer's system has not taken
        self.gathers = False  # `plan_flush` waits for the test
        self.on_wake: Callable[[], None] | None = None

    def write(self, data: bytes) -> None:
        assert data, "nothing was written"
        assert not self.half_closed, "bytes behind the end"
        assert not self.closed, "bytes into a closed socket"
        self.told.append(("write", len(data)))
        self.written += data
        self.held += len(data)
        self.writable = self.held < self.capacity

    def unsent(self) -> int:
        assert super().unsent() == 0
        return self.unacknowledged

    def drains(self) -> None:
        """The library has written what it held."""
        self.held = 0
        if not self.writable and not self.gone:
            self.output_drained()

    def set_deadline(self, at: float | None) -> None:
        self.told.append(("deadline", at))
        self.deadline = at

    def rings(self) -> None:
        """The deadline that was set comes; a timer knows nothing of it afterwards."""
        assert self.deadline is not None
        self.time.now = max(self.time.now, self.deadline)
        self.deadline = None
        self.timed_out()

    def set_reading(self, on: bool) -> None:
        assert on is not self.reads, "told what was known"
        self.told.append(("reading", on))
        self.reads = on

    def shut_down_writing(self) -> None:
        assert not self.half_closed
        self.told.append(("shut down writing",))
        self.half_closed = True

    def close(self) -> None:
        self.told.append(("close",))
        self.closed = True
        self.lost()

    def abort(self) -> None:
        self.told.append(("abort",))
        self.closed = True
        self.lost()

    def wake(self) -> None:
        self.told.append(("wake",))
        if self.on_wake is not None:
            self.on_wake()

    def wake_senders(self) -> None:
        self.told.append(("room",))

    def plan_flush(self) -> None:
        if self.gathers:
            self._flush_planned = True
        else:
            super().plan_flush()

    def hears(self) -> list[tuple[Any, ...]]:
        """What was told since this was called last."""
        told, self.told = self.told, []
        return told

    def reads_written(self) -> bytes:
        written, self.written = self.written, b""
        return written


class _Waiting:
    """What a coroutine waits for that nobody will wake."""

    def __await__(self) -> Generator[None]:
        yield


def _run(coroutine: Coroutine[Any, Any, Any]) -> tuple[Any, bool]:
    """Run `coroutine` until it ends, or waits; give what it returned, and whether it waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value, False
    coroutine.close()
    return None, True


class ServerPort(Port, ServerDriver):
    """A server's; `scopes` has what the application was started with, `access` the access log, `failures` the other."""

    def __init__(
        self,
        config: Config | None = None,
        *,
        time: Clock | None = None,
        channel: Channel | None = None,
        peer: Peer | None = None,
        end: type[ServerConnection] = ServerConnection,
    ) -> None:
        clock = time or Clock()
        super().__init__(end(config or Config(), peer=peer or Peer(), now=clock.now), clock, channel)
        self.set_up()
        self.scopes: list[Scope] = []
        self.access: list[AccessRecord] = []
        self.notices: list[str] = []
        self.failures: list[tuple[str, BaseException | None]] = []
        self.overs = 0

    def start_application(self, scope: Scope) -> None:
        self.told.append(("start",))
        self.scopes.append(scope)

    async def wait_for_message(self) -> None:
        self.told.append(("waits for a message",))
        await _Waiting()

    async def wait_for_room(self) -> None:
        self.told.append(("waits for room",))
        await _Waiting()

    async def yield_control(self) -> None:
        self.told.append(("gives way",))

    def over(self) -> None:
        self.overs += 1

    def log_access(self, record: AccessRecord) -> None:
        self.access.append(record)

    def log_notice(self, text: str) -> None:
        self.notices.append(text)

    def log_failure(self, text: str, error: BaseException | None) -> None:
        self.failures.append((text, error))

    # -- the application, which is cancelled wherever it would wait

    def next_message(self) -> Any:
        """What `receive` gives; None where it waits."""
        message, _ = _run(self.receive())
        return message

    def send_message(self, message: Any) -> bool:
        """True: `send` waits, before the message or behind it."""
        _, waits = _run(self.send(message))
        return waits

    def opens(self, request: bytes | None = None) -> None:
        """Have the opening handshake, and forget what was told of it."""
        self.start()
        self.receive_data(head() if request is None else request)
        assert self.next_message() == {"type": "websocket.connect"}
        self.send_message({"type": "websocket.accept"})
        self.hears()
        self.reads_written()

    def says(self, text: str) -> bool:
        return self.send_message({"type": "websocket.send", "text": text})

    def closes(self, code: int = 1000) -> None:
        self.send_message({"type": "websocket.close", "code": code})


class ClientPort(Port, ClientDriver):
    """A client's."""

    def __init__(
        self, config: Config | None = None, *, time: Clock | None = None, channel: Channel | None = None, seed: int = 0
    ) -> None:
        clock = time or Clock()
        core = ClientConnection(
            "ws://server.example.com/chat", config or Config(), now=clock.now, random=random.Random(seed).randbytes
        )
        super().__init__(core, clock, channel)
        self.set_up()

    def tell(self) -> None:
        self.told.append(("tell",))


class FakeChannel:
    """A channel that turns each byte round, is ready when it has heard "!", ends at "." and fails at "?".

    It fails at an end as well before it is ready, and `broken` at whatever is said.
    """

    def __init__(self) -> None:
        self.ready = False
        self.broken = False
        self.ended = False
        self.outgoing = b"hello "

    def receive(self, data: bytes) -> bytes:
        self.ended = self.ended or not data or data.endswith(b".")
        if data == b"?":
            self.outgoing += b"alert"
            raise ConnectionResetError("as the test asked")
        if not self.ready:
            if not data:
                raise ConnectionResetError("ended within the handshake")
            self.ready = data[:1] == b"!"
            if not self.ready:
                return b""
            self.outgoing += b"ready "
            data = data[1:]
        return turned(data.removesuffix(b"."))

    def send(self, data: bytes) -> None:
        assert self.ready
        if self.broken:
            self.outgoing += b" alert"
            raise ConnectionResetError("as the test asked")
        self.outgoing += turned(data)

    def close(self) -> None:
        self.outgoing += b" bye"

    def data_to_send(self) -> bytes:
        data, self.outgoing = self.outgoing, b""
        return data

    def tls_extension(self) -> dict[str, Any] | None:
        return {"tls_version": 0x0304}


def turned(data: bytes) -> bytes:
    return bytes(byte ^ 0x80 for byte in data)
