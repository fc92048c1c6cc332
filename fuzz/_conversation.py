"""One simulated conversation: a server and a client of wscore, their applications, a network, and what goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

from wscore import Config, Disconnected, HandshakeFailed
from wscore.testing.network import Cancelled, Event, Link, Network

from ._applications import APPS, Application, payload, size_of
from ._invariants import Invariants
from ._plan import Plan

__all__ = ["Play"]

GRACE: Final = 5.0
"""Seconds from a shutdown until applications are cancelled, as `ServerConfig.shutdown_grace` has it."""


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
