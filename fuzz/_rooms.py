"""Simulated rooms: many members, some slow, some leaving, in one process or in two that a broker joins.

Everything that is broadcast is in the list of its process, in order. What a member received must be a run of that list
without a gap, from when it entered; with gaps only where it reads too slowly. Of another process's messages it may miss
what a broker that stalls had no room for, and gets the rest in order and once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from wscore import Config
from wscore.app import Registry, WebSocket, WebSocketDisconnect
from wscore.testing import virtual_asyncio
from wscore.testing.network import Connection, Event, Link, LoopNetwork

from ._broker import Broker
from ._invariants import Finding

__all__ = ["RoomPlan", "draw_room", "play_room", "simpler_room"]

ALL, FEW = "all", "few"
"""A room of all members, and one of every third."""


@dataclass(frozen=True, kw_only=True)
class RoomPlan:
    """A room, before anybody is in it."""

    seed: str
    members: int = 10
    processes: int = 1
    messages: int = 10
    size: int = 20
    """Bytes of each message."""
    pause: float = 0.01
    """Seconds between messages."""
    slow: float = 0.0
    """The share of members that do not read."""
    leaving: float = 0.0
    """The share that leaves in between: with a close, or with a reset."""
    policy: Any = "skip"
    stall: tuple[float, float] | None = None
    """When the broker stalls, and for how long."""
    link: dict[str, Any] = field(default_factory=dict)


def draw_room(seed: str, members: int, processes: int) -> RoomPlan:
    """Draw a plan for a room of that size."""
    chance = random.Random(f"room {seed}")
    size = chance.choice((20, 1_000, 1_000)) if members > 100 else chance.choice((20, 1_000, 8_000))
    # Not more than the window and the queues hold: whoever reads gets everything, however far away.
    plan = RoomPlan(
        seed=seed,
        members=members,
        processes=processes,
        messages=5 if size > 1_000 else chance.choice((5, 10)) if members > 100 else chance.choice((5, 20, 30)),
        size=size,
        pause=chance.choice((0.0, 0.001, 0.1)),
        slow=chance.choice((0.0, 0.1)),
        leaving=chance.choice((0.0, 0.1, 0.3)),
        policy=chance.choice(("skip", "close")),
        link={"latency": chance.choice((0.0, 0.02)), "jitter": chance.choice((0.0, 0.1))},
    )
    if processes > 1 and chance.random() < 0.8:
        plan = replace(plan, stall=(chance.choice((0.0, 0.05, 0.5)), chance.choice((1.0, 30.0))))
    return plan


class MemberClient:
    """A client that takes what it gets as it comes, or nothing at all."""

    def __init__(self, name: str, process: int, connection: Connection, *, slow: bool) -> None:
        self.name = name
        self.rooms = [ALL, FEW] if int(name.partition("-")[2]) % 3 == 0 else [ALL]
        self.process = process
        self.connection = connection
        self.slow = slow
        self.left = False
        self.entered_at: int | None = None
        """How many messages its process had broadcast when it entered."""
        self.received: list[str] = []
        self._taking = False
        if not slow:
            connection.client.wake = self._take

    def _take(self) -> None:
        if self._taking:
            return
        self._taking = True  # for `sync` wakes whoever waits for a message, or for the end
        client = self.connection.client
        while (message := client.core.next_message(now=client.time())) is not None:
            self.received.append(str(message))
        client.sync()
        self._taking = False


class Room:
    """A plan as it is played."""

    def __init__(self, plan: RoomPlan, network: LoopNetwork) -> None:
        self.plan = plan
        self.network = network
        self.chance = random.Random(f"play {plan.seed}")
        self.clients: dict[str, MemberClient] = {}
        self.order: list[list[tuple[str, str]]] = [[] for _ in range(plan.processes)]
        """What each process has sent, in order: to whom, and the text."""
        self.broker = Broker(network)
        self.backplanes = [self.broker.backplane() for _ in range(plan.processes)] if plan.processes > 1 else []
        self.registries = [
            Registry(backplane=self.backplanes[each] if self.backplanes else None, slow=plan.policy, max_queue=16)
            for each in range(plan.processes)
        ]
        for index in range(plan.processes):
            network.serve(f"process{index}.test", partial(self._app, index), Config(compression=False))

    async def _app(self, index: int, scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        name = scope["path"][1:]
        with contextlib.suppress(WebSocketDisconnect):
            async with self.registries[index].join(websocket, id=name, rooms=self.clients[name].rooms):
                self.clients[name].entered_at = len(self.order[index])
                while True:
                    await websocket.receive()

    async def play(self) -> None:
        """Play it. Raises Finding."""
        plan, network, chance = self.plan, self.network, self.chance
        async with contextlib.AsyncExitStack() as stack:
            for registry in self.registries:
                await stack.enter_async_context(registry.running())
            for number in range(plan.members):
                name, process = f"member-{number}", number % plan.processes
                slow = number > 0 and chance.random() < plan.slow
                config = Config(compression=False, max_queue=1) if slow else Config(compression=False)
                connection = network.connect(f"ws://process{process}.test/{name}", config)
                self.clients[name] = MemberClient(name, process, connection, slow=slow)
            await network.sleep(1.0)
            if plan.stall is not None:
                at, seconds = plan.stall
                network.clock.call_at(network.time() + at, lambda: self.broker.stall(network.time() + seconds))
            leaving = deque(client for client in self.clients.values() if chance.random() < plan.leaving)
            for number in range(plan.messages):
                for _ in range(chance.choice((1, 1, 3))):
                    self._say(chance.randrange(plan.processes))
                while (
                    leaving
                    and len(leaving) * plan.messages > (plan.messages - number - 1) * plan.members * plan.leaving
                ):
                    self._leave(leaving.popleft())
                await network.sleep(plan.pause)
            await network.sleep(40.0)
            self._check()
            for client in self.clients.values():
                client.connection.client.core.close(now=network.time())
                client.connection.client.sync()
            await network.sleep(25.0)
            for client in self.clients.values():
                if not client.connection.over:
                    raise Finding(f"{client.name} is not over: {client.connection.server.core!r}")
            if any(len(registry) or registry.rooms() for registry in self.registries):
                raise Finding("a registry has members after their end")

    def _say(self, process: int) -> None:
        """Send one message from a process: to all, to few, or to one."""
        sent, registry = self.order[process], self.registries[process]
        to = self.chance.choice((ALL, ALL, FEW, f"member-{self.chance.randrange(self.plan.members)}"))
        text = f"{process} {len(sent)} ".ljust(self.plan.size, "x")
        sent.append((to, text))
        if to in (ALL, FEW):
            registry.broadcast(to, text)
        else:
            registry.send_to(to, text)

    def _leave(self, client: MemberClient) -> None:
        client.left = True
        if self.chance.random() < 0.5:
            client.connection.reset()
        else:
            client.connection.client.core.close(now=self.network.time())
            client.connection.client.sync()

    def _check(self) -> None:
        for client in self.clients.values():
            if client.entered_at is None:
                raise Finding(f"{client.name} has not entered")
            for process in range(self.plan.processes):
                self._check_received(client, process)

    def _check_received(self, client: MemberClient, process: int) -> None:
        sent = self.order[process]
        got = [text for text in client.received if text.startswith(f"{process} ")]
        numbers = [int(text.split()[1]) for text in got]
        if any(sent[number][1] != text for number, text in zip(numbers, got, strict=True)):
            raise Finding(f"{client.name} got another message than was sent")
        if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
            raise Finding(f"{client.name} got messages of process {process} out of order: {numbers}")
        first = client.entered_at if client.process == process else 0
        assert first is not None
        due = [number for number in range(first, len(sent)) if sent[number][0] in (*client.rooms, client.name)]
        if not set(numbers) <= set(due):
            raise Finding(f"{client.name} got {numbers}, and {due} were for it")
        if client.slow:
            return
        dropped = 0
        if client.process != process:
            dropped = self.backplanes[process].line.dropped + sum(line.dropped for line in self.broker.lines)
        if numbers != due[: len(numbers)] if client.left else len(numbers) + dropped < len(due):
            raise Finding(f"{client.name} got {numbers} of {due}")


def simpler_room(plan: RoomPlan) -> Iterator[RoomPlan]:
    """Give plans that are simpler than this one in one thing each."""
    for name in ("members", "messages", "processes"):
        if (value := getattr(plan, name)) > 1:
            yield _with(plan, name, value // 2)
    for name, simplest in (
        ("slow", 0.0),
        ("leaving", 0.0),
        ("stall", None),
        ("link", {}),
        ("pause", 0.0),
        ("size", 20),
    ):
        if getattr(plan, name) != simplest:
            yield _with(plan, name, simplest)


def _with(plan: RoomPlan, name: str, value: Any) -> RoomPlan:
    return replace(plan, **{name: value})


def play_room(plan: RoomPlan, log: list[Event] | None = None) -> None:
    """Play a room under virtual time. Raises Finding."""
    failed: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: failed.append(f"{context['message']}: {context.get('exception')!r}")
        )
        trace = None if log is None else log.append
        async with LoopNetwork(plan.seed, link=Link(**plan.link), trace=trace) as network:
            await Room(plan, network).play()

    try:
        virtual_asyncio.run(main)
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
    finally:
        if failed:
            raise Finding(failed[0])
