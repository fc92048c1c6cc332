"""One simulated conversation: a server and a client of wscore, their applications, a network, and what goes wrong.

A `Plan` says everything about it, as plain values: a run of a plan is the same each time, and what fails is made
smaller by replacing values with simpler ones.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from wscore import Config, Disconnected, HandshakeFailed, LocalProtocolError
from wscore.testing.network import Cancelled, Event, Link, Network

from ._invariants import Invariants

__all__ = ["Plan", "Play", "Step", "draw", "simpler"]

Step = tuple[Any, ...]

GRACE: Final = 5.0
"""Seconds from a shutdown until applications are cancelled, as `ServerConfig.shutdown_grace` has it."""
_DURATIONS: Final = {
    name: getattr(Config(), name)
    for name in ("handshake_timeout", "accept_timeout", "ping_interval", "ping_timeout", "close_timeout")
}
_ALPHABET: Final = "abc\u00df\u20ac\U0001f600 "
_NOISE: Final = random.Random(0).randbytes(1 << 16)
_TEXT: Final = "".join(random.Random(0).choice(_ALPHABET) for _ in range(1 << 14))


class ApplicationError(Exception):
    """The application's own, on purpose."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A conversation, before it has begun."""

    seed: str
    """What the network, the masks and the keys are drawn from."""
    app: str = "echoes"
    """What the server's application does: a name in `APPS`."""
    app_count: int = 5
    """After how many messages it does what it does."""
    app_pause: float = 0.0
    """Seconds that it takes for each."""
    steps: tuple[Step, ...] = ()
    """What the client does, one after the other."""
    reads: bool = True
    """Whether the client has a task that reads all along."""
    faults: tuple[Step, ...] = ()
    """What goes wrong: when, the name of a method of `Connection` or of `Play`, and its arguments."""
    server: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=dict)
    link: dict[str, Any] = field(default_factory=dict)
    slack: float = 0.0
    at_once: bool = True
    """Whether the application runs where its message was read, as on asyncio."""
    until: float = 120.0
    """When the server shuts down and the client closes, unless all is over."""


# -- drawing


def draw(seed: str) -> Plan:
    """Draw a plan."""
    chance = random.Random(f"plan {seed}")
    scale = chance.choice((1.0, 1.0, 0.05, 0.2, 2.0))
    plan = Plan(
        seed=seed,
        app=chance.choice(_APP_CHANCES),
        app_count=chance.choice((0, 1, 3, 10)),
        app_pause=chance.choice((0.0, 0.0, 0.0, 0.01, 1.0)),
        steps=tuple(_draw_steps(chance)),
        reads=chance.random() < 0.7,
        server=_draw_config(chance, scale),
        client=_draw_config(chance, scale),
        link=_draw_link(chance),
        slack=chance.choice((0.0, 0.0, 0.01, 0.5)),
        at_once=chance.random() < 0.5,
        until=200.0 * scale,
    )
    return replace(plan, faults=tuple(_draw_faults(chance)))


def _draw_steps(chance: random.Random) -> Iterator[Step]:
    for _ in range(chance.choice((0, 1, 3, 8, 15))):
        kind = chance.random()
        if kind < 0.6:
            for _ in range(chance.choice((1, 1, 2, 20))):
                yield "sends", _draw_size(chance), chance.random() < 0.5, chance.randrange(1 << 14)
        elif kind < 0.7:
            yield "sends_fragments", tuple(_draw_size(chance) for _ in range(chance.choice((1, 2, 5))))
        elif kind < 0.8:
            yield ("pings",)
        elif kind < 0.9:
            yield "receives", chance.choice((1, 2, 5)), chance.choice((0.01, 1.0, 30.0))
        else:
            yield "sleeps", chance.choice((0.0, 0.05, 1.0, 25.0, 70.0))
    ends = chance.random()
    if ends < 0.6:
        yield "closes", chance.choice((1000, 1000, 1001, 3000, 4999)), chance.choice(("", "bye"))
    elif ends < 0.7:
        yield "sleeps", 200.0


def _draw_size(chance: random.Random) -> int:
    kind = chance.random()
    if kind < 0.7:
        return chance.randrange(130)
    if kind < 0.95:
        return chance.choice((126, 1_000, 5_000, 16_384))
    return chance.choice((65_535, 65_536, 150_000))


