"""The socket of a connection on asyncio: what is written in which order, how it is closed, and what the loop is told.

Each test drives a client's connection over a pair of sockets, on asyncio's loop and on uvloop.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.core import peer as frames

from wscore import ClientConnection, Config
from wscore_asyncio import connect, serve
from wscore_asyncio._client import ClientSocketDriver

from ..real_time import TIMEOUT

MUCH = 3_000_000

Run = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine function on an event loop, in none of whose callbacks there may be a mistake."""
    backend: str = request.param
    factory: Any = pytest.importorskip("uvloop").new_event_loop if backend == "uvloop" else None

    def run(main: Callable[[], Awaitable[None]]) -> None:
        mistakes: list[Any] = []

        async def bounded() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: mistakes.append(context))
            await asyncio.wait_for(main(), TIMEOUT)

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(bounded())
        assert not mistakes

    return run


class Link(ClientSocketDriver):
    """Keeps what it is told."""

    def __init__(self, sock: socket.socket, config: Config) -> None:
        now = asyncio.get_running_loop().time()
        super().__init__(ClientConnection("ws://h/", config, now=now, random=random.Random(0).randbytes), None, sock)
        self.losses: list[Exception | None] = []
        self.drained = 0
        self.fails = False

    def receive_data(self, data: bytes | memoryview) -> None:
        if self.fails:
            raise ZeroDivisionError
        super().receive_data(data)

    def output_drained(self) -> None:
        self.drained += 1
        super().output_drained()

    def lost(self, error: Exception | None = None) -> None:
        if not self.gone:
            self.losses.append(error)
        super().lost(error)


@contextlib.contextmanager
def linked(config: Config | None = None) -> Iterator[tuple[Link, socket.socket]]:
    """Make a connection that has not begun, and the other end of its socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        link = Link(ours, config or Config(handshake_timeout=3600))  # no deadline is to help
        yield link, theirs
        link.abort()


async def read(sock: socket.socket, size: int) -> bytes:
    """Read so many bytes, or all there are up to the end."""
    data = bytearray()
    while len(data) < size and (more := await asyncio.get_running_loop().sock_recv(sock, 2**16)):
        data += more
    return bytes(data)


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)


def test_what_is_written_while_much_waits_goes_out_behind_it(run: Run) -> None:
    """Whole and in order, however much; who waits for room is told once, when all of it is written."""

    async def main() -> None:
        with linked() as (link, peer):
            link.write(bytes(MUCH))
            assert not link.writable
            link.write(b"behind ")
            link.write(b"it")
            assert link.unsent() >= 9
            assert (await read(peer, MUCH + 9))[MUCH : MUCH + 9] == b"behind it"
            await until(lambda: link.drained)
            assert link.writable
            assert link.drained == 1

    run(main)


def test_a_system_that_takes_nothing_is_waited_for(run: Run) -> None:
    """What is written then goes out once it takes something; up to the limit there is room for more."""

    async def main() -> None:
        with linked(Config(max_output_size=1000)) as (link, peer):
            before = fill(link)
            link.write(bytes(999))
            link.write(b"x")
            assert link.writable
            link.write(b"y")
            assert not link.writable
            assert (await read(peer, before + 1001))[before : before + 1001] == bytes(999) + b"xy"

    run(main)


def fill(link: Link) -> int:
    """Write into the socket, past the driver, until the system takes no more."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            count += link._socket.send(bytes(1000))  # pyright: ignore[reportPrivateUsage]
    return count


