"""Which task reads a server's connection, which tasks it has, and how often they wake; `_hand_over` describes it."""

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
from tests.transports.peer import OURS, Peer
from tests.transports.serving import serving
from tests.transports.steps import ACCEPT

from wscore import ServerConfig
from wscore.testing import virtual_trio as virtual

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
    """The connection's task reads once the application has returned."""

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
    """The stand-in, which read meanwhile, ends as soon as the application asks for a message."""

    async def body(receive: Any, send: Any) -> None:
        await trio.sleep(1)
        while (await receive())["type"] == "websocket.receive":
            pass

    async def main() -> None:
        async with talking_to(body, POLLS) as peer:
            await trio.sleep(2)
            assert await steps_for(peer, 100) == 100

    virtual.run(main)


def tasks_of_connections() -> int:
    """Count the tasks of connections."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    waiting, names = [root], []
    while waiting:
        task = waiting.pop()
        names.append(task.name)
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return sum(name.startswith(("wscore_trio connection", "wscore_trio._server._isolated")) for name in names)


def test_a_connection_has_a_second_task_only_while_its_application_is_busy() -> None:
    """One that waits for its peer has one task, whatever it did before; the stand-in is there from the poll on."""
    counts: dict[str, int] = {}
    work, more, leave = trio.Event(), trio.Event(), trio.Event()

    async def body(receive: Any, send: Any) -> None:
        await receive()
        await work.wait()
        await receive()
        await more.wait()
        for _ in range(40):
            await receive()
        await leave.wait()

    async def main() -> None:
        interval = POLLS.read_poll_interval
        async with talking_to(body, POLLS) as peer:

            async def look(when: str, seconds: float = 0) -> None:
                await trio.sleep(seconds)
                await virtual.settled()
                counts[when] = tasks_of_connections()

            await look("waiting", 1)
            peer.sends(frames.text("work"))
            await look("busy", interval / 2)
            await look("still busy", interval)
            work.set()
            await look("waiting again")
            peer.sends(frames.text("x") * 100)
            await look("busy with messages", interval * 2)
            more.set()
            await look("some room again", interval * 2)
            leave.set()
            await look("returned")
            peer.exchange()
            peer.sends(frames.close(1000))
            peer.ends()
            await look("over")

    virtual.run(main)
    assert counts == {
        "waiting": 1,
        "busy": 1,
        "still busy": 2,
        "waiting again": 1,
        "busy with messages": 1,
        "some room again": 1,
        "returned": 1,
        "over": 0,
    }


def test_reading_goes_on_for_an_application_that_is_busy_with_a_full_queue() -> None:
    """Once it has taken some of many messages, a stand-in reads what they held up."""

    async def body(receive: Any, send: Any) -> None:
        await trio.sleep(1)
        for _ in range(30):
            await receive()
        await trio.sleep_forever()

    async def main() -> None:
        async with talking_to(body, POLLS) as peer:
            peer.sends(frames.text("x") * 32)
            await trio.sleep(0.5)
            peer.sends(frames.ping(OURS))
            assert (PONG, OURS) not in await passes(peer)
            assert (PONG, OURS) in await passes(peer, 1)

    virtual.run(main)


def test_a_task_left_behind_in_receive_does_not_read() -> None:
    """An application that has returned is read for by the connection's task, although a task of its is in `receive`."""
    got: list[Any] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:

            async def left_behind(receive: Any) -> None:
                got.append(await receive())

            async def body(receive: Any, send: Any) -> None:
                nursery.start_soon(left_behind, receive)
                await virtual.settled()

            async with talking_to(body, POLLS) as peer:
                assert (CLOSE, b"\x03\xe8") in await passes(peer)
                peer.sends(frames.close(1000))
                await passes(peer)
                assert peer.ended

    virtual.run(main)
    assert [message["type"] for message in got] == ["websocket.disconnect"]


def test_a_request_that_the_timekeeper_reads_starts_the_application() -> None:
    """It comes in the moment of a deadline, before the connection's task, which waits for it, is told of any bytes."""
    started: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        started.append(scope["path"])

    async def main() -> None:
        async with serving("trio", app, POLLS) as server:
            peer = server.connect()
            await virtual.settled()
            (connection,) = server.close.__self__._connections  # type: ignore[attr-defined]
            peer.sends(frames.head())
            connection._deadline_passed()
            await virtual.settled()
            assert started == ["/chat"]

    virtual.run(main)


