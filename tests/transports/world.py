"""A real transport under virtual time, with everything around it in a test's hand, and the models it must agree with.

One step is one fact: the world makes it true, lets everybody do what they can, and then compares. Time passes only in
steps, from one deadline of the models to the next, with a look just before each and just after. Where facts come at
one moment from several sides, no order is promised: then there is a model for each, and one of them has to agree.
"""

from __future__ import annotations

import gc
import itertools
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import ModuleType
from typing import Any, Generic, TypeVar

import anyio

import wscore_asyncio
import wscore_trio
from tests.conformance.harness import open_sockets
from tests.core import peer as frames
from wscore import Config, ServerConfig
from wscore.testing import virtual_asyncio, virtual_trio

from .leftovers import nothing_left
from .model import NOTHING, URI, ClientModel, Model, ServerModel, is_last, outcome_of
from .peer import Peer, acceptance
from .serving import Serving, serving

__all__ = ["ApplicationError", "Client", "Server", "Step", "play"]

Step = tuple[Any, ...]
"""The name of a world's method, and what it is called with."""

VIRTUAL: dict[str, ModuleType] = {"asyncio": virtual_asyncio, "trio": virtual_trio}

BEFORE = 0.01
"""How long before a deadline the world looks that nothing has happened yet."""

AnyModel = TypeVar("AnyModel", bound=Model)


class ApplicationError(Exception):
    """The application's own."""


