"""The simulated network: each thing that it can do to a connection, and that one seed is one run."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import anyio
import pytest
import trio

import wscore_asyncio
import wscore_trio
from wscore import Config, ConnectionClosed, HandshakeRefused, State
from wscore.testing import Link, Network, virtual_asyncio, virtual_trio
from wscore.testing.network import Cancelled, Event, Hang, LoopNetwork, Socket

PLAIN = Config(compression=False)


class User:
    """Reads everything, and keeps what happened with its time."""

    def __init__(self, network: Network, socket: Socket) -> None:
        self.network, self.socket = network, socket
        self.seen: list[tuple[float, Any]] = []
        socket.user = self

    def receive_data(self, data: bytes) -> None:
        self.seen.append((round(self.network.time(), 6), data))

    def receive_eof(self) -> None:
        self.seen.append((round(self.network.time(), 6), "end"))

    def output_drained(self) -> None:
        self.seen.append((round(self.network.time(), 6), "room"))

    def lost(self, error: Exception | None = None) -> None:
        self.seen.append((round(self.network.time(), 6), type(error).__name__))

    @property
    def bytes(self) -> bytes:
        return b"".join(what for _, what in self.seen if isinstance(what, bytes))


def wire(seed: int = 0, **link: Any) -> tuple[Network, User, User]:
    network = Network(seed, link=Link(**link))
    left, right = network.socket_pair()
    return network, User(network, left), User(network, right)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


def echoing(seed: int = 0, config: Config = PLAIN, **link: Any) -> Network:
    network = Network(seed, link=Link(**link))
    network.serve("echo.test", echo, config)
    return network


# -- bytes on their way


def test_bytes_take_the_latency() -> None:
    """What is written arrives so much later, and the end of the stream behind it."""
    network, left, right = wire(latency=0.25)
    left.socket.write(b"one")
    network.run_until(at=1.0)
    left.socket.write(b"two")
    left.socket.shut_down_writing()
    network.run_until()
    assert right.seen == [(0.25, b"one"), (1.25, b"two"), (1.25, "end")]


def test_jitter_keeps_the_order() -> None:
    """Each piece is later by another time, and none overtakes another."""
    network, left, right = wire(latency=0.1, jitter=0.5)
    for number in range(50):
        network.clock.call_at(number / 10, lambda number=number: left.socket.write(b"%d " % number))
    network.run_until()
    assert right.bytes.split() == [b"%d" % number for number in range(50)]
    late = [at for at, _ in right.seen]
    assert late == sorted(late)
    assert len(right.seen) < 50, "some that were late were read with those behind them"


def test_bandwidth_is_shared_by_what_is_written() -> None:
    """A line carries so many bytes in a second, one piece behind the other."""
    network, left, right = wire(latency=1.0, bandwidth=1000.0)
    left.socket.write(b"x" * 500)
    left.socket.write(b"y" * 2000)
    network.run_until()
    assert [(at, len(data)) for at, data in right.seen] == [(1.5, 500), (3.5, 2000)]


def test_pieces_are_cut_and_joined() -> None:
    """With `cut` one write is read in many pieces, with `join` many in few; the bytes are the same."""
    network, left, right = wire(cut=1.0, bandwidth=1e6)
    left.socket.write(bytes(range(256)) * 20)
    network.run_until()
    assert right.bytes == bytes(range(256)) * 20
    assert len(right.seen) > 3
    network, left, right = wire(join=0.5, seed=3)
    for number in range(10):
        network.clock.call_at(number / 1000, lambda: left.socket.write(b"x"))
    network.run_until()
    assert right.bytes == b"x" * 10
    assert len(right.seen) < 10


def test_a_reader_who_does_not_read_holds_the_sender_up() -> None:
    """The window bounds what is on its way or unread; the rest is with the sender, who learns when there is room."""
    network, left, right = wire(latency=0.1, window=1000)
    left.socket.high_water = 500
    right.socket.set_reading(False)
    left.socket.write(b"x" * 3000)
    network.run_until()
    assert (right.seen, left.socket.writable, left.socket.unsent) == ([], False, 2000)
    right.socket.set_reading(True)
    network.run_until()
    assert right.bytes == b"x" * 3000
    assert left.seen[-1][1] == "room"
    assert (left.socket.writable, left.socket.unsent) == (True, 0)


def test_a_segment_is_the_most_that_comes_at_once() -> None:
    """A large write arrives in several pieces."""
    network, left, right = wire(segment=400, bandwidth=1e6)
    left.socket.write(b"x" * 1000)
    network.run_until()
    assert [len(data) for _, data in right.seen] == [400, 400, 200]


# -- ends


def test_closing_with_unread_input_is_a_reset() -> None:
    """It overtakes what was on its way, as on a real system."""
    network, left, right = wire(latency=0.1)
    right.socket.set_reading(False)
    left.socket.write(b"never read")
    network.run_until()
    right.socket.write(b"goodbye")
    right.socket.close()
    network.run_until()
    assert left.seen[-1] == (0.2, "ConnectionResetError")
    assert left.socket.closed


def test_writing_to_a_closed_socket_brings_a_reset() -> None:
    """After a round trip, and not before."""
    network, left, right = wire(latency=0.1)
    right.socket.close()
    network.run_until()
    assert left.seen == [(0.1, "end")]
    left.socket.write(b"into the void")
    network.run_until()
    assert left.seen[1:] == [(0.3, "ConnectionResetError")]


def test_aborting_drops_what_is_held_back() -> None:
    """The other end gets what was on its way, and then a reset."""
    network, left, right = wire(window=10)
    left.socket.write(b"x" * 100)
    left.socket.abort()
    left.socket.abort()
    network.run_until()
    assert right.seen == [(0.0, "ConnectionResetError")]
    network, left, right = wire()
    left.socket.abort()
    left.socket.close()
    network.run_until()
    assert right.seen == [(0.0, "end")]


# -- cores on it


def test_a_conversation_takes_no_time() -> None:
    """Hours with pings, and a close, over a link of 50 ms: the times are the network's."""
    network = echoing(latency=0.05)

    async def main() -> float:
        connection = network.connect("ws://echo.test/", PLAIN)
        ws = await connection.opened()
        assert round(network.time(), 6) == 0.1
        await ws.send("hello")
        assert await ws.recv() == "hello"
        assert round(network.time(), 6) == 0.2
        await network.sleep(20_000)
        assert connection.client.core.stats.pings_sent > 900
        seconds = await ws.ping()
        await ws.close(4000, "enough")
        assert connection.client.gone
        return seconds

    assert round(network.run(main), 6) == 0.1
    network.run_until()
    connection = network.connections[0]
    assert connection.over
    assert [record.code for record in connection.server.access] == [None, 4000]


