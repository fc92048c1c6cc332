"""Outboxes: bounded, never waited for by others, in order, and told of the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from wscore import ClientDisconnected, PreparedMessage, send_nowait_extension
from wscore.app import SlowPolicy, WebSocket, WebSocketDisconnect
from wscore.app._outbox import Outbox, payload_size

from .memory import scope_for, settled

pytestmark = pytest.mark.anyio


class Wire:
    """A client that reads when it is told to."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.gone = False
        self.reads = anyio.Event()

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            await self.reads.wait()
        if self.gone:
            raise ClientDisconnected(1006, "")
        if message["type"] != "websocket.accept":
            self.got.append(message.get("text", message.get("code")))


@asynccontextmanager
async def outbox_on(
    wire: Wire,
    *,
    slow: SlowPolicy = "skip",
    max_count: int = 3,
    max_size: int = 100,
    opened: bool = True,
    send_nowait: Callable[[PreparedMessage], bool] | None = None,
) -> AsyncIterator[Outbox]:
    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = scope_for()
    if send_nowait is not None:
        scope["extensions"] |= send_nowait_extension(send_nowait, wire.send)
    websocket = WebSocket(scope, receive, wire.send)
    event = anyio.Event()
    if opened:
        await websocket.accept()
        event.set()
    async with anyio.create_task_group() as tasks:
        outbox = Outbox(websocket, event, tasks, max_count=max_count, max_size=max_size, slow=slow)
        with anyio.fail_after(20):
            yield outbox
        tasks.cancel_scope.cancel()