class World(Generic[AnyModel]):
    """One connection of a real transport, its peer, and two hands that use it."""

    def __init__(self, library: str, config: Config) -> None:
        self.backend = library
        self.config = ServerConfig.of(config)
        self.virtual = VIRTUAL[library]
        # Where an application on trio does not read for itself, somebody looks after the socket now and then.
        self.patience = 2 * self.config.read_poll_interval if library == "trio" else 0.0
        self.models: list[AnyModel] = []
        self.peer: Peer
        self.told: tuple[list[object], list[object]] = ([], [])
        self.busy = [False, False]
        self.running = False
        self.steps: list[str] = []
        self._held = b""  # of what the peer writes, the part that it has not written yet
        self._commands: list[Callable[[], Any] | None] = [None, None]
        self._at_once: list[tuple[Any, ...]] | None = None  # facts of one turn
        self._commanded = [anyio.Event(), anyio.Event()]

    # -- steps of the peer

    async def peer_sends(self, data: bytes, cut: float = 1.0) -> None:
        """Write what was held back, and `data`; of both hold back the end that begins at `cut`."""
        if self.peer.gone:
            return
        data = self._held + data
        at = max(1, int(len(data) * cut))
        data, self._held = data[:at], data[at:]
        await self.happens(partial(self.peer.sends, data), "peer_sends", data)

    async def peer_answers_ping(self) -> None:
        """Send the pong that keepalive waits for."""
        if self.peer.gone or self._held:
            return
        if not self.peer.written.pings:
            return
        pong = self.pong(self.peer.written.pings[-1])
        await self.happens(partial(self.peer.sends, pong), "peer_answers_ping", self.pong)

    async def peer_ends(self) -> None:
        if not self.peer.gone:
            await self.happens(self.peer.ends, "peer_ends")

    async def peer_vanishes(self, unread: bool) -> None:
        """Close; with something left `unread`, the other end meets a reset."""
        if self.peer.gone or self._held:
            return
        if unread:
            ping = self.ping(b"the last")
            self.tell("peer_sends", ping)
            self.peer.sends(ping)
            await self.virtual.settled()
        self.tell("peer_vanishes", self.peer.vanishes())
        await self.sync()

    # -- steps of time

    async def passes(self, seconds: float) -> None:
        """Let time pass."""
        await self.advance(anyio.current_time() + seconds)

    async def comes_to_deadline(self, late: float) -> None:
        """Let time pass until `late` after the next deadline, or before it."""
        due = self.next_deadline()
        if due is not None:
            await self.advance(due + late)

    async def advance(self, until: float) -> None:
        while (due := self.next_deadline()) is not None and due <= until:
            if due - BEFORE > anyio.current_time():
                await self.at(due - BEFORE)
            await self.at(due + self.patience)
        if until > anyio.current_time():
            await self.at(until)

    async def at(self, moment: float) -> None:
        await anyio.sleep_until(moment)
        await self.sync()

    def next_deadline(self) -> float | None:
        return min((at for model in self.models for at in model.deadlines().values()), default=None)

    # -- the hands

    async def receives(self, hand: int, count: int = 1, patience: float | None = None) -> None:
        """Receive so many messages, the last one at most."""
        if self.may_receive(hand):
            does = partial(self._receive, hand, count, patience)
            await self.hand_does(hand, does, "receives", hand, count, patience)

    def may_receive(self, hand: int) -> bool:
        return not self.busy[hand] and self.models[0].received

    async def hand_does(self, hand: int, does: Callable[[], Any], fact: str, *details: Any) -> None:
        self.busy[hand] = True
        self._commands[hand] = does
        await self.happens(self._commanded[hand].set, fact, *details)

    async def _receive(self, hand: int, count: int, patience: float | None) -> None:
        with anyio.move_on_after(patience) as scope:
            for _ in range(count):
                outcome = outcome_of(await self.receive())
                self.told[hand].append(outcome)
                if is_last(outcome):
                    break
        if scope.cancelled_caught:
            self.told[hand].append(NOTHING)

    async def receive(self) -> object:
        raise NotImplementedError

    async def _hand(self, hand: int) -> None:
        """Do one thing after the other, until told to stop."""
        while True:
            await self._commanded[hand].wait()
            self._commanded[hand] = anyio.Event()
            command = self._commands[hand]
            assert command is not None
            try:
                if await command() is False:
                    return
            except ApplicationError:
                raise
            except Exception as error:
                self.told[hand].append(outcome_of(error))
            finally:
                self.busy[hand] = False

    # -- looking

    async def at_its_end(self) -> None:
        """See that the socket is closed."""
        assert self._seen()["socket closed"]

    # -- several at once

    async def at_once(self, late: float | None, *steps: Step) -> None:
        """Take several steps in one turn of the loop, which is kept busy meanwhile until `late` after a deadline."""
        due = self.next_deadline()
        self._at_once = []
        for name, *details in steps:
            await getattr(self, name)(*details)
        facts, self._at_once = self._at_once, None
        if late is not None and due is not None:
            self.virtual.jump(max(due + late - anyio.current_time(), 0))
        self.tell_in_any_order(*facts)
        await self.sync()

    async def while_peer_does_not_read(self, seconds: float, vanishes: bool, *steps: Step) -> None:
        """Take several steps while the peer reads nothing, so that what is sent has to wait; then it reads, or goes."""
        if self.peer.gone or self._held:
            return
        self.peer.reading = False
        self.tell("peer_stops_reading")
        self._at_once = []
        for name, *details in steps:
            await getattr(self, name)(*details)
        facts, self._at_once = self._at_once, None
        self.tell_in_any_order(*facts)
        due = self.next_deadline()
        pause = seconds if due is None else min(seconds, due - BEFORE - anyio.current_time())
        await anyio.sleep(max(pause, 0))
        await self.virtual.settled()
        self.peer.reading = True
        if vanishes and all(model.core.wants_read for model in self.models):  # else nobody would see a reset
            self.tell("peer_vanishes", self.peer.vanishes())
        self.tell("peer_reads_on")
        await self.sync()

    # -- comparing

    async def happens(self, real: Callable[[], object], fact: str, *details: Any) -> None:
        """Make a fact true, and tell the models."""
        real()
        if self._at_once is not None:
            self._at_once.append((fact, *details))
            return
        self.tell(fact, *details)
        await self.sync()

    def tell(self, fact: str, *details: Any) -> None:
        for model in self.models:
            model.tell(anyio.current_time(), fact, *details)

    def tell_in_any_order(self, *facts: tuple[Any, ...]) -> None:
        """Fork the models: one for each order of the facts and of what is due."""
        now = anyio.current_time()
        forks: list[AnyModel] = []
        for model in self.models:
            due = [(fact,) for fact, at in model.deadlines().items() if at <= now]
            for order in itertools.permutations([*facts, *due]):
                fork = model.fork()
                for fact, *details in order:
                    fork.tell(now, fact, *details)
                forks.append(fork)
        self.models = forks

    async def sync(self) -> None:
        """Let everybody do what they can before more time passes, and compare."""
        await self._exchange()
        if self.patience:
            await anyio.sleep(self.patience)
            await self._exchange()
        for model in self.models:
            while due := {at: fact for fact, at in model.deadlines().items() if at <= anyio.current_time()}:
                model.tell(min(due), due[min(due)])
        seen = self._seen()
        agreeing = [model for model in self.models if self._expected(model) == seen]
        if not agreeing:
            expected = self._expected(self.models[0])
            raise AssertionError("\n".join(self._differences(expected, seen)))
        self.models = agreeing

    async def _exchange(self) -> None:
        await self.virtual.settled()
        while self.peer.exchange():
            await self.virtual.settled()

    def _seen(self) -> dict[str, object]:
        written = self.peer.written
        return {
            "written": written.items if not self.peer.gone else None,
            "half an item": written.rest if not self.peer.gone else None,
            "our side ended": self.peer.ended if not self.peer.gone else None,
            "socket closed": self._inode not in open_sockets(),
            "hand 0 told": self.told[0],
            "hand 1 told": self.told[1],
            "hands busy": self.busy,
            "application runs": self.running,
        }

    def _expected(self, model: AnyModel) -> dict[str, object]:
        return {
            "written": model.written.items if not self.peer.gone else None,
            "half an item": model.written.rest if not self.peer.gone else None,
            "our side ended": model.ended or model.gone if not self.peer.gone else None,
            "socket closed": model.gone,
            "hand 0 told": model.told[0],
            "hand 1 told": model.told[1],
            "hands busy": model.busy,
            "application runs": model.running,
        }

    def _differences(self, expected: dict[str, object], seen: dict[str, object]) -> Iterator[str]:
        yield f"the {self.backend} transport does not do what its core says, at {anyio.current_time()}"
        for what, value in expected.items():
            if value != seen[what]:
                yield f"  {what}: {seen[what]!r}"
                yield f"    expected: {value!r}"
        yield f"  core: {self.models[0].core!r}"
        yield from (f"  {step}" for step in self.steps)

    _inode = ""

    # -- a play

    async def play(self, steps: Sequence[Step]) -> None:
        async with self.on_stage():
            for name, *details in steps:
                self.steps.append(f"{anyio.current_time():.3f} {name}{(*details,)!r:.200}")
                await getattr(self, name)(*details)
            self.steps.append(f"{anyio.current_time():.3f} (the end)")
            await self.end()

    def on_stage(self) -> Any:
        raise NotImplementedError

    async def end(self) -> None:
        """Bring everything to its end."""
        raise NotImplementedError

    ping: Callable[[bytes], bytes]
    pong: Callable[[bytes], bytes]


