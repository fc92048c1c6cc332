"""Which of a server connection's two tasks reads, and how often they wake; `_connection` describes it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.lowlevel
from tests.conformance.harness import open_sockets
from tests.core import peer as frames
from tests.support import virtual_trio as virtual
from tests.transports.peer import OURS, Peer
from tests.transports.serving import serving
from tests.transports.steps import ACCEPT

from wscore import ServerConfig

NO_POLLS = ServerConfig(read_poll_interval=1_000_000.0, compression=False)
"""Nobody looks at the socket but the task whose turn it is."""
POLLS = ServerConfig(compression=False)
PONG, CLOSE = 0x80 | frames.PONG, 0x80 | frames.CLOSE

Body = Callable[[Any, Any], Awaitable[None]]


@asynccontextmanager
async def talking_to(body: Body, config: ServerConfig) -> AsyncIterator[Peer]:
    """Serve an application that accepts, takes a first message, and goes on with `body`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        await body(receive, send)

    async with serving("trio", app, config) as server:
        peer = server.connect()
        peer.sends(frames.head())
        await virtual.settled()
        peer.sends(frames.text("first"))
        await virtual.settled()
        yield peer


async def passes(peer: Peer, seconds: float = 0.1) -> list[Any]:
    """Let time pass, and return what the peer was sent."""
    await trio.sleep(seconds)
    peer.exchange()
    return peer.written.items[1:]


def test_the_answer_to_the_applications_close_is_read_at_once() -> None:
    """The watcher reads once the connection is ending, though the application has stopped to."""

    async def body(receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 4000})

    async def main() -> None:
        async with talking_to(body, NO_POLLS) as peer:
            assert await passes(peer) == [(CLOSE, b"\x0f\xa0")]
            peer.sends(frames.close(4000))
            await passes(peer)
            assert peer.ended

    virtual.run(main)


def test_the_end_of_the_stream_behind_a_close_that_waited_is_read_at_once() -> None:
    """So it does where a close takes effect in the application's own call of `receive`, behind the last message."""

    async def body(receive: Any, send: Any) -> None:
        while (await receive())["type"] == "websocket.receive":
            await trio.lowlevel.checkpoint()

    async def main() -> None:
        before = open_sockets()
        async with talking_to(body, NO_POLLS) as peer:
            peer.sends(frames.text("last") + frames.close(4000))
            assert await passes(peer) == [(CLOSE, b"\x0f\xa0")]
            held = open_sockets() - before
            peer.ends()
            await passes(peer)
            assert len(held - open_sockets()) == 1

    virtual.run(main)


def test_a_task_that_waits_reads_once_the_reader_is_cancelled() -> None:
    """Of two tasks in `receive`, the second takes over when the first is cancelled, and gets the next message."""
    got: list[str] = []
    reader = trio.CancelScope()

    async def body(receive: Any, send: Any) -> None:
        async def first() -> None:
            with reader:
                got.append("first " + (await receive())["text"])

        async def second() -> None:
            await virtual.settled()
            got.append("second " + (await receive())["text"])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(first)
            nursery.start_soon(second)

    async def main() -> None:
        async with talking_to(body, NO_POLLS) as peer:
            reader.cancel()
            await virtual.settled()
            peer.sends(frames.text("x"))
            await passes(peer)
            assert got == ["second x"]

    virtual.run(main)


def test_a_ping_is_answered_for_an_application_that_is_busy_after_a_long_wait() -> None:
    """Polling begins again when the application stops waiting, however long it has read its socket before."""

    async def body(receive: Any, send: Any) -> None:
        await receive()
        await trio.sleep_forever()

    async def main() -> None:
        async with talking_to(body, POLLS) as peer:
            await trio.sleep(10)
            peer.sends(frames.text("work"))
            await virtual.settled()
            peer.sends(frames.ping(OURS))
            assert (PONG, OURS) in await passes(peer)

    virtual.run(main)


class Counting(trio.abc.Instrument):
    """Counts the steps of the product's tasks."""

    def __init__(self) -> None:
        self.steps = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += "wscore_trio" in task.name


async def steps_for(peer: Peer, messages: int) -> int:
    """Send messages, one after the other, and count the steps that they cost."""
    counting = Counting()
    trio.lowlevel.add_instrument(counting)
    for _ in range(messages):
        peer.sends(frames.text("x"))
        await virtual.settled()
    trio.lowlevel.remove_instrument(counting)
    return counting.steps


def test_a_message_wakes_one_task_once() -> None:
    """An application that waits reads its socket itself, from its first message on: no second task wakes."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        while (await receive())["type"] == "websocket.receive":
            pass

    async def main() -> None:
        async with serving("trio", app, POLLS) as server:
            peer = server.connect()
            peer.sends(frames.head())
            await virtual.settled()
            assert await steps_for(peer, 100) == 100

    virtual.run(main)


def test_an_application_that_was_busy_reads_itself_again() -> None:
    """The watcher, which read meanwhile, leaves that to it from the first message on that wakes it."""

    async def body(receive: Any, send: Any) -> None:
        await trio.sleep(1)
        while (await receive())["type"] == "websocket.receive":
            pass

    async def main() -> None:
        async with talking_to(body, POLLS) as peer:
            await trio.sleep(2)
            assert await steps_for(peer, 1) == 2
            assert await steps_for(peer, 100) == 100

    virtual.run(main)


@pytest.mark.parametrize("seed", range(8))
def test_a_message_that_comes_in_the_moment_of_a_deadline_wakes_the_application(seed: int) -> None:
    """The watcher reads before it judges a peer; what it finds there is the application's, which waits for the same."""
    random.seed(seed)
    got: list[str] = []

    async def body(receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            got.append(message["text"])

    async def main() -> None:
        async with talking_to(body, NO_POLLS) as peer:
            await trio.lowlevel.wait_readable(peer.socket)
            peer.exchange()
            (payload,) = peer.written.pings
            due = trio.current_time() + NO_POLLS.ping_interval
            peer.sends(frames.pong(payload))
            await trio.sleep_until(due)
            peer.sends(frames.text("now"))
            await passes(peer)
            assert got == ["now"]
            assert len(peer.written.pings) == 2

    virtual.run(main)


def test_reading_goes_on_after_input_that_took_several_turns() -> None:
    """An application that waited while many fragments were parsed reads the last one itself."""
    got: list[str] = []

    async def body(receive: Any, send: Any) -> None:
        got.append((await receive())["text"])
        await trio.sleep_forever()

    async def main() -> None:
        async with talking_to(body, NO_POLLS) as peer:
            fragment = partial(frames.frame, frames.CONTINUATION)
            peer.sends(frames.frame(frames.TEXT, b"a", fin=False) + fragment(b"b", fin=False) * 1000)
            await passes(peer)
            peer.sends(fragment(b"c"))
            await passes(peer)
            assert got == ["a" + "b" * 1000 + "c"]

    virtual.run(main)
