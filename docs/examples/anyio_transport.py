"""A transport over anyio, for asyncio and trio alike; docs/howto/write-a-transport.md explains."""

import contextlib
import math
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio import abc, lowlevel

from wscore import Application, Channel, Config, Scope, ServerConnection
from wscore.transport.server_log import LoggedServerDriver
from wscore.transport.sockets import peer_of

GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError)


class Connection(LoggedServerDriver):
    def __init__(self, stream: abc.SocketStream, app: Application, config: Config, channel: Channel | None) -> None:
        peer = peer_of(stream.extra(abc.SocketAttribute.raw_socket))
        core = ServerConnection(config, peer=peer, now=anyio.current_time(), access_log=False)
        super().__init__(core, anyio.current_time, channel)
        self.stream, self.app, self.rest, self.half_closes = stream, app, b"", False
        self.change, self.patience = anyio.Event(), anyio.CancelScope()

    async def run(self) -> None:
        async with anyio.create_task_group() as self.applications, self.stream, anyio.create_task_group() as self.tasks:
            self.tasks.start_soon(self.keep_time)
            self.tasks.start_soon(self.write_rest)
            self.start()
            while True:
                await self.until(lambda: self.core.wants_read)
                try:
                    self.receive_data(await self.stream.receive())
                except anyio.EndOfStream:
                    self.receive_eof()
                except GONE as error:
                    self.lost(error)

    async def write_rest(self) -> None:
        with contextlib.suppress(*GONE, OSError):  # the next read reports it; trio's send_eof raises the system's error
            while not self.half_closes:
                await self.until(lambda: not self.writable or self.half_closes)
                while self.rest:
                    data, self.rest = self.rest, b""
                    await self.stream.send(data)
                self.output_drained()
            await self.stream.send_eof()

    async def keep_time(self) -> None:
        while True:
            with self.patience:
                await anyio.sleep_forever()
            self.patience = anyio.CancelScope()
            await lowlevel.checkpoint()  # read what has arrived by then first
            self.timed_out()

    async def until(self, ready: Callable[[], bool]) -> None:
        await lowlevel.checkpoint()
        while not ready():
            await self.change.wait()

    # The driver's primitives.

    def wake(self, *_: object) -> None:
        self.change.set()
        self.change = anyio.Event()

    wake_senders = set_reading = wake

    def wait_for_message(self) -> Awaitable[Any]:
        return self.change.wait()

    wait_for_room = wait_for_message

    def yield_control(self) -> Awaitable[None]:
        return lowlevel.checkpoint()

    def write(self, data: bytes) -> None:
        self.rest, self.writable = self.rest + data, False
        self.wake()

    def set_deadline(self, at: float | None) -> None:
        self.patience.deadline = math.inf if at is None else at

    def shut_down_writing(self) -> None:
        self.half_closes = True
        self.wake()

    def lost(self, error: Exception | None = None) -> None:
        super().lost(error)
        self.tasks.cancel_scope.cancel()

    close = abort = lost

    def start_application(self, scope: Scope) -> None:
        self.applications.start_soon(self.run_application, self.app, scope)

    cancelled = staticmethod(anyio.get_cancelled_exc_class)


async def serve(app: Application, listener: abc.Listener[Any], config: Config, tls: Any = None) -> None:
    """Serve `app` on the listener of `anyio.create_tcp_listener` until cancelled; over TLS with
    `tls=partial(wscore.transport.tls.TLS, context, server_side=True)`."""
    await listener.serve(lambda stream: Connection(stream, app, config, tls() if tls else None).run())