class Server(World[ServerModel]):
    """A server's connection and its application."""

    ping = staticmethod(frames.ping)
    pong = staticmethod(frames.pong)

    def __init__(self, library: str, config: Config) -> None:
        super().__init__(library, config)
        self.failures = 0
        """How often the application raised."""
        self._receive_message: Any = None
        self._send_message: Any = None
        self._shutting_down = False
        self._server: Serving

    # -- steps

    async def sends(self, hand: int, message: dict[str, Any]) -> None:
        if not self.busy[hand] and self._send_message is not None and self._is_there(hand):
            await self.hand_does(hand, partial(self._send, hand, message), "sends", hand, message)

    async def returns(self) -> None:
        if self.running and not self.busy[0]:
            await self.hand_does(0, self._stop, "returns")

    async def raises(self) -> None:
        if self.running and not self.busy[0]:
            await self.hand_does(0, self._fail, "raises")

    async def shuts_down(self) -> None:
        if not self._shutting_down:
            self._shutting_down = True
            await self.happens(self._server.close, "shuts_down")

    # -- the application

    def may_receive(self, hand: int) -> bool:
        return super().may_receive(hand) and self._receive_message is not None and self._is_there(hand)

    def _is_there(self, hand: int) -> bool:
        return hand == 1 or self.running

    async def receive(self) -> object:
        message: object = await self._receive_message()
        return message

    async def _send(self, hand: int, message: dict[str, Any]) -> None:
        await self._send_message(message)
        self.told[hand].append("sent")

    async def _stop(self) -> bool:
        return False

    async def _fail(self) -> None:
        self.failures += 1
        raise ApplicationError

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        self._receive_message, self._send_message = receive, send
        self.running = True
        try:
            await self._hand(0)
        finally:
            self.running = self.busy[0] = False

    # -- the server

    @asynccontextmanager
    async def on_stage(self) -> AsyncIterator[None]:
        async with (
            nothing_left(self.backend),
            serving(self.backend, self._application, self.config) as self._server,
        ):
            before = open_sockets()
            self.peer = self._server.connect()
            own = open_sockets() - before
            self.models = [ServerModel(self.config, anyio.current_time())]
            await self.virtual.settled()
            (self._inode,) = open_sockets() - before - own
            self.tell("begins")
            async with anyio.create_task_group() as hands:
                hands.start_soon(self._hand, 1)
                yield
                hands.cancel_scope.cancel()

    async def end(self) -> None:
        """Shut down, and wait as long as that may take."""
        await self.shuts_down()
        await self.advance(anyio.current_time() + self.config.shutdown_grace + self.config.close_timeout + 1)
        assert self._server.over.is_set(), "the server did not end"