@pytest.mark.parametrize("toward", ["client", "server"])
def test_a_stall_is_one_way(toward: Any) -> None:
    """Nothing arrives on one side meanwhile, the other way is free; then everything comes."""
    network = echoing(latency=0.01)

    async def main() -> list[float]:
        connection = network.connect("ws://echo.test/", PLAIN)
        ws = await connection.opened()
        connection.stall(toward, 5.0)
        began = network.time()
        await ws.send("hello")
        await network.sleep(1.0)
        assert connection.server.core.stats.messages_received == (toward == "client")
        assert await ws.recv() == "hello"
        times = [network.time() - began]
        connection.stall(toward)
        await ws.send("again")
        await network.sleep(3.0)
        connection.resume(toward)
        assert await ws.recv() == "again"
        return [*times, network.time() - began - times[0]]

    first, second = network.run(main)
    assert 5.0 <= first <= 5.03
    assert 3.0 <= second <= 3.03


def test_a_reset_reaches_both_ends() -> None:
    """Each after the latency; what was on its way is lost."""
    network = echoing(latency=0.1)

    async def main() -> None:
        connection = network.connect("ws://echo.test/", PLAIN)
        ws = await connection.opened()
        await ws.send("lost")
        at = network.time()
        connection.reset()
        connection.reset()
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        assert round(network.time() - at, 6) == 0.1
        network.start(network.sleep, 1.0)

    network.run(main)
    network.run_until()
    connection = network.connections[0]
    assert connection.over
    for end in (connection.client, connection.server):
        info = end.core.close_info
        assert info is not None
        assert (info.cause, info.code) == ("transport", 1006)
    assert connection.server.core.stats.messages_received == 0