def _draw_config(chance: random.Random, scale: float) -> dict[str, Any]:
    """Draw what differs from the defaults: durations keep their proportions, unless there is none."""
    config: dict[str, Any] = {}
    if scale != 1.0:
        config.update({name: seconds * scale for name, seconds in _DURATIONS.items()})
    if chance.random() < 0.1:
        config[chance.choice(("ping_interval", "ping_timeout"))] = None
    if chance.random() < 0.6:
        config["compression"] = False
    elif chance.random() < 0.3:
        config["compression_window_bits"] = chance.randrange(9, 16)
        config["compression_min_size"] = chance.choice((0, 64, 1_000))
    if chance.random() < 0.3:
        config["max_queue"] = chance.choice((1, 2, 5))
        config["max_queue_size"] = chance.choice((1, 1_000, 1 << 20))
    if chance.random() < 0.3:
        config["max_output_size"] = chance.choice((1, 1_000, 10_000))
    if chance.random() < 0.05:
        config["max_message_size"] = chance.choice((1_000, 16_384))
    return config


def _draw_link(chance: random.Random) -> dict[str, Any]:
    link: dict[str, Any] = {"latency": chance.choice((0.0, 0.0001, 0.02, 0.3))}
    if chance.random() < 0.5:
        link["jitter"] = chance.choice((0.001, 0.1, 1.0))
    if chance.random() < 0.3:
        link["bandwidth"] = chance.choice((20_000.0, 1e6))
    if chance.random() < 0.3:
        link["cut"] = chance.choice((0.1, 0.5))
    if chance.random() < 0.3:
        link["join"] = chance.choice((0.1, 0.5))
    if chance.random() < 0.3:
        link["window"] = chance.choice((500, 4_096, 20_000))
    return link


def _draw_faults(chance: random.Random) -> Iterator[Step]:
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
        side, kind = chance.choice(("client", "server")), chance.random()
        at = chance.choice((0.0, 0.03, 0.5, 3.0, 30.0)) * (0.5 + chance.random())
        if kind < 0.2:
            yield at, "stall", side, chance.choice((0.5, 5.0, 15.0, 45.0))
        elif kind < 0.25:
            yield at, "stall", side
        elif kind < 0.4:
            yield at, "reset"
        elif kind < 0.5:
            yield at, "half_close", side
        elif kind < 0.7:
            yield at, "vanish", side
        elif kind < 0.8:
            yield at, "cancels_app"
        elif kind < 0.9:
            yield at, "cancels_client"
        else:
            yield at, "shuts_down"


# -- playing


