"""Both ends joined in memory: bytes arrive, ends of stream too, and the time is kept."""

from __future__ import annotations

import anyio
import pytest

from wscore import ClientConnection, Closing, Config, ServerConnection, State
from wscore.testing._wire import MemoryLink

pytestmark = pytest.mark.anyio

QUICK = Config(close_timeout=0.05, ping_interval=None)


def joined(config: Config = QUICK) -> MemoryLink:
    now = anyio.current_time()
    return MemoryLink(ClientConnection("ws://h/", config, now=now, random=bytes), ServerConnection(config, now=now))


def opened(config: Config = QUICK) -> MemoryLink:
    wire = joined(config)
    wire.carry()
    assert wire.server.next_message(now=anyio.current_time()) == {"type": "websocket.connect"}
    wire.server.send({"type": "websocket.accept"}, now=anyio.current_time())
    wire.carry()
    return wire


async def test_the_handshake_and_messages_arrive_at_once() -> None:
    """What one end has to say the other has heard when `carry` returns."""
    wire = opened()
    assert wire.client.opened
    wire.client.send("there", now=anyio.current_time())
    wire.carry()
    assert wire.server.next_message(now=anyio.current_time()) == {"type": "websocket.receive", "text": "there"}
    wire.server.send({"type": "websocket.send", "bytes": b"back"}, now=anyio.current_time())
    wire.carry()
    assert wire.client.next_message(now=anyio.current_time()) == b"back"


@pytest.mark.parametrize("first", ["client", "server"])
async def test_both_ends_reach_the_end_whoever_closes(first: str) -> None:
    """Close frames and ends of stream go both ways, and both sockets are closed, with no time passing."""
    wire = opened()
    if first == "client":
        wire.client.close(4000, "bye", now=anyio.current_time())
    else:
        wire.server.send({"type": "websocket.close", "code": 4000, "reason": "bye"}, now=anyio.current_time())
    wire.carry()
    for end in (wire.client, wire.server):
        assert (end.state, end.closing) == (State.CLOSED, Closing.ABORT)
        assert end.close_info is not None
        assert (end.close_info.code, end.close_info.reason, end.close_info.clean) == (4000, "bye", True)


async def test_an_end_that_vanishes_is_an_end_of_stream_for_the_other() -> None:
    """As with a socket that its system closed."""
    wire = joined()
    wire.carry()
    wire.client.close(now=anyio.current_time())  # before the answer there is nobody to say goodbye to
    wire.carry()
    assert wire.client.state is State.CLOSED
    assert wire.server.state is State.CLOSED
    assert wire.server.close_info is not None
    assert wire.server.close_info.code == 1006


async def test_nothing_is_carried_that_the_other_does_not_want() -> None:
    """What an end does not read stays on its way, and then with who sends."""
    wire = opened(Config(max_queue=1, compression=False, ping_interval=None))
    for _ in range(5):
        wire.client.send(b"x" * 1000, now=anyio.current_time())
        wire.carry()
    assert not wire.server.wants_read
    assert wire.client_end.unsent() > 0
    for _ in range(5):
        assert wire.server.next_message(now=anyio.current_time()) is not None
        wire.carry()
    assert wire.client_end.unsent() == 0


async def test_who_waits_hears_of_a_change_and_of_nothing_else() -> None:
    """`change` returns after a `carry` that moved something; one that moved nothing wakes nobody."""
    wire = opened()
    changes = 0

    async def count() -> None:
        nonlocal changes
        while True:
            await wire.change()
            changes += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        await anyio.wait_all_tasks_blocked()
        wire.carry()
        await anyio.wait_all_tasks_blocked()
        assert changes == 0
        wire.client.send("a", now=anyio.current_time())
        wire.carry()
        await anyio.wait_all_tasks_blocked()
        assert changes == 1
        tasks.cancel_scope.cancel()


async def test_time_is_kept_for_both() -> None:
    """A deadline of either end is met: here the client's, whose close nobody answers."""
    wire = opened()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wire.keep_time)
            wire.server.receive_eof(now=anyio.current_time())  # as if the client's last bytes had been lost
            wire.client.close(now=anyio.current_time())
            wire.carry()
            while wire.client.state is not State.CLOSED or wire.server.state is not State.CLOSED:
                await wire.change()
            tasks.cancel_scope.cancel()


async def test_who_writes_to_an_end_that_is_gone_is_lost() -> None:
    """As the system says to who writes to a socket that was closed: the end of stream waits behind what is not read."""
    wire = opened(Config(max_queue=1, compression=False, ping_interval=None))
    for _ in range(3):
        wire.server.send({"type": "websocket.send", "text": "a"}, now=anyio.current_time())
    wire.carry()
    assert not wire.client.wants_read
    wire.server.connection_lost(now=anyio.current_time())
    wire.carry()
    assert wire.client.close_info is None
    wire.client.send("b", now=anyio.current_time())
    wire.carry()
    assert wire.client.state is State.CLOSED
    assert wire.client.close_info is not None
    assert wire.client.close_info.code == 1006