def test_a_half_close_ends_one_direction() -> None:
    """The server reads the end, and its last words arrive; what the client writes then brings a reset."""
    network = echoing(latency=0.1)

    async def main() -> None:
        connection = network.connect("ws://echo.test/", PLAIN)
        ws = await connection.opened()
        connection.half_close("server")
        await network.sleep(0.15)
        assert connection.server.core.close_info is not None
        await ws.send("too late")
        await network.sleep(0.25)
        with pytest.raises(ConnectionClosed):
            await ws.send("too late")

    network.run(main)
    network.run_until()
    assert network.connections[0].over


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_host_that_vanishes_is_missed(side: Any) -> None:
    """Nothing tells the other end but its pings: it gives up after interval, timeout and a second."""
    network = echoing(latency=0.1)

    async def main() -> None:
        connection = network.connect("ws://echo.test/", PLAIN)
        await connection.opened()
        connection.vanish(side)

    network.run(main)
    began = network.time()
    connection = network.connections[0]
    left: Any = connection.server if side == "client" else connection.client
    lost: Any = connection.client if side == "client" else connection.server
    network.run_until(lambda: left.gone)
    assert network.time() - began == pytest.approx(41.0, abs=1.0)
    assert (left.core.close_info.cause, left.core.close_info.code) == ("timeout", 1006)
    network.run_until()
    assert lost.core.state is State.OPEN
    network.close()


def test_another_link_is_for_what_is_sent_from_now_on() -> None:
    """`relink` replaces what lies between."""
    network = echoing()

    async def main() -> float:
        connection = network.connect("ws://echo.test/", PLAIN, link=Link(latency=0.5))
        ws = await connection.opened()
        assert network.time() == 1.0
        connection.relink(Link(latency=0.1))
        return await ws.ping()

    assert network.run(main) == pytest.approx(0.2)


def test_timers_may_be_late() -> None:
    """With `slack` a deadline is kept up to so much too late, and never too early."""

    async def never_answers(network: Network, scope: Any, receive: Any, send: Any) -> None:
        await network.sleep(1000)

    async def main(network: Network) -> float:
        connection = network.connect("ws://slow.test/", Config(handshake_timeout=60.0))
        with pytest.raises(HandshakeRefused):
            await connection.opened()
        return network.time()

    refused = []
    for seed in range(5):
        network = Network(seed, slack=3.0)
        network.serve("slow.test", functools.partial(never_answers, network), Config(accept_timeout=20.0))
        refused.append(network.run(main, network))
        network.close()
    assert all(20.0 <= at <= 23.0 for at in refused)
    assert len(set(refused)) == 5


# -- tasks


