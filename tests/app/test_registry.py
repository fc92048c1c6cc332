"""The registry: ids, rooms, who gets a message, and that nobody stays in it."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import anyio
import anyio.to_thread
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from wscore import ServerConfig
from wscore.app import App, Member, Registry, WebSocket, WebSocketDisconnect
from wscore.app._deliveries import SLICE
from wscore.testing import virtual_asyncio, virtual_trio

from ..serving import BACKENDS, serving
from .memory import Peer, connected, settled
from .scripted import CONNECT, make_scope

pytestmark = pytest.mark.anyio


def chat(**options: Any) -> App:
    """Everybody is in the rooms of their path, and what they say decides what happens."""
    app = App(registry=Registry(**options))

    @app.websocket("/{rooms}")
    async def talk(websocket: WebSocket, member: Member, rooms: str) -> None:
        await websocket.accept()
        for room in rooms.split("+"):
            member.enter(room)
        await member.send(member.id)
        while True:
            match (text := await websocket.receive_text()).split(" "):
                case ["enter", room]:
                    member.enter(room)
                case ["leave", room]:
                    member.leave(room)
                case ["crash"]:
                    raise LookupError("on purpose")
                case ["hang"]:
                    await anyio.sleep_forever()
                case ["return"]:
                    return
                case _:
                    await member.send(f"echo {text}")

    return app


async def welcomed(peer: Peer) -> str:
    await peer.accepted()
    return await peer.text()


def test_limits_must_be_possible() -> None:
    """A queue that holds nothing is refused."""
    for wrong in ({"max_queue": 0}, {"max_queue_size": 0}):
        with pytest.raises(ValueError, match="must be 1 or more"):
            Registry(**wrong)


async def test_ids_are_unique_and_addresses() -> None:
    """A new UUID each; `send_to` reaches that one alone, and `get` finds it."""
    app = chat()
    async with connected(app, "/blue") as a, connected(app, "/blue") as b:
        one, two = await welcomed(a), await welcomed(b)
        assert uuid.UUID(one) != uuid.UUID(two)
        assert sorted(app.registry.ids()) == sorted([one, two])
        found = app.registry.get(two)
        assert found is not None
        assert found.id == two
        app.registry.send_to(two, "psst")
        assert await b.text() == "psst"
        await settled()
        assert a.left() == []
    assert app.registry.get(one) is None


async def test_an_unknown_id_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Logged at DEBUG: somebody who has just left is nothing unusual."""
    with caplog.at_level("DEBUG", "wscore.app"):
        Registry().send_to("nobody", "x")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "no member has the id nobody")
    ]


async def test_an_id_can_be_chosen_once() -> None:
    """A second member with it is refused, and the first one stays."""
    registry = Registry()
    app = App(registry=registry)

    @app.websocket("/")
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        async with registry.join(websocket, id="me", rooms=["blue"]) as member:
            assert member.rooms == {"blue"}
            await member.send("in")
            await websocket.receive()

    async with connected(app) as first:
        assert await welcomed(first) == "in"
        async with connected(app) as second:
            await second.accepted()
            assert await second.close() == (1011, "")
            assert "member id 'me' is taken" in str(await second.over())
        registry.send_to("me", "still")
        assert await first.text() == "still"
    assert (len(registry), registry.rooms()) == (0, [])


async def test_a_broadcast_goes_to_a_room() -> None:
    """To all in it and nobody else, each once, text or bytes; `exclude` leaves out; an unknown room is nobody."""
    app = chat()
    registry = app.registry
    async with connected(app, "/blue") as a, connected(app, "/blue+red") as b, connected(app, "/red") as c:
        ids = [await welcomed(peer) for peer in (a, b, c)]
        registry.broadcast("blue", "to blue")
        registry.broadcast("red", b"to red")
        registry.broadcast("blue", "but one", exclude=[ids[0]])
        registry.broadcast("green", "to nobody")
        await settled()
        assert [message.get("text") or message["bytes"] for message in a.left()] == ["to blue"]
        assert [message.get("text") or message["bytes"] for message in b.left()] == ["to blue", b"to red", "but one"]
        assert [message.get("text") or message["bytes"] for message in c.left()] == [b"to red"]


async def test_entering_and_leaving() -> None:
    """Twice is once; a room without members is none."""
    app = chat()
    async with connected(app, "/blue") as peer:
        id = await welcomed(peer)
        for _ in range(2):
            peer.say("enter red")
        await settled()
        assert (app.registry.ids("red"), app.registry.ids("blue"), sorted(app.registry.rooms())) == (
            [id],
            [id],
            ["blue", "red"],
        )
        for _ in range(2):
            peer.say("leave red")
        await settled()
        assert (app.registry.ids("red"), app.registry.rooms()) == ([], ["blue"])