class Client(World[ClientModel]):
    """A client's connection, and two tasks that use it."""

    ping = staticmethod(partial(frames.ping, mask=None))
    pong = staticmethod(partial(frames.pong, mask=None))

    def __init__(self, library: str, config: Config) -> None:
        super().__init__(library, config)
        self._websocket: Any = None
        self._scope: anyio.CancelScope
        self._accepted = False

    # -- steps

    async def peer_accepts(self, rest: bytes = b"") -> None:
        """Accept the handshake, and write `rest` in the same breath."""
        if not self._accepted and not self.peer.gone and not self._held:
            self._accepted = True
            data = acceptance(self.peer.written.key) + rest
            await self.happens(partial(self.peer.sends, data), "peer_accepts", rest)

    async def sends(self, hand: int, message: str | bytes) -> None:
        if self._may(hand):
            await self.hand_does(hand, partial(self._do, hand, "sent", "send", message), "sends", hand, message)

    async def pings(self, hand: int, payload: bytes) -> None:
        if self._may(hand):
            await self.hand_does(hand, partial(self._do, hand, "pong", "ping", payload), "pings", hand, payload)

    async def closes(self, hand: int, code: int, reason: str) -> None:
        if self._may(hand):
            does = partial(self._do, hand, "closed", "close", code, reason)
            await self.hand_does(hand, does, "closes", hand, code, reason)

    async def leaves(self) -> None:
        if self._may(0):
            await self.hand_does(0, self._leave, "leaves")

    async def is_cancelled(self) -> None:
        if self.running:
            await self.happens(self._scope.cancel, "is_cancelled")

    # -- who connects

    def may_receive(self, hand: int) -> bool:
        return super().may_receive(hand) and self._may(hand)

    def _may(self, hand: int) -> bool:
        return self._websocket is not None and not self.busy[hand] and (hand == 1 or self.running)

    async def receive(self) -> object:
        message: object = await self._websocket.recv()
        return message

    async def _do(self, hand: int, done: str, what: str, *details: object) -> None:
        await getattr(self._websocket, what)(*details)
        self.told[hand].append(done)

    async def _leave(self) -> bool:
        return False

    async def _use(self, sock: socket.socket) -> None:
        connect: Any = wscore_asyncio.connect if self.backend == "asyncio" else wscore_trio.connect
        self.running = self.busy[0] = True
        try:
            with anyio.CancelScope() as self._scope:
                async with connect(URI, sock=sock, config=self.config) as self._websocket:
                    self.told[0].append("opened")
                    self.busy[0] = False
                    await self._hand(0)
                    self.busy[0] = True
                self.told[0].append("left")
        except Exception as error:
            self.told[0].append(outcome_of(error))
        finally:
            self.running = self.busy[0] = False

    @asynccontextmanager
    async def on_stage(self) -> AsyncIterator[None]:
        async with nothing_left(self.backend):
            ours, theirs = socket.socketpair()
            self.peer = Peer(theirs)
            self._inode = f"socket:[{os.fstat(ours.fileno()).st_ino}]"
            try:
                async with anyio.create_task_group() as hands:
                    self.models = [ClientModel(self.config, anyio.current_time())]
                    hands.start_soon(self._use, ours)
                    hands.start_soon(self._hand, 1)
                    self.tell("begins")
                    await self.sync()
                    yield
                    hands.cancel_scope.cancel()
            finally:
                self.peer.closes()

    async def end(self) -> None:
        """Leave, or else be cancelled, and wait as long as that may take."""
        if self._may(0):
            await self.leaves()
            await self.advance(anyio.current_time() + self.config.close_timeout + 1)
        await self.is_cancelled()
        assert not self.running
        assert all(model.gone for model in self.models)


@contextmanager
def _records() -> Iterator[list[logging.LogRecord]]:
    """What is logged as an error, and what Python cannot raise."""
    records: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    root, hook = logging.getLogger(), sys.unraisablehook
    handlers, root.handlers = root.handlers, [Keeping(logging.WARNING)]
    unraisable: list[Any] = []
    sys.unraisablehook = unraisable.append
    try:
        yield records
        gc.collect(0)
        assert not unraisable
    finally:
        sys.unraisablehook = hook
        root.handlers = handlers


UNANSWERED = "the application returned before it sent"


def play(world: Server | Client, steps: Sequence[Step]) -> None:
    """Let the steps happen one after the other, and everything come to its end: then nothing may be left."""
    with _records() as records:
        try:
            world.virtual.run(world.play, steps)
        except BaseExceptionGroup as group:
            raise _only(group) from None
    failures = world.failures if isinstance(world, Server) else 0
    # That an application returned without an answer is said as well; tests/conformance looks at when.
    logged = [said for record in records if not (said := record.getMessage()).startswith(UNANSWERED)]
    assert len(logged) == failures, f"logged: {logged}"


def _only(error: BaseException) -> BaseException:
    """Take what was raised out of the groups of one that it came through."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