def test_a_hang_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for what never happens is named, and so is who turns in circles."""
    network = Network()

    async def reads_for_ever() -> None:
        connection = network.connect("ws://echo.test/", Config(ping_interval=None))
        await (await connection.opened()).recv()

    network.serve("echo.test", echo, Config(ping_interval=None))
    with pytest.raises(Hang, match=r"nothing will ever happen\n(.*\n)*.*reads_for_ever.*recv"):
        network.run(reads_for_ever)
    network.close()

    async def spins() -> None:
        while True:
            await network.sleep(0)

    monkeypatch.setattr("wscore.testing.network.network.TURNS", 1000)
    with pytest.raises(Hang, match="events at one moment"):
        network.run(spins)
    network.close()


def test_what_a_task_raises_comes_out() -> None:
    """Of a task that nobody awaits as well: nothing fails in silence."""
    network = Network()

    async def fails() -> None:
        await network.sleep(1)
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        network.run(fails)
    network.start(fails)
    with pytest.raises(ValueError, match="on purpose"):
        network.run_until()


def test_a_task_is_cancelled_where_it_waits() -> None:
    """Once, before its first step too; it may go on, and one that is done is left alone."""
    network = Network()
    steps: list[object] = []

    async def stays() -> None:
        try:
            await network.sleep(10)
        except Cancelled:
            steps.append(network.time())
        await network.sleep(1)
        steps.append("went on")

    task = network.start(stays)
    network.run_until(at=2.0)
    task.cancel()
    task.cancel()
    network.run_until()
    early = network.start(stays)
    early.cancel()
    network.run_until()
    early.cancel()
    assert steps == [2.0, "went on", 10.0, "went on"]
    assert early.done
    assert early.error is None


def test_an_application_is_cancelled() -> None:
    """Its connection ends with 1011, and nothing stands in the log."""
    network = echoing()

    async def main() -> int | None:
        connection = network.connect("ws://echo.test/", PLAIN)
        ws = await connection.opened()
        connection.server.task.cancel()
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        assert connection.server.failures == []
        return ws.close_code

    assert network.run(main) == 1011


def test_no_host_is_no_connection() -> None:
    """A name that nobody serves is a mistake of the test."""
    with pytest.raises(KeyError):
        Network().connect("ws://nowhere.test/")


@pytest.mark.parametrize(
    "values",
    [
        {"latency": -1.0},
        {"jitter": float("inf")},
        {"join_delay": float("nan")},
        {"cut": 1.5},
        {"join": -0.1},
        {"bandwidth": 0.0},
        {"window": 0},
        {"segment": 0},
    ],
    ids=lambda values: next(iter(values)),
)
def test_a_link_that_cannot_work_is_refused(values: dict[str, float]) -> None:
    """The error names the value."""
    with pytest.raises(ValueError, match=rf"Link\({next(iter(values))}="):
        Link(**values)  # type: ignore[arg-type]


# -- one seed is one run


def transcript(seed: int) -> list[Event]:
    events: list[Event] = []
    network = Network(seed, link=Link(latency=0.05, jitter=0.1, cut=0.3, join=0.2, bandwidth=1e6), trace=events.append)
    network.serve("echo.test", echo, PLAIN)

    async def main() -> None:
        connection = network.connect("ws://echo.test/", PLAIN)
        ws = await connection.opened()
        for number in range(20):
            await ws.send("x" * number * 100)
            assert await ws.recv() == "x" * number * 100
        await network.sleep(45)
        await ws.close()

    network.run(main)
    network.run_until()
    return events


def test_one_seed_is_one_run() -> None:
    """Every byte and every moment; and another seed is another run."""
    assert transcript(1) == transcript(1)
    assert transcript(1) != transcript(2)


# -- in an event loop, and under the real transports

LIBRARIES: dict[str, tuple[ModuleType, Any]] = {
    "asyncio": (virtual_asyncio, wscore_asyncio),
    "trio": (virtual_trio, wscore_trio),
}


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    return LIBRARIES[request.param]


@asynccontextmanager
async def served(library: Any, app: Any, config: Config = PLAIN) -> AsyncIterator[str]:
    """Serve with a real transport on a unix socket."""
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {"uds": f"{folder}/s", "lifespan": "off", "access_log": False, "config": config}
        if library is wscore_asyncio:
            async with wscore_asyncio.serve(app, **options):
                yield f"{folder}/s"
        else:
            async with trio.open_nursery() as nursery:

                async def serve(*, task_status: trio.TaskStatus[wscore_trio.Server]) -> None:
                    await wscore_trio.serve(app, task_status=task_status, **options)

                await nursery.start(serve)
                yield f"{folder}/s"
                nursery.cancel_scope.cancel()


def under(library: tuple[Any, Any], function: Callable[[Any, LoopNetwork, str], Any], **link: Any) -> Any:
    virtual, wscore_library = library

    async def main() -> Any:
        async with served(wscore_library, echo) as path, LoopNetwork(1, link=Link(**link)) as network:
            return await function(wscore_library, network, path)

    return virtual.run(main)


def test_cores_run_in_an_event_loop(library: tuple[Any, Any]) -> None:
    """The same network and the same names, on the loop's clock and tasks."""

    async def main(_: Any, network: LoopNetwork, __: str) -> None:
        network.serve("echo.test", echo, PLAIN)
        connection = network.connect("ws://echo.test/", PLAIN)
        ws = await connection.opened()
        await ws.send("hello")
        assert await ws.recv() == "hello"
        assert network.time() == pytest.approx(0.4)
        await network.sleep(100)
        assert connection.client.core.stats.pings_sent == 4
        await ws.close(4000)
        await network.sleep(1)
        assert connection.over
        with pytest.raises(TypeError, match="event loop"):
            network.start(network.sleep, 1)

    under(library, main, latency=0.1)