async def test_a_message_is_one_object_for_all() -> None:
    """It is made once, however many get it: ten receivers of a megabyte are a megabyte."""
    app = chat()
    seen: list[int] = []

    async with connected(app, "/blue") as a, connected(app, "/blue") as b:
        for peer in (a, b):
            await welcomed(peer)
            peer.reads = False
        data = "x" * 1000
        app.registry.broadcast("blue", data)
        for id in app.registry.ids():
            member = app.registry.get(id)
            assert member is not None
            seen.append(id_of_first(member))
        assert seen[0] == seen[1]
        a.read_again()
        b.read_again()


def id_of_first(member: Member) -> int:
    return id(member.outbox._messages[0][0])


async def test_own_answers_and_broadcasts_keep_their_order() -> None:
    """`member.send` goes behind what is queued already."""
    app = chat()
    async with connected(app, "/blue") as peer:
        id = await welcomed(peer)
        peer.reads = False
        app.registry.broadcast("blue", "first")
        peer.say("second")
        await settled()
        app.registry.send_to(id, "third")
        peer.read_again()
        assert [await peer.text() for _ in range(3)] == ["first", "echo second", "third"]


# -- slow receivers


async def test_a_slow_receiver_misses_messages_and_nobody_else_does() -> None:
    """Policy "skip": the others get everything while one does not read, and it gets later ones again."""
    app = chat(max_queue=2)
    async with connected(app, "/blue") as slow, connected(app, "/blue") as fast:
        await welcomed(slow)
        await welcomed(fast)
        slow.reads = False
        for i in range(10):
            app.registry.broadcast("blue", str(i))
            assert await fast.text() == str(i)
        slow.read_again()
        await settled()
        got = [message["text"] for message in slow.left()]
        assert got == ["0", "1"]
        app.registry.broadcast("blue", "again")
        assert await slow.text() == "again"
        assert await fast.text() == "again"


async def test_a_slow_receiver_is_closed_where_that_is_the_policy() -> None:
    """Policy "close": 1013, it leaves the registry, and nobody else notices."""
    app = chat(max_queue=2, slow="close")
    async with connected(app, "/blue") as slow, connected(app, "/blue") as fast:
        await welcomed(slow)
        id = await welcomed(fast)
        slow.reads = False
        for i in range(10):
            app.registry.broadcast("blue", str(i))
            assert await fast.text() == str(i)
        assert await slow.close() == (1013, "reads too slowly")
        slow.vanish()
        assert await slow.over() is None
        assert app.registry.ids() == [id]


# -- from other threads


async def test_every_method_works_from_other_threads() -> None:
    """Worker threads of the event loop, and threads that it knows nothing of."""
    app = chat()
    registry = app.registry
    async with connected(app, "/blue") as peer:
        id = await welcomed(peer)
        member = registry.get(id)
        assert member is not None

        def work() -> None:
            registry.enter(member, "red")
            registry.broadcast("red", "room")
            registry.send_to(id, "id")
            registry.leave(member, "red")
            registry.broadcast("red", "nobody")

        await anyio.to_thread.run_sync(work)
        thread = threading.Thread(target=work)
        thread.start()
        await anyio.to_thread.run_sync(thread.join)
        assert [await peer.text() for _ in range(4)] == ["room", "id", "room", "id"]
        await anyio.to_thread.run_sync(member.close, 4000, "enough")
        assert await peer.close() == (4000, "enough")
        assert await peer.over() is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_thread_may_send_after_the_servers_end(backend: str) -> None:
    """To nobody: no error, and no thread that waits for ever."""
    app = chat()
    with serving(app, backend) as port, connect(f"ws://127.0.0.1:{port}/blue") as client:
        client.recv(timeout=20)
    app.registry.broadcast("blue", "x")
    app.registry.send_to("x", "x")


# -- leaving


@pytest.mark.parametrize("end", ["close", "gone", "crash", "return", "cancellation", "closed by others"])
async def test_leaving_is_structural(end: str) -> None:
    """However it ends: no entry, no room, and a message to it is a message to nobody."""
    app = chat()
    async with connected(app, "/blue+red") as stays, connected(app, "/blue+red") as leaves:
        id = await welcomed(stays)
        other = await welcomed(leaves)
        if end == "close":
            leaves.leave(1000)
        elif end == "gone":
            leaves.vanish()
            leaves.say("answers nobody")
            await settled()
            leaves.leave(1006)
        elif end == "closed by others":
            member = app.registry.get(other)
            assert member is not None
            member.close(4000)
            assert app.registry.ids() == [id]  # at once
        else:
            leaves.say("hang" if end == "cancellation" else end)
        if end == "cancellation":
            await settled()
            leaves.cancel_scope.cancel()
        error = await leaves.over()
        assert isinstance(error, LookupError) is (end == "crash")
        assert (app.registry.ids(), app.registry.ids("blue"), app.registry.ids("red")) == ([id], [id], [id])
        app.registry.broadcast("blue", "still here")
        assert await stays.text() == "still here"
    assert (len(app.registry), app.registry.rooms()) == (0, [])