def message(text: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": text}


def offered(text: str) -> tuple[dict[str, Any], PreparedMessage]:
    return message(text), PreparedMessage(text)


async def test_messages_leave_in_their_order() -> None:
    """First in, first out, whoever put them in."""
    wire = Wire()
    wire.reads.set()
    async with outbox_on(wire) as outbox:
        assert outbox.offer(*offered("a"))
        await outbox.put(message("b"), 1)
        assert outbox.offer(*offered("c"))
        await outbox.flush()
        assert wire.got == ["a", "b", "c"]


@pytest.mark.parametrize(("max_count", "max_size"), [(3, 1000), (1000, 3)])
async def test_a_full_queue_skips_and_counts(max_count: int, max_size: int, caplog: pytest.LogCaptureFixture) -> None:
    """By count or by bytes: what others offer is missed, counted, and warned of once."""
    wire = Wire()
    async with outbox_on(wire, max_count=max_count, max_size=max_size) as outbox:
        assert [outbox.offer(*offered(str(i))) for i in range(6)] == [True] * 3 + [False] * 3
        assert outbox.skipped == 3
        wire.reads.set()
        await outbox.flush()
        assert outbox.offer(*offered("later"))
        await outbox.flush()
        assert wire.got == ["0", "1", "2", "later"]
    assert len(caplog.records) == 1
    assert "misses messages" in caplog.text


async def test_one_message_may_be_larger_than_the_queue() -> None:
    """Or no large message would ever arrive."""
    wire = Wire()
    wire.reads.set()
    async with outbox_on(wire, max_size=10) as outbox:
        assert outbox.offer(*offered("x" * 1000))
        await outbox.flush()
        assert len(wire.got[0]) == 1000


async def test_a_connections_own_message_waits_for_room() -> None:
    """Backpressure is its own affair: it does not miss its own messages."""
    wire = Wire()
    async with outbox_on(wire) as outbox, anyio.create_task_group() as tasks:
        for i in range(3):
            outbox.offer(*offered(str(i)))
        tasks.start_soon(outbox.put, message("own"), 1)
        await settled()
        assert not outbox.offer(*offered("other"))
        wire.reads.set()
        while len(wire.got) < 4:
            await settled()
        assert wire.got == ["0", "1", "2", "own"]


async def test_the_close_policy_closes_with_1013() -> None:
    """A receiver whose queue is full is closed at once, and gets nothing more."""
    wire = Wire()
    async with outbox_on(wire, slow="close") as outbox:
        for i in range(4):
            outbox.offer(*offered(str(i)))
        assert not outbox.offer(*offered("more"))
        await settled()
        assert wire.got == [1013]


async def test_nothing_is_sent_before_the_connection_is_open() -> None:
    """It waits in the queue; flushing does not wait for what will never be."""
    wire = Wire()
    wire.reads.set()
    async with outbox_on(wire, opened=False) as outbox:
        outbox.offer(*offered("early"))
        await settled()
        await outbox.flush()
        assert wire.got == []


async def test_a_close_is_the_last_message() -> None:
    """It goes behind what is queued, even on a full queue; nothing goes behind it, and a second is nothing."""
    wire = Wire()
    async with outbox_on(wire) as outbox:
        for i in range(3):
            outbox.offer(*offered(str(i)))
        outbox.close(4000, "enough")
        outbox.close(4001, "again")
        assert not outbox.offer(*offered("late"))
        wire.reads.set()
        with pytest.raises(WebSocketDisconnect) as end:
            await outbox.put(message("own"), 1)
        assert (end.value.code, end.value.reason) == (4000, "enough")
        assert wire.got == ["0", "1", "2", 4000]


async def test_who_only_sends_hears_of_the_end() -> None:
    """`put` raises once the connection is gone; flushing returns; others' messages are dropped."""
    wire = Wire()
    async with outbox_on(wire) as outbox:
        await outbox.put(message("x"), 1)
        wire.gone = True
        wire.reads.set()
        await outbox.flush()
        assert not outbox.offer(*offered("other"))
        with pytest.raises(WebSocketDisconnect):
            await outbox.put(message("own"), 1)


@pytest.mark.parametrize(("data", "size"), [("", 0), ("abc", 3), ("é", 2), (b"\xff\0", 2)])
def test_sizes_are_bytes(data: str | bytes, size: int) -> None:
    """Of the payload, in UTF-8."""
    assert payload_size(data) == size


@pytest.mark.parametrize("data", [5, None, bytearray(b"x"), ["x"]])
def test_what_is_no_message_is_refused(data: Any) -> None:
    """A TypeError at the sender."""
    with pytest.raises(TypeError, match="expected str or bytes to send"):
        payload_size(data)


async def test_a_server_that_takes_messages_at_once_gets_them() -> None:
    """A message goes to the scope's `wscore.send_nowait`, and into the queue only once that takes no more."""
    wire = Wire()
    posted: list[Any] = []
    takes = True

    def send_nowait(message: PreparedMessage) -> bool:
        if takes:
            posted.append(message.payload)
        return takes

    async with outbox_on(wire, send_nowait=send_nowait) as outbox:
        assert outbox.offer(*offered("a"))
        takes = False
        assert outbox.offer(*offered("b"))
        await settled()
        takes = True
        assert outbox.offer(*offered("c"))  # behind what is queued, or it would overtake it
        wire.reads.set()
        await outbox.flush()
        assert outbox.offer(*offered("d"))
        assert (posted, wire.got) == (["a", "d"], ["b", "c"])


async def test_what_comes_before_the_connection_is_open_goes_first() -> None:
    """The server takes nothing yet, so it waits in the queue, and what the server could take then waits behind it."""
    wire = Wire()
    wire.reads.set()
    posted: list[Any] = []
    opened = False

    def send_nowait(message: PreparedMessage) -> bool:
        posted.append(message.payload)
        return opened

    async with outbox_on(wire, opened=False, send_nowait=send_nowait) as outbox:
        assert outbox.offer(*offered("early"))
        opened = True
        assert outbox.offer(*offered("later"))
        assert posted == ["early"]


async def test_tasks_begin_when_they_are_needed() -> None:
    """None for who never has to wait; one for who once did, however often."""
    wire = Wire()
    wire.reads.set()
    takes = True
    async with outbox_on(wire, send_nowait=lambda message: takes) as outbox:
        before = len(anyio.get_running_tasks())
        assert outbox.offer(*offered("at once"))
        await settled()
        assert len(anyio.get_running_tasks()) == before
        takes = False
        for text in ("a", "b"):
            assert outbox.offer(*offered(text))
            await outbox.flush()
        await settled()
        assert len(anyio.get_running_tasks()) == before + 1
    assert wire.got == ["a", "b"]


async def test_a_middleware_finds_the_members_context() -> None:
    """Whoever the message comes from: a queue's task has the context of the member that it belongs to."""
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")
    found: list[str] = []

    class Looking(Wire):
        async def send(self, message: Any) -> None:
            found.append(whose.get())

    whose.set("the member's")
    async with outbox_on(Looking()) as outbox:
        whose.set("the sender's")
        assert outbox.offer(*offered("x"))
        await outbox.flush()
    assert found[-1] == "the member's"


async def test_after_the_end_there_is_nothing_to_send() -> None:
    """Who still holds a member that has left hears that it is gone; others' messages are missed, and no task begins."""
    async with outbox_on(Wire()) as outbox:
        outbox.end()
        before = len(anyio.get_running_tasks())
        assert not outbox.offer(*offered("late"))
        with pytest.raises(WebSocketDisconnect):
            await outbox.put(message("own"), 1)
        assert len(anyio.get_running_tasks()) == before


async def test_a_full_server_fills_the_queue_and_then_the_policy_decides(caplog: pytest.LogCaptureFixture) -> None:
    """A receiver whose connection takes nothing more is a slow receiver like any other."""
    async with outbox_on(Wire(), send_nowait=lambda message: False) as outbox:
        assert [outbox.offer(*offered(str(i))) for i in range(4)] == [True] * 3 + [False]
        assert outbox.skipped == 1
    assert "reads too slowly" in caplog.text