def test_the_network_lies_between_real_transports(library: tuple[Any, Any]) -> None:
    """What a real client sends takes the latency to a real server, and the answer as well; the close too."""

    async def main(wscore_library: Any, network: LoopNetwork, path: str) -> None:
        began = network.time()
        async with wscore_library.connect("ws://echo.test/", sock=network.dial(path).sock, config=PLAIN) as ws:
            assert network.time() - began == pytest.approx(0.2, abs=0.01)
            await ws.send("x" * 300_000)
            assert await ws.recv() == "x" * 300_000
            assert network.time() - began > 0.4 + 300_000 / 500_000
            assert await ws.ping() == pytest.approx(0.2, abs=0.01)
            await network.sleep(100)
        assert ws.close_code == 1000

    under(library, main, latency=0.1, bandwidth=500_000.0)


def test_a_real_reader_who_does_not_read_holds_a_real_sender_up(library: tuple[Any, Any]) -> None:
    """Through the network's window and the systems' buffers."""

    async def main(wscore_library: Any, network: LoopNetwork, path: str) -> None:
        async with wscore_library.connect("ws://echo.test/", sock=network.dial(path).sock, config=PLAIN) as ws:
            sent = 0
            with anyio.move_on_after(5.0):
                while True:
                    await ws.send(bytes(50_000))
                    sent += 1
            assert 4 < sent < 200
            for _ in range(sent):
                assert len(await ws.recv()) == 50_000

    under(library, main, latency=0.01)


def test_real_ends_are_passed_on(library: tuple[Any, Any]) -> None:
    """A client that is gone is the end of the stream at its server, which then is gone for a client."""
    ends: list[Any] = []

    async def keeps(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        ends.append(await receive())
        ends.append(anyio.current_time())

    async def run() -> None:
        virtual_library = library[1]
        async with served(virtual_library, keeps) as path, LoopNetwork(link=Link(latency=0.1)) as network:
            sock = network.dial(path).sock
            request = (
                b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            sock.send(request)
            await network.sleep(1.0)
            closed_at = anyio.current_time()
            sock.close()
            await network.sleep(30.0)
            assert ends[0]["code"] == 1006
            assert ends[1] - closed_at == pytest.approx(0.1, abs=0.2)

    library[0].run(run)


@pytest.mark.parametrize(("fault", "seconds"), [("reset", 0.1), ("half_close", 0.1), ("vanish", 41.0)])
def test_faults_reach_real_ends(library: tuple[Any, Any], fault: str, seconds: float) -> None:
    """A real client sees a reset and an end of the stream after the latency, a lost server by its pings."""

    async def main(wscore_library: Any, network: LoopNetwork, path: str) -> None:
        way = network.dial(path)
        async with wscore_library.connect("ws://echo.test/", sock=way.sock, config=PLAIN) as ws:
            began = network.time()
            if fault == "reset":
                way.reset()
            else:
                getattr(way, fault)("client" if fault == "half_close" else "server")
            with pytest.raises(ConnectionClosed):
                await ws.recv()
            assert network.time() - began == pytest.approx(seconds, abs=1.0 if seconds > 1 else 0.01)
        assert ws.close_code == 1006

    under(library, main, latency=0.1)