async def test_what_is_queued_when_a_handler_returns_is_still_sent() -> None:
    """The close comes behind it."""
    app = App()

    @app.websocket("/")
    async def handler(websocket: WebSocket, member: Member, registry: Registry) -> None:
        await websocket.accept()
        registry.send_to(member.id, "last words")

    async with connected(app) as peer:
        assert await welcomed(peer) == "last words"
        assert await peer.close() == (1000, "")


async def test_a_refused_connection_with_messages_queued_is_refused() -> None:
    """What others sent it before it was accepted is not waited for."""
    app = App()

    @app.websocket("/")
    async def handler(websocket: WebSocket, member: Member, registry: Registry) -> None:
        registry.send_to(member.id, "too early")

    async with connected(app) as peer:
        assert await peer.close() == (1000, "")
        assert await peer.over() is None
    assert len(app.registry) == 0


async def test_a_message_that_cannot_be_sent_fails_at_its_sender() -> None:
    """Lone surrogates and wrong types: whoever sends them hears of it, and no receiver is touched."""
    app = chat()
    async with connected(app, "/blue") as peer:
        id = await welcomed(peer)
        with pytest.raises(UnicodeEncodeError):
            app.registry.broadcast("blue", "\ud800")
        with pytest.raises(TypeError, match="expected str or bytes"):
            app.registry.send_to(id, 5)  # type: ignore[arg-type]
        app.registry.broadcast("blue", "fine")
        assert await peer.text() == "fine"


async def test_a_member_that_only_sends_hears_of_the_end() -> None:
    """`member.send` raises WebSocketDisconnect once the client is gone."""
    app = App()
    ended = anyio.Event()

    @app.websocket("/")
    async def tick(websocket: WebSocket, member: Member) -> None:
        await websocket.accept()
        try:
            while True:
                await member.send("tick")
                await anyio.lowlevel.checkpoint()
        except WebSocketDisconnect:
            ended.set()
            raise

    async with connected(app) as peer:
        assert await welcomed(peer) == "tick"
        peer.vanish()
        assert await peer.over() is None
    assert ended.is_set()


# -- on real sockets


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("end", ["close", "reset", "crash", "shutdown"])
def test_leaving_on_real_sockets(backend: str, end: str, caplog: pytest.LogCaptureFixture) -> None:
    """Both transports: a close frame, a reset, a crash, and a shutdown that cancels the handler."""
    import socket
    import struct

    app = chat()
    with serving(app, backend, config=ServerConfig(shutdown_grace=0.1, close_timeout=1)) as port:
        client = connect(f"ws://127.0.0.1:{port}/blue").__enter__()
        client.recv(timeout=20)
        assert app.registry.rooms() == ["blue"]
        if end == "shutdown":
            client.send("hang")
        elif end == "crash":
            client.send("crash")
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=20)
            assert client.close_code == 1011
        elif end == "reset":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.socket.close()
        else:
            client.close()
        if end != "shutdown":
            wait = threading.Event()
            for _ in range(2000):
                if not len(app.registry):
                    break
                wait.wait(0.01)
    client.__exit__(None, None, None)
    assert (len(app.registry), app.registry.rooms()) == (0, [])
    assert ("LookupError: on purpose" in caplog.text) is (end == "crash")


@pytest.mark.parametrize("virtual", [virtual_asyncio, virtual_trio], ids=["asyncio", "trio"])
def test_a_large_room_is_reached_through_its_queues(virtual: Any) -> None:
    """On a server that takes messages only through `send`, a broadcast reaches the members of later turns as well."""
    registry = Registry()
    got: list[tuple[int, str]] = []

    async def member(number: int) -> None:
        incoming = [CONNECT]

        async def receive() -> Any:
            return incoming.pop()

        async def send(message: Any) -> None:
            if message["type"] == "websocket.send":
                got.append((number, message["text"]))

        websocket = WebSocket(make_scope(), receive, send)
        await websocket.accept()
        async with registry.join(websocket, rooms=["all"]):
            await anyio.sleep(1)

    async def main() -> None:
        async with registry.running(), anyio.create_task_group() as tasks:
            for number in range(3 * SLICE):
                tasks.start_soon(member, number)
            await anyio.sleep(0.5)
            registry.broadcast("all", "hello")

    virtual.run(main)
    assert sorted(got) == [(number, "hello") for number in range(3 * SLICE)]
