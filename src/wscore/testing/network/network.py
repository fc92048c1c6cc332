"""`Network`: servers and clients of wscore on a simulated network with a clock of its own.

Nothing here reads a clock, a socket or the system's randomness, and nothing depends on hashes: of one seed comes one
run, on every machine and every Python. (What zlib compresses to is zlib's: where its implementation differs, so may the
sizes of compressed messages, and what follows from them.)
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from wscore import Application, ClientConnection, Config, Peer, ServerConnection
from wscore.transport.client import WebSocket

from .._hang import TURNS, Hang
from .clock import VirtualClock
from .ends import ClientEnd, ServerEnd
from .link import Link
from .route import Route, Side
from .runtime import ClockRuntime, Runtime
from .sockets import Socket, socket_pair
from .tasks import Task
from .trace import Trace

__all__ = ["Connection", "Network"]

T = TypeVar("T")


class Connection(Route):
    """A client and a server of wscore, joined by a link, and what may happen to it."""

    def __init__(self, clock: VirtualClock, client: ClientEnd, server: ServerEnd) -> None:
        super().__init__(clock, client.socket, server.socket)
        self.client = client
        """The client's driver; its core is `client.core`."""
        self.server = server
        """The server's driver; its core is `server.core`."""
        self.websocket = WebSocket(client)
        """The client, as an application uses it. Await `opened` before."""

    async def opened(self) -> WebSocket:
        """Wait until the handshake is over, and return the websocket.

        Raises:
            HandshakeFailed: Or a subclass: the server did not accept.
        """
        await self.client.opened()
        return self.websocket

    def vanish(self, side: Side) -> None:
        """Lose the host of that side: it does nothing any more, and the other side hears nothing of it."""
        if side == "client":
            self.client.vanish()
        else:
            self.server.vanish()

    @property
    def over(self) -> bool:
        """Whether both ends have closed their sockets, and the application has ended."""
        return self.client.gone and self.server.over_at is not None


class Network:
    """Hosts, connections and a clock.

    Args:
        seed: What everything that is drawn is drawn from.
        link: What lies between two hosts, unless `connect` says otherwise.
        slack: Seconds by which timers may come too late, drawn for each.
        trace: Called with everything that happens to a socket, as an `Event`.
    """

    def __init__(
        self, seed: int | str = 0, *, link: Link | None = None, slack: float = 0.0, trace: Trace | None = None
    ) -> None:
        self.chance = random.Random(seed)
        self.clock = self._make_clock()
        self.link = Link() if link is None else link
        self.slack = slack
        self.connections: list[Connection] = []
        """All that were made, in order."""
        self.watch: Callable[[], object] | None = None
        """Called after each event: the place for what must hold at every moment."""
        self._runtime = self._make_runtime()
        self._trace = trace
        self._sockets = 0
        self._servers: dict[str, tuple[Application, Config, dict[str, Any]]] = {}

    def _make_clock(self) -> VirtualClock:
        return VirtualClock(self.chance)

    def _make_runtime(self) -> Runtime:
        return ClockRuntime(self.clock, self.chance)

    def time(self) -> float:
        """Return the network's time, in seconds from its beginning."""
        return self.clock.now

    # -- hosts

    def serve(self, host: str, app: Application, config: Config | None = None, **options: Any) -> None:
        """Let `host` serve an ASGI application, which waits for `receive`, `send` and this network's `sleep`.

        Args:
            host: A name, as in the URI for `connect`.
            app: An ASGI 3 application.
            config: Limits and timeouts.
            options: Further arguments for each `ServerConnection`.
        """
        self._servers[host] = app, Config() if config is None else config, options

    def connect(
        self, uri: str, config: Config | None = None, *, link: Link | None = None, **options: Any
    ) -> Connection:
        """Connect a new client to the host that is named in `uri`; the handshake begins at once.

        Args:
            uri: ws:// and a host that serves.
            config: The client's limits and timeouts.
            link: What lies between, instead of the network's own.
            options: Further arguments for `ClientConnection`.

        Raises:
            KeyError: No such host serves.
        """
        now, randbytes = self.time(), self.chance.randbytes
        core = ClientConnection(uri, Config() if config is None else config, now=now, random=randbytes, **options)
        app, server_config, server_options = self._servers[core.uri.host]
        peer = Peer(client=("192.0.2.1", 50_000 + len(self.connections) % 10_000), server=("192.0.2.2", 80))
        server = ServerEnd(
            ServerConnection(server_config, peer=peer, now=now, random=randbytes, **server_options), self.time, app
        )
        client = ClientEnd(core, self.time)
        client_socket, server_socket = self.socket_pair(link, names=("client", "server"))
        client.attach(client_socket, self._runtime, self.slack)
        server.attach(server_socket, self._runtime, self.slack)
        connection = Connection(self.clock, client, server)
        self.connections.append(connection)
        server.start()
        client.start()
        return connection

    def socket_pair(
        self, link: Link | None = None, *, names: tuple[str, str] = ("left", "right")
    ) -> tuple[Socket, Socket]:
        """Make two connected sockets, for drivers of your own: set each one's `user`, and call its methods.

        Args:
            link: What lies between, instead of the network's own.
            names: What they are called in a trace; a number follows.
        """
        first, second = (f"{name} {self._sockets}" for name in names)
        self._sockets += 1
        return socket_pair(self.clock, self.chance, self.link if link is None else link, (first, second), self._trace)

    # -- tasks, and time

    def start(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Task:
        """Run a coroutine function in a task. It waits for what belongs to this network, and nothing else.

        What it raises comes out of `run`, `run_until` or `step`, unless the task is `awaited`.
        """
        return self._own.spawn(function, *args)

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds of the network's time."""
        await self._own.sleep(seconds)

    def step(self) -> bool:
        """Let the next event happen. Return False if there is none: then nothing will ever happen by itself."""
        if not self.clock.step():
            return False
        if self.watch is not None:
            self.watch()
        if self._own.uncaught is not None:
            error, self._own.uncaught = self._own.uncaught, None
            raise error
        return True

    def run(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run a coroutine function to its end, and return or raise what it does. Others may still run then.

        Raises:
            Hang: It waits for what will never happen; the text says where each task waits.
        """
        task = self.start(function, *args)
        task.awaited = True
        self.run_until(lambda: task.done)
        if task.error is not None:
            raise task.error
        if not task.done:
            raise Hang("\n".join(["nothing will ever happen", *(each.where for each in self._own.tasks)]))
        result: T = task.result
        return result

    def run_until(self, done: Callable[[], bool] | None = None, *, at: float = math.inf) -> None:
        """Let events happen until `done` says so, until the time `at`, or until there are no more.

        Raises:
            Hang: The same happens again and again at one moment.
        """
        moment, turns = self.clock.now, 0
        while done is None or not done():
            due = self.clock.next_at()
            if due is None or due > at:
                break
            turns = turns + 1 if due == moment else 0
            moment = due
            if turns > TURNS:
                raise Hang("\n".join([f"{turns} events at one moment", *(each.where for each in self._own.tasks)]))
            self.step()
        if at < math.inf and self.clock.now < at:
            self.clock.now = at

    def close(self) -> None:
        """Abandon all tasks: coroutines that will never continue are closed."""
        for task in list(self._own.tasks):
            task.abandon()
        self._own.tasks.clear()

    @property
    def _own(self) -> ClockRuntime:
        assert isinstance(self._runtime, ClockRuntime), "this network runs in an event loop: its tasks are the loop's"
        return self._runtime