@pytest.mark.parametrize("ends", [False, True], ids=["our half", "both halves"])
def test_tcp_ends_behind_what_is_written(ends: bool, run: Run, tmp_path: Path) -> None:
    """What the system has not taken yet, as there was room for it in our own buffer, comes before the end."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        await send({"type": "websocket.send", "bytes": bytes(MUCH)})
        await receive()

    async def main() -> None:
        config = Config(max_output_size=2 * MUCH, close_timeout=3600)  # so that nothing else ends it
        async with serve(app, uds=str(tmp_path / "s"), config=config, lifespan="off"):
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(str(tmp_path / "s"))
                peer.setblocking(False)
                peer.send(frames.head() + frames.text("x") + frames.close(4000))
                if ends:
                    peer.shutdown(socket.SHUT_WR)
                await asyncio.sleep(0.05)  # long enough for a server that would not wait
                written = await read(peer, 2**30)
                assert len(written) > MUCH
                assert written.endswith(frames.close(4000, mask=None))

    run(main)


def test_a_socket_that_is_not_ready_after_all_is_waited_for(run: Run) -> None:
    """A loop may call in vain (select(2)): there is nothing to read, and no room."""

    async def main() -> None:
        with linked() as (link, peer):
            before = fill(link)
            link.write(b"x")
            link._read()  # pyright: ignore[reportPrivateUsage]
            link._write_rest()  # pyright: ignore[reportPrivateUsage]
            assert not link.losses
            assert (await read(peer, before + 1))[before:].startswith(b"x")

    run(main)


def test_an_abort_drops_what_is_unsent(run: Run) -> None:
    """The peer reads what the system had taken, then the end; the loop has forgotten both directions."""

    async def main() -> None:
        with linked() as (link, peer):
            link.start()
            link.write(bytes(MUCH))
            link.abort()
            assert not link.gone
            assert not link.unsent()  # nothing is kept for a peer that cannot get it
            link.abort()
            await until(lambda: link.gone)
            assert link.losses == [None]
            assert link.drained == 0
            assert len(await read(peer, MUCH)) < MUCH

    run(main)


@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_primitive_does_not_report_the_loss_itself(how: str, run: Run) -> None:
    """The socket is closed at once, and the loss reported by the loop, once: the caller may be amid anything."""

    async def main() -> None:
        with linked() as (link, peer):
            link.start()
            getattr(link, how)()
            assert not link.gone
            assert link.broken()
            link.set_reading(False)
            link.set_reading(True)
            link.shut_down_writing()
            getattr(link, how)()
            await until(lambda: link.gone)
            await asyncio.sleep(0)
            assert link.losses == [None]
            assert (await read(peer, 2**16)).startswith(b"GET ")

    run(main)


def test_a_failed_write_is_reported_by_the_loop(run: Run) -> None:
    """With its reason, and after what the peer had said was read."""

    async def main() -> None:
        with linked() as (link, peer):
            link.start()
            peer.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            peer.close()
            link.write(b"x")
            assert link.broken()
            assert not link.losses
            await until(lambda: link.gone)
            assert [type(error) for error in link.losses] == [BrokenPipeError]
            assert link.core.response is not None
            assert link.core.response.status == 404

    run(main)


def test_a_write_that_fails_later_is_reported_too(run: Run) -> None:
    """The same for bytes that had to wait."""

    async def main() -> None:
        with linked() as (link, peer):
            link.start()
            link.set_reading(False)  # else the reset may be read first
            link.write(bytes(MUCH))
            peer.close()
            await until(lambda: link.gone)
            assert [type(error) for error in link.losses] in ([BrokenPipeError], [ConnectionResetError])

    run(main)


def test_a_number_that_is_used_again_is_not_the_old_connection(run: Run) -> None:
    """The system gives the next socket the number of the last: the loop calls nobody for the one that was closed."""

    async def main() -> None:
        with linked() as (link, _):
            link.start()
            link.write(bytes(MUCH))
            number = link._socket.fileno()  # pyright: ignore[reportPrivateUsage]
            link.abort()
            ours, theirs = socket.socketpair()
            with ours, theirs:
                assert number in (ours.fileno(), theirs.fileno())
                theirs.send(b"x")
                ours.send(b"x")
                await until(lambda: link.gone)
                for _ in range(5):
                    await asyncio.sleep(0.001)
                assert link.losses == [None]
                assert (ours.recv(10), theirs.recv(10)) == (b"x", b"x")

    run(main)


def test_a_mistake_within_a_read_ends_the_connection_and_is_reported(run: Run) -> None:
    """To the loop's exception handler, as all mistakes in callbacks; nothing is read from a connection half known."""

    async def main() -> None:
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
        with linked() as (link, peer):
            link.start()
            link.fails = True
            peer.send(b"x")
            await until(lambda: link.gone)
            assert [type(error) for error in reported] == [ZeroDivisionError]
            assert link.losses == [None]

    run(main)


def test_a_peer_that_has_ended_its_half_is_not_read_again(run: Run) -> None:
    """Its end is always there to be read: who would go on watching it would do nothing else."""

    async def main() -> None:
        with linked() as (link, peer):
            ends = 0

            def receive_eof() -> None:
                nonlocal ends
                ends += 1

            link.receive_eof = receive_eof  # type: ignore[method-assign]
            link.start()
            peer.shutdown(socket.SHUT_WR)
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert ends == 1

    run(main)


def test_a_loop_that_cannot_watch_sockets_is_refused() -> None:
    """As Windows' default one; a server says so before it has bound a port, and a client before it has dialled."""

    class Loop(asyncio.SelectorEventLoop):
        add_reader = asyncio.AbstractEventLoop.add_reader

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"add_reader, which Loop .*SelectorEventLoop"):
            async with serve(app):
                pass
        with pytest.raises(RuntimeError, match="add_reader"):
            async with connect("ws://127.0.0.1:1/"):
                pass

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(main())