class Play:
    """A conversation as it is played."""

    def __init__(self, plan: Plan, log: list[Event] | None = None) -> None:
        self.plan = plan
        trace = None if log is None else log.append
        self.network = network = Network(plan.seed, link=Link(**plan.link), slack=plan.slack, trace=trace)
        self.from_client: list[str | bytes] = []
        """What the client has sent, in order."""
        self.to_server = 0
        """How much of that the application has received."""
        self.server_took = 0
        """And how many bytes."""
        self.from_server: list[str | bytes] = []
        self.to_client = self.client_took = 0
        self.client_read_all = False
        """The client has received until it was told that there is no more."""
        self.disconnect: dict[str, Any] | None = None
        self.network.serve("server.test", self._app, Config(**plan.server))
        self.connection = network.connect("ws://server.test/", Config(**plan.client))
        self.invariants = Invariants(self, log)
        network.watch = self.invariants.check
        self.client_tasks = [network.start(self._client)]
        for at, name, *arguments in plan.faults:
            network.clock.call_at(at, partial(self._happens, name, arguments))

    def run(self) -> None:
        """Play it to its end. Raises Finding."""
        network, connection = self.network, self.connection
        try:
            network.run_until(lambda: self.over, at=self.plan.until)
            if not self.over:
                self.invariants.check_loss_was_noticed()
                self.invariants.note("the end of the play")
                self._end()
                network.run_until(lambda: self.over, at=network.time() + self.invariants.patience)
            self.invariants.check_end()
        finally:
            network.watch = None
            connection.server.failures.clear()
            network.close()

    @property
    def over(self) -> bool:
        """Whether nothing is left to happen."""
        lost = self.invariants.lost
        return (
            "client" in lost or (self.connection.client.gone and all(task.done for task in self.client_tasks))
        ) and ("server" in lost or self.connection.server.over_at is not None)

    def _end(self) -> None:
        """Let the server shut down, and the client close."""
        if "server" not in self.invariants.lost:
            self.shuts_down()
        if "client" not in self.invariants.lost:
            self.connection.client.core.close(now=self.network.time())
            self.connection.client.sync()
            for task in self.client_tasks:
                task.cancel()

    def _happens(self, name: str, arguments: list[Any]) -> None:
        self.invariants.note(f"{name}{(*arguments,)}")
        if name in ("stall", "reset", "half_close", "vanish", "resume"):
            self.invariants.hear_of_fault(name, arguments)
            getattr(self.connection, name)(*arguments)
        else:
            getattr(self, name)()

    # -- faults of the programs

    def cancels_app(self) -> None:
        """Cancel the application."""
        if self.connection.server.task is not None:
            self.connection.server.task.cancel()

    def cancels_client(self) -> None:
        """Cancel the client, which then closes without waiting."""
        for task in self.client_tasks:
            task.cancel()

    def shuts_down(self) -> None:
        """Stop the server, as its transports do it."""
        if "server" in self.invariants.lost:
            return
        self.connection.server.begin_shutdown()
        self.network.clock.call_at(self.network.time() + GRACE, self.cancels_app)

    # -- the application

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.connection.server.task.at_once = self.plan.at_once
        assert await receive() == {"type": "websocket.connect"}
        app = Application(self, receive, send)
        await APPS[self.plan.app](app)

    # -- the client

    async def _client(self) -> None:
        network, connection = self.network, self.connection
        reader = None
        try:
            ws = await connection.opened()
            if self.plan.reads:
                reader = network.start(self._read, ws)
                self.client_tasks.append(reader)
            for name, *arguments in self.plan.steps:
                self.invariants.note(f"client {name}{(*arguments,)}")
                await getattr(self, f"_{name}")(ws, *arguments)
        except (Disconnected, HandshakeFailed) as error:
            self.invariants.note(f"client: {error!r}")
        except Cancelled:
            connection.client.core.close(now=network.time())
            connection.client.sync()

    async def _read(self, ws: Any) -> None:
        try:
            while True:
                self._client_got(await ws.recv())
        except Disconnected:
            self.client_read_all = True
        except Cancelled:
            pass

    def _client_got(self, message: str | bytes) -> None:
        self.invariants.check_order("client", self.from_server, self.to_client, message)
        self.to_client += 1
        self.client_took += size_of(message)

    async def _sends(self, ws: Any, size: int, binary: bool, at: int) -> None:
        message = payload(size, binary, at)
        self.from_client.append(message)  # before, since it may arrive before `send` returns
        stats = self.connection.client.core.stats
        sent = stats.messages_sent
        try:
            await ws.send(message)
        finally:
            if stats.messages_sent == sent:
                self.from_client.pop()  # cancelled, or refused: nothing was sent

    async def _sends_fragments(self, ws: Any, sizes: tuple[int, ...]) -> None:
        message = "".join(str(payload(size, False, size)) for size in sizes)
        self.from_client.append(message)
        stats = self.connection.client.core.stats
        sent = stats.messages_sent

        async def fragments() -> AsyncIterator[str]:
            for size in sizes:
                yield str(payload(size, False, size))
                await self.network.sleep(0.001)

        try:
            await ws.send(fragments())
        finally:
            if stats.messages_sent == sent:
                self.from_client.pop()

    async def _pings(self, ws: Any) -> None:
        assert await ws.ping() >= 0

    async def _receives(self, ws: Any, count: int, seconds: float) -> None:
        """Receive, at most so long: who waits is cancelled."""
        if self.plan.reads:
            return  # one task reads already

        async def receive() -> None:
            try:
                for _ in range(count):
                    self._client_got(await ws.recv())
            except (Disconnected, Cancelled):
                pass

        task = self.network.start(receive)
        self.client_tasks.append(task)
        await self.network.sleep(seconds)
        task.cancel()

    async def _sleeps(self, ws: Any, seconds: float) -> None:
        await self.network.sleep(seconds)

    async def _closes(self, ws: Any, code: int, reason: str) -> None:
        self.invariants.client_closes = code
        await ws.close(code, reason)
        assert ws.close_code is not None


