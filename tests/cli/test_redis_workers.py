"""Rooms that span real server processes, with a real Redis between: what arrives, what is lost when what dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed

from ..real_time import TIMEOUT
from ..redis_server import RedisServer, needs_redis

pytestmark = needs_redis

SERVES = r"worker (\d+) serves"

# Who connects is in the room of the path. What it says goes to all there, itself included; four words are questions.
APPLICATION = """
import dataclasses
import json
import os

from wscore.app import App, Member, RedisBackplane, Registry, WebSocket

backplane = RedisBackplane(os.environ["REDIS"], expiry=2, max_queue=100)
app = App(registry=Registry(backplane=backplane, max_queue=10_000))


@app.websocket("/{room}")
async def talk(websocket: WebSocket, member: Member, registry: Registry, room: str) -> None:
    member.enter(room)
    await websocket.accept()
    async for text in websocket.iter_text():
        if text == "who":
            await member.send(f"= {os.getpid()}")
        elif text == "count":
            await member.send(f"= {await registry.count(room)}")
        elif text == "connected":
            await member.send(f"= {json.dumps(backplane.connected)}")
        elif text == "counters":
            await member.send("= " + json.dumps(dataclasses.asdict(backplane.counters)))
        else:
            registry.broadcast(room, text)
"""


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def serve(command, redis):
    """Start `wscore run rooms:app`."""
    (command.folder / "rooms.py").write_text(APPLICATION)
    command.environment["REDIS"] = redis.url

    def start(*arguments):
        return command.run("rooms:app", *arguments)

    return start


class Client:
    """A client that keeps what it hears, by who said it."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.heard: dict[str, list[int]] = {}
        self.answers: asyncio.Queue[str] = asyncio.Queue()
        self.reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self.connection:
                sender, number = str(text).split(maxsplit=1)
                if sender == "=":
                    await self.answers.put(number)
                else:
                    self.heard.setdefault(sender, []).append(int(number))

    async def asks(self, question: str) -> str:
        await self.connection.send(question)
        return await asyncio.wait_for(self.answers.get(), TIMEOUT)

    async def hears(self, sender: str, number: int) -> None:
        """Wait until it has heard this, or something that was said later."""
        await until(lambda: self.heard.get(sender, [-1])[-1] >= number)


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that other processes are about to do. The condition may be async."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def clients(*urls: str) -> AsyncIterator[list[Client]]:
    """Connect a client to each of the addresses."""
    async with contextlib.AsyncExitStack() as stack:

        async def client(url: str) -> Client:
            connected = connect_async(f"{url}/blue", open_timeout=TIMEOUT, compression=None)
            return Client(await stack.enter_async_context(connected))

        yield list(await asyncio.gather(*map(client, urls)))


async def counted(client: Client, number: int) -> None:
    """Wait until the room has so many members, as this client's process sees it."""

    async def found() -> bool:
        return int(await client.asks("count")) == number

    await until(found)


def test_each_message_reaches_each_client_once(serve, backend):
    """100 clients of two servers in one room, ten of which talk at once: nothing is lost, doubled or swapped."""
    one, two = (serve("--backend", backend).url() for _ in range(2))

    async def main() -> None:
        async with clients(*[one, two] * 50) as everybody:
            await counted(everybody[0], 100)
            await counted(everybody[1], 100)

            async def talk(name: str, client: Client) -> None:
                for number in range(20):
                    await client.connection.send(f"{name} {number}")

            senders = {f"sender-{number}": client for number, client in enumerate(everybody[:10])}
            await asyncio.gather(*(talk(*each) for each in senders.items()))
            for client in everybody:
                for sender in senders:
                    await client.hears(sender, 19)
            for client in everybody:
                assert client.heard == {sender: list(range(20)) for sender in senders}

    asyncio.run(main())


