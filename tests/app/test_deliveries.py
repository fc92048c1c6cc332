"""Broadcasts in slices: each member gets everything, once and in order, and no turn of the loop does too much."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscore import PreparedMessage
from wscore.app import App, Member, Registry, WebSocket
from wscore.app._deliveries import SLICE, Deliveries
from wscore.app._outbox import Outbox

from .memory import connected, settled

MEMBERS = 20


class Loop:
    """An event loop that only calls soon."""

    def __init__(self) -> None:
        self.ready: deque[Callable[[], object]] = deque()

    def call_soon(self, function: Callable[[], object]) -> None:
        self.ready.append(function)

    def turn(self) -> None:
        for _ in range(len(self.ready)):
            self.ready.popleft()()


class Room:
    """Members that keep what they are offered."""

    def __init__(self, count: int = MEMBERS, **options: Any) -> None:
        self.loop = Loop()
        self.offered = 0
        self.got: list[list[str]] = [[] for _ in range(count)]
        self.members = [Recorder(self, str(id), got) for id, got in enumerate(self.got)]
        self.deliveries = Deliveries(**{"max_count": 1000, "max_size": 1000, "slice_size": 4, **options})

    def send(self, data: str, members: list[int] | None = None) -> None:
        receivers = self.members if members is None else [self.members[each] for each in members]
        message, prepared = {"type": "websocket.send", "text": data}, PreparedMessage(data)
        self.deliveries.deliver({each.id: each for each in receivers}, message, prepared, self.loop.call_soon)


class Recorder:
    """A member and its outbox."""

    def __init__(self, room: Room, id: str, got: list[str]) -> None:
        self.room, self.id, self.got = room, id, got
        self.outbox = cast(Outbox, self)

    def offer(self, message: dict[str, Any], prepared: PreparedMessage) -> bool:
        self.room.offered += 1
        self.got.append(message["text"])
        return True


steps = st.lists(
    st.one_of(
        st.lists(st.integers(0, MEMBERS - 1), unique=True),
        st.integers(0, MEMBERS - 1),
        st.just("turn"),
    ),
    max_size=40,
)


@given(steps)
def test_every_member_gets_every_message_once_and_in_order(
    steps: list[list[int] | int | str],
) -> None:
    """Whatever else happens between two slices; whoever is settled has all that was sent to it, at once."""
    room = Room()
    sent: list[list[str]] = [[] for _ in range(MEMBERS)]
    for number, step in enumerate(steps):
        before = room.offered
        match step:
            case list(members):
                for member in members:
                    sent[member].append(str(number))
                room.send(str(number), members)
                assert room.offered - before <= 4
            case int(member):
                room.deliveries.settle(room.members[member])
                assert room.got[member] == sent[member]
            case _:
                room.loop.turn()
                assert room.offered - before <= 4
        for got, owed in zip(room.got, sent, strict=True):
            assert got == owed[: len(got)]
    while room.loop.ready:
        room.loop.turn()
    assert room.got == sent


@pytest.mark.parametrize("limits", [{"max_count": 2}, {"max_size": 2}])
def test_what_waits_is_bounded(limits: dict[str, int]) -> None:
    """A sender that never lets the loop turn does the work itself, so that two messages wait at most."""
    room = Room(**limits)
    for number in range(5):
        room.send(str(number))
    assert room.got == [list("012")] * MEMBERS
    while room.loop.ready:
        room.loop.turn()
    assert room.got == [list("01234")] * MEMBERS


def test_a_call_for_work_that_was_settled_does_none() -> None:
    """A loop that has a needless call scheduled does one slice in a turn, not two."""
    room = Room()
    room.send("a")
    for member in room.members:
        room.deliveries.settle(member)
    room.send("b")
    assert len(room.loop.ready) == 2
    room.loop.turn()
    assert room.offered == MEMBERS + 8


@pytest.mark.anyio
async def test_a_large_room_is_served_in_slices() -> None:
    """Other tasks run between two slices. What is sent to a member meanwhile comes behind what it is owed."""
    app = App(registry=Registry())

    @app.websocket("/")
    async def talk(websocket: WebSocket, member: Member) -> None:
        await websocket.accept()
        member.enter("all")
        await websocket.receive()

    async with AsyncExitStack() as stack:
        peers = []
        for _ in range(SLICE + 2):
            peers.append(await stack.enter_async_context(connected(app)))
            await peers[-1].accepted()
            await settled()
        ids = app.registry.ids("all")
        for peer in peers:
            peer.reads = False
        app.registry.broadcast("all", "first")
        members = [member for each in ids if (member := app.registry.get(each)) is not None]
        assert [bool(member.outbox._messages) for member in members] == [False] * 2 + [True] * SLICE
        app.registry.broadcast("all", "second")
        app.registry.send_to(ids[0], "third")
        await members[0].send("fourth")
        for peer in peers:
            peer.read_again()
        assert [await peers[0].text() for _ in range(4)] == ["first", "second", "third", "fourth"]
        assert [[await peer.text() for _ in range(2)] for peer in peers[1:]] == [["first", "second"]] * (SLICE + 1)
        app.registry.broadcast("all", "last")
        members[0].close(4000, "bye")
        assert (await peers[0].text(), await peers[0].close()) == ("last", (4000, "bye"))