def test_a_message_that_took_several_turns_and_the_end_of_the_stream_wakes_the_application() -> None:
    """With the stream at its end nobody reads: the application is told of what the timekeeper's turns bring."""
    got: list[str] = []

    async def body(receive: Any, send: Any) -> None:
        got.append((await receive())["text"])

    async def main() -> None:
        async with talking_to(body, NO_POLLS) as peer:
            fragment = partial(frames.frame, frames.CONTINUATION)
            many = fragment(b"b", fin=False) * 1000
            peer.sends(frames.frame(frames.TEXT, b"a", fin=False) + many + fragment(b"c"))
            peer.ends()
            await passes(peer)
            assert got == ["a" + "b" * 1000 + "c"]

    virtual.run(main)


@pytest.mark.parametrize("seed", range(8))
def test_a_stand_in_that_was_told_to_end_may_go_on(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """There is no second one where an application waits, is cancelled, and is found busy before the first has ended."""
    random.seed(seed)

    async def body(receive: Any, send: Any) -> None:
        connection = receive.__self__
        await trio.sleep(POLLS.read_poll_interval * 2)
        with trio.CancelScope() as scope:
            scope.cancel()
            await receive()
        connection._poll_interval_over()
        await trio.sleep_forever()

    async def main() -> None:
        async with talking_to(body, POLLS) as peer:
            await trio.sleep(1)
            peer.sends(frames.ping(OURS))
            await virtual.settled()
            assert (PONG, OURS) in await passes(peer, 0)
            assert tasks_of_connections() == 2

    virtual.run(main)
    assert not [record for record in caplog.records if record.exc_info]


def test_a_connection_that_has_ended_leaves_no_alarm() -> None:
    """Neither its deadline nor the poll of an application that was busy."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await trio.sleep_forever()

    async def main() -> None:
        async with serving("trio", app, POLLS) as server:
            peer = server.connect()
            peer.sends(frames.head())
            await virtual.settled()
            assert trio.lowlevel.current_statistics().seconds_to_next_deadline == POLLS.read_poll_interval
            (connection,) = server.close.__self__._connections  # type: ignore[attr-defined]
            connection.abort()
            assert trio.lowlevel.current_statistics().seconds_to_next_deadline > 1000

    virtual.run(main)


def test_a_connection_that_only_has_to_write_waits_for_that() -> None:
    """One whose peer has ended its stream, and does not read, takes no turns of the loop until its time is over."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.send", "bytes": bytes(3_000_000)})

    async def main() -> None:
        async with serving("trio", app, ServerConfig(max_output_size=10_000_000)) as server:
            before = open_sockets()
            peer = server.connect()
            peer.reading = False
            peer.sends(frames.head())
            await virtual.settled()
            peer.sends(frames.close(1000))
            peer.ends()
            counting = Counting()
            trio.lowlevel.add_instrument(counting)
            await trio.sleep(60)
            assert counting.steps < 20
            assert len(open_sockets() - before) == 1  # the peer's

    virtual.run(main)


@pytest.mark.parametrize("moment", ["request", "waiting", "busy", "returned"])
def test_whoever_reads_hears_that_the_socket_was_closed(moment: str) -> None:
    """A connection that is cut ends at once, whichever of its tasks waits for bytes."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        if moment == "busy":
            await trio.sleep(1)
        if moment != "returned":
            await receive()

    async def main() -> None:
        async with serving("trio", app, POLLS) as server:
            before = open_sockets()
            peer = server.connect()
            if moment != "request":
                peer.sends(frames.head())
            await trio.sleep(0.5)
            assert tasks_of_connections() == (2 if moment == "busy" else 1)
            (connection,) = server.close.__self__._connections
            connection.abort()
            await trio.sleep(1)
            assert tasks_of_connections() == 0
            assert len(open_sockets() - before) == 1  # the peer's

    virtual.run(main)


@pytest.mark.parametrize("seed", range(8))
def test_a_message_that_comes_in_the_moment_of_a_deadline_wakes_the_application(seed: int) -> None:
    """The timekeeper reads before it judges a peer; what it finds is the application's, which waits for the same."""
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