class Application:
    """What an application has in hand."""

    def __init__(self, play: Play, receive: Any, send: Any) -> None:
        self.play = play
        self.count = play.plan.app_count
        self.pause = play.plan.app_pause
        self._receive = receive
        self._send = send

    async def accept(self) -> None:
        await self._send({"type": "websocket.accept"})

    async def receive(self) -> str | bytes | None:
        """Receive a message; None after the disconnect."""
        play = self.play
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            play.invariants.check_disconnect(message)
            play.disconnect = message
            return None
        data: str | bytes = message["bytes"] if message.get("text") is None else message["text"]
        play.invariants.check_order("server", play.from_client, play.to_server, data)
        play.to_server += 1
        play.server_took += size_of(data)
        return data

    async def send(self, data: str | bytes) -> None:
        play = self.play
        play.from_server.append(data)
        stats = play.connection.server.core.stats
        sent = stats.messages_sent
        try:
            await self._send({"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data})
        finally:
            if stats.messages_sent == sent:
                play.from_server.pop()

    async def close(self, code: int) -> None:
        self.play.invariants.app_closes = code
        await self._send({"type": "websocket.close", "code": code})

    async def sleep(self, seconds: float) -> None:
        if seconds:
            await self.play.network.sleep(seconds)

    async def drain(self) -> None:
        """Receive until the disconnect."""
        while self.play.disconnect is None:
            await self.receive()


def size_of(message: str | bytes) -> int:
    """Return the size of a message in bytes."""
    return len(message) if isinstance(message, bytes) else len(message.encode())


def payload(size: int, binary: bool, at: int) -> str | bytes:
    """Make a message of about that size, that no other is alike."""
    if binary:
        return b"%d " % at + (
            _NOISE[at : at + size] if size <= 1 << 14 else (_NOISE * (1 + size // len(_NOISE)))[:size]
        )
    return f"{at} " + (
        _TEXT[at % 4096 : at % 4096 + size] if size <= 1 << 13 else (_TEXT * (1 + size // len(_TEXT)))[:size]
    )


async def _echoes(app: Application) -> None:
    await app.accept()
    while (data := await app.receive()) is not None:
        await app.sleep(app.pause)
        await app.send(data)


async def _sinks(app: Application) -> None:
    await app.accept()
    while await app.receive() is not None:
        await app.sleep(app.pause)


async def _pushes(app: Application) -> None:
    """Send from one task and receive in another."""
    await app.accept()
    network = app.play.network

    async def push() -> None:
        try:
            for number in range(app.count * 3):
                await app.send(payload(number * 7, number % 2 == 1, number))
                await network.sleep(0.01 + app.pause)
        except (Disconnected, LocalProtocolError, Cancelled):
            pass

    task = network.start(push)
    try:
        await app.drain()
    finally:
        task.cancel()


async def _floods(app: Application) -> None:
    await app.accept()
    for number in range(app.count * 4):
        await app.send(payload(6_000, number % 2 == 1, number))
    await app.drain()


async def _is_deaf(app: Application) -> None:
    await app.accept()
    await app.sleep(app.count * 10)
    await app.drain()


async def _fails(app: Application) -> None:
    await app.accept()
    for _ in range(app.count):
        await app.receive()
        if app.play.disconnect is not None:
            return
    raise ApplicationError


async def _returns(app: Application) -> None:
    await app.accept()
    for _ in range(app.count):
        if await app.receive() is None:
            return
        await app.sleep(app.pause)


async def _closes(app: Application) -> None:
    await app.accept()
    for _ in range(app.count):
        if (data := await app.receive()) is None:
            return
        await app.send(data)
    await app.close(4000 + app.count)
    await app.drain()


async def _refuses(app: Application) -> None:
    await app.sleep(app.pause)
    await app._send({"type": "websocket.close"})


async def _denies(app: Application) -> None:
    await app._send({"type": "websocket.http.response.start", "status": 401, "headers": []})
    for _ in range(app.count):
        await app._send({"type": "websocket.http.response.body", "body": b"no " * 1000, "more_body": True})
        await app.sleep(app.pause)
    await app._send({"type": "websocket.http.response.body", "body": b"."})


async def _never_answers(app: Application) -> None:
    await app.sleep(1000.0)


_APPS: Final[dict[str, tuple[int, Callable[[Application], Awaitable[None]]]]] = {
    "echoes": (6, _echoes),
    "sinks": (2, _sinks),
    "pushes": (3, _pushes),
    "floods": (2, _floods),
    "is deaf": (2, _is_deaf),
    "fails": (2, _fails),
    "returns": (2, _returns),
    "closes": (3, _closes),
    "refuses": (1, _refuses),
    "denies": (1, _denies),
    "never answers": (1, _never_answers),
}
"""How often, in proportion, and what."""

APPS: Final = {name: app for name, (_, app) in _APPS.items()}
_APP_CHANCES: Final = tuple(name for name, (often, _) in _APPS.items() for _ in range(often))


# -- making smaller


def simpler(plan: Plan) -> Iterator[Plan]:
    """Give plans that are simpler than this one in one thing each, the largest steps first."""
    steps, faults = plan.steps, plan.faults
    if steps:
        yield replace(plan, steps=())
    size = len(steps) // 2
    while size:
        for begin in range(0, len(steps), size):
            yield replace(plan, steps=steps[:begin] + steps[begin + size :])
        size //= 2
    for index in range(len(faults)):
        yield replace(plan, faults=faults[:index] + faults[index + 1 :])
    for name in ("link", "server", "client"):
        values: dict[str, Any] = getattr(plan, name)
        if values:
            yield replace(plan, **{name: {}})
        for each in values:
            yield replace(plan, **{name: {other: value for other, value in values.items() if other != each}})
    for name, simplest in (("slack", 0.0), ("app_pause", 0.0), ("app_count", 0), ("app", "echoes"), ("app", "sinks")):
        if getattr(plan, name) != simplest:
            yield replace(plan, **{name: simplest})
    if plan.at_once:
        yield replace(plan, at_once=False)
    for index, step in enumerate(steps):
        if step[0] == "sends" and step[1] > 1:
            yield replace(plan, steps=(*steps[:index], ("sends", step[1] // 2, step[2], 0), *steps[index + 1 :]))