@pytest.mark.long
def test_redis_may_die_and_come_back(serve, redis, backend):
    """Nobody is disconnected, members of the own process miss nothing, and then all is delivered again.

    What others have missed is in the counters.
    """
    one, two = (serve("--backend", backend).url() for _ in range(2))

    async def main() -> None:
        async with clients(one, two, one, two) as everybody:
            senders = {"one": everybody[0], "two": everybody[1]}
            await counted(senders["one"], 4)
            await counted(senders["two"], 4)
            said = {"one": 0, "two": 0}
            ends = asyncio.Event()

            async def talk(name: str) -> None:
                while not ends.is_set():
                    await senders[name].connection.send(f"{name} {said[name]}")
                    await senders[name].hears(name, said[name])  # which it does at once, whatever Redis does
                    said[name] += 1

            async def connected(is_so: bool) -> None:
                async def found() -> bool:
                    return {await each.asks("connected") for each in senders.values()} == {json.dumps(is_so)}

                await until(found)

            talking = asyncio.gather(*map(talk, senders))
            await everybody[3].hears("one", 20)
            await everybody[2].hears("two", 20)
            await asyncio.to_thread(redis.kill)
            await connected(False)
            before = dict(said)
            await until(lambda: all(said[name] > before[name] + 200 for name in senders))  # more than the queue holds
            await asyncio.to_thread(redis.start)
            await connected(True)
            before = dict(said)
            await until(lambda: all(said[name] > before[name] + 20 for name in senders))
            ends.set()
            await talking
            for name, client in senders.items():
                for each in everybody:
                    await each.hears(name, said[name] - 1)
                counters = json.loads(await client.asks("counters"))
                assert counters["losses"] == 1
                assert counters["dropped"] > 0
                for each in everybody:
                    heard = each.heard[name]
                    assert heard == sorted(set(heard))
                    missed = said[name] - len(heard)
                    if (each in everybody[::2]) == (name == "one"):
                        assert missed == 0
                    else:
                        assert counters["dropped"] <= missed <= counters["dropped"] + counters["unconfirmed"]
                assert client.connection.close_code is None
            await counted(senders["one"], 4)

    asyncio.run(main())


@pytest.mark.long
def test_a_killed_worker_is_forgotten_and_replaced(serve, backend):
    """Its clients see a loss, others nothing; presence forgets them, and newcomers share the room."""
    running = serve("--backend", backend, "--workers", "2")
    url = running.url()
    first = running.logs(SERVES, 2)

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:

            async def more(number: int) -> list[Client]:
                return await stack.enter_async_context(clients(*[url] * number))

            everybody = await more(200)
            by_pid: dict[int, list[Client]] = {}
            while len(by_pid) < 2:  # the system may give them all to one
                for client in everybody:
                    by_pid.setdefault(int(await client.asks("who")), []).append(client)
                if len(by_pid) < 2:
                    everybody = await more(1)
            (victim, lost), (_, stay) = sorted(by_pid.items(), key=lambda each: len(each[1]))[::-1]
            await counted(stay[0], len(lost) + len(stay))
            os.kill(victim, signal.SIGKILL)
            for client in lost:
                await asyncio.wait_for(client.reading, TIMEOUT)
                assert client.connection.close_code == 1006
            await stay[0].connection.send("word 1")
            for client in stay:
                await client.hears("word", 1)
            await counted(stay[0], len(stay))
            (successor,) = {*await asyncio.to_thread(running.logs, SERVES, 3)} - {*first}
            newcomers = await more(1)
            while int(await newcomers[-1].asks("who")) != int(successor):
                newcomers += await more(1)
            await counted(stay[0], len(stay) + len(newcomers))
            await stay[0].connection.send("word 2")
            for client in [*stay, *newcomers]:
                await client.hears("word", 2)
                assert client.heard["word"] == [1, 2] if client in stay else [2]

    asyncio.run(main())
    running.signal(signal.SIGTERM)
    assert running.ends() == 0
    assert "Traceback" not in running.stderr


@pytest.mark.parametrize("state", ["there", "away", "silent"])
def test_redis_does_not_hold_up_the_end(serve, redis, backend, state):
    """Whether it is there, gone, or hangs, SIGTERM ends the server gracefully."""
    running = serve("--backend", backend, "--workers", "1", "--timeout-graceful-shutdown", "10")
    url = running.url()

    async def main() -> None:
        async with clients(url) as (client,):
            await client.asks("who")
            if state == "away":
                await asyncio.to_thread(redis.kill)
            elif state == "silent":
                redis.signal(signal.SIGSTOP)
            await client.connection.send("word 1")
            await client.hears("word", 1)
            running.signal(signal.SIGTERM)
            await asyncio.wait_for(client.reading, TIMEOUT)
            assert client.connection.close_code == 1012

    asyncio.run(main())
    assert running.ends() == 0
    assert "Traceback" not in running.stderr
