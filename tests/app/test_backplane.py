"""The backplane's seam: one in memory joins two registries, with nothing but what the protocol has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from wscore.app import App, Backplane, Envelope, Member, Registry, WebSocket
from wscore.app._backplane import Deliver

from .memory import connected, settled

pytestmark = pytest.mark.anyio


class Hub:
    """What Redis would be: knows who listens to which room, and where an id may be."""

    def __init__(self) -> None:
        self.processes: list[HubBackplane] = []
        self.published: list[Envelope] = []


class HubBackplane:
    def __init__(self, hub: Hub, deliver: Deliver) -> None:
        self.hub = hub
        self.deliver = deliver
        self.rooms: list[str] = []
        self.up = False

    def running(self, deliver: Deliver) -> AbstractAsyncContextManager[object]:
        assert deliver == self.deliver

        @asynccontextmanager
        async def run() -> AsyncIterator[None]:
            self.up = True
            self.hub.processes.append(self)
            yield
            self.hub.processes.remove(self)
            self.up = False

        return run()

    def publish(self, envelope: Envelope) -> None:
        self.hub.published.append(envelope)
        for process in self.hub.processes:
            if envelope.room is None or envelope.room in process.rooms:
                process.deliver(envelope)

    def joined(self, room: str) -> None:
        self.rooms.append(room)

    def left(self, room: str) -> None:
        self.rooms.remove(room)


def process(hub: Hub) -> tuple[App, HubBackplane]:
    made: list[HubBackplane] = []

    def backplane(deliver: Deliver) -> Backplane:
        made.append(HubBackplane(hub, deliver))
        return made[0]

    app = App(registry=Registry(backplane=backplane))

    @app.websocket("/{room}")
    async def chat(websocket: WebSocket, member: Member, room: str, registry: Registry) -> None:
        member.enter(room)
        await websocket.accept()
        await member.send(member.id)
        while True:
            to, _, text = (await websocket.receive_text()).partition(" ")
            if to == "all":
                registry.broadcast(room, text, except_=[member.id])
            else:
                registry.send_to(to, text)

    return app, made[0]


async def test_two_registries_are_one_room() -> None:
    """Rooms, ids and `except_` reach across; a process gets only what its rooms ask for."""
    hub = Hub()
    (one, one_plane), (two, two_plane) = process(hub), process(hub)
    async with one.registry.running(), two.registry.running():
        async with connected(one, "/blue") as a, connected(two, "/blue") as b, connected(two, "/red") as c:
            ids: list[str] = []
            for peer in (a, b, c):
                await peer.accepted()
                ids.append(await peer.text())
            assert (one_plane.rooms, sorted(two_plane.rooms)) == (["blue"], ["blue", "red"])
            a.say("all hello")
            assert await b.text() == "hello"
            b.say(f"{ids[0]} to you")
            assert await a.text() == "to you"
            c.say(f"{ids[0]} from red")
            assert await a.text() == "from red"
            await settled()
            assert [*a.left(), *b.left(), *c.left()] == []
        assert (one_plane.rooms, two_plane.rooms) == ([], [])
    assert hub.published[0].except_ == frozenset([ids[0]])
    assert not one_plane.up


async def test_a_room_is_announced_once() -> None:
    """The first member of a process in a room, and the last; those between are nobody's news."""
    hub = Hub()
    app, plane = process(hub)
    async with app.registry.running():
        async with connected(app, "/blue") as a:
            await a.accepted()
            async with connected(app, "/blue") as b:
                await b.accepted()
                assert plane.rooms == ["blue"]
            assert plane.rooms == ["blue"]
        assert plane.rooms == []


async def test_what_cannot_be_sent_is_never_published() -> None:
    """It fails at the sender, and at no receiver anywhere."""
    hub = Hub()
    app, _ = process(hub)
    for data in ("\ud800", 5):
        with pytest.raises((UnicodeEncodeError, TypeError)):
            app.registry.broadcast("blue", data)  # type: ignore[arg-type]
    assert hub.published == []
