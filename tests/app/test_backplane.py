"""The backplane's seam: one in memory joins two registries, with nothing but what the protocol has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from wscore.app import App, Deliver, Envelope, Member, Registry, WebSocket

from .memory import connected, settled

pytestmark = pytest.mark.anyio


class Hub:
    """What Redis would be: the processes that are there."""

    def __init__(self) -> None:
        self.processes: list[HubBackplane] = []
        self.published: list[Envelope] = []


class HubBackplane:
    """A whole backplane: what another one, for NATS say, would have to have."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.rooms: defaultdict[str, set[str]] = defaultdict(set)

    def running(self, deliver: Deliver) -> AbstractAsyncContextManager[object]:
        self.deliver = deliver

        @asynccontextmanager
        async def run() -> AsyncIterator[None]:
            self.hub.processes.append(self)
            yield
            self.hub.processes.remove(self)

        return run()

    def publish(self, envelope: Envelope) -> None:
        self.hub.published.append(envelope)
        for process in self.others():
            if envelope.room is None or envelope.room in process.rooms:
                process.deliver(envelope)

    def entered(self, room: str, id: str) -> None:
        self.rooms[room].add(id)

    def left(self, room: str, id: str) -> None:
        self.rooms[room].remove(id)
        if not self.rooms[room]:
            del self.rooms[room]

    async def present(self, room: str) -> list[str]:
        return [id for process in self.others() for id in process.rooms.get(room, ())]

    async def count(self, room: str) -> int:
        return len(await self.present(room))

    def others(self) -> list[HubBackplane]:
        return [process for process in self.hub.processes if process is not self]


def process(hub: Hub) -> tuple[App, HubBackplane]:
    backplane = HubBackplane(hub)
    app = App(registry=Registry(backplane=backplane))

    @app.websocket("/{room}")
    async def chat(websocket: WebSocket, member: Member, room: str, registry: Registry) -> None:
        member.enter(room)
        await websocket.accept()
        await member.send(member.id)
        while True:
            to, _, text = (await websocket.receive_text()).partition(" ")
            if to == "all":
                registry.broadcast(room, text, exclude=[member.id])
            else:
                registry.send_to(to, text)

    return app, backplane


async def test_two_registries_are_one_room() -> None:
    """Rooms, ids and `exclude` reach across; each gets a message once, and nobody gets it who is not in the room."""
    hub = Hub()
    (one, one_plane), (two, two_plane) = process(hub), process(hub)
    async with one.registry.running(), two.registry.running():
        async with connected(one, "/blue") as a, connected(two, "/blue") as b, connected(two, "/red") as c:
            ids: list[str] = []
            for peer in (a, b, c):
                await peer.accepted()
                ids.append(await peer.text())
            assert (one_plane.rooms, two_plane.rooms) == ({"blue": {ids[0]}}, {"blue": {ids[1]}, "red": {ids[2]}})
            a.say("all hello")
            assert await b.text() == "hello"
            b.say(f"{ids[0]} to you")
            assert await a.text() == "to you"
            c.say(f"{ids[0]} from red")
            assert await a.text() == "from red"
            one.registry.broadcast("blue", b"both")
            assert [(await peer.next())["bytes"] for peer in (a, b)] == [b"both", b"both"]
            await settled()
            assert [*a.left(), *b.left(), *c.left()] == []
        assert (one_plane.rooms, two_plane.rooms) == ({}, {})
    assert hub.published[0].exclude == frozenset([ids[0]])
    assert hub.processes == []


async def test_who_is_here_is_nowhere_else() -> None:
    """What goes to an id in this process is not published."""
    hub = Hub()
    app, _ = process(hub)
    async with app.registry.running(), connected(app, "/blue") as a:
        await a.accepted()
        app.registry.send_to(await a.text(), "to you")
        assert await a.text() == "to you"
        app.registry.send_to("somebody", "x")
    assert [envelope.id for envelope in hub.published] == ["somebody"]


async def test_presence_is_asked_of_all() -> None:
    """`present` and `count` know every process's members; `ids` those of its own."""
    hub = Hub()
    (one, _), (two, _) = process(hub), process(hub)
    async with one.registry.running(), two.registry.running():
        async with connected(one, "/blue") as a, connected(two, "/blue") as b, connected(two, "/red") as c:
            ids: list[str] = []
            for peer in (a, b, c):
                await peer.accepted()
                ids.append(await peer.text())
            for registry in (one.registry, two.registry):
                assert sorted(await registry.present("blue")) == sorted(ids[:2])
                assert [await registry.count(room) for room in ("blue", "red", "green")] == [2, 1, 0]
            assert one.registry.ids("blue") == ids[:1]
        assert await one.registry.count("blue") == 0


async def test_alone_the_members_here_are_all() -> None:
    """Without a backplane too there is an answer."""
    app = App()

    @app.websocket("/")
    async def handler(websocket: WebSocket, member: Member) -> None:
        member.enter("blue")
        await websocket.accept()
        await websocket.receive()

    async with app.registry.running(), connected(app) as a:
        await a.accepted()
        assert await app.registry.present("blue") == app.registry.ids()
        assert await app.registry.count("blue") == 1


async def test_what_cannot_be_sent_is_never_published() -> None:
    """It fails at the sender, and at no receiver anywhere."""
    hub = Hub()
    app, _ = process(hub)
    for data in ("\ud800", 5):
        with pytest.raises((UnicodeEncodeError, TypeError)):
            app.registry.broadcast("blue", data)  # type: ignore[arg-type]
    assert hub.published == []
