"""A transport over anyio, for asyncio and trio alike; docs/howto/write-a-transport.md explains."""

import contextlib
import logging
import math
import ssl
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel

from wscore import Application, Config, Peer, Scope, ServerConnection, ServerDriver
from wscore.tls import TLS

BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError)


class Connection(ServerDriver):
    def __init__(
        self, stream: anyio.abc.SocketStream, app: Application, config: Config, tls: ssl.SSLContext | None
    ) -> None:
        address = anyio.abc.SocketAttribute
        peer = Peer.of(stream.extra(address.remote_address, None), stream.extra(address.local_address, None))
        core = ServerConnection(config, peer=peer, now=anyio.current_time())
        super().__init__(core, anyio.current_time, TLS(tls, server_side=True) if tls else None)
        self.stream, self.app = stream, app
        self.reads, self.half_closes, self.rest = True, False, b""
        self.change = anyio.Event()
        self.patience = anyio.CancelScope()

    async def run(self) -> None:
        async with anyio.create_task_group() as self.tasks:  # with the application's
            try:
                async with anyio.create_task_group() as self.socket_tasks:
                    self.socket_tasks.start_soon(self.keep_time)
                    self.socket_tasks.start_soon(self.write_rest)
                    self.start()
                    await self.read()
            finally:
                self.lost()
                await anyio.aclose_forcefully(self.stream)

    async def read(self) -> None:
        while True:
            while not self.reads:
                await self.change.wait()
            try:
                self.receive_data(await self.stream.receive())
            except anyio.EndOfStream:
                self.reads = False
                self.receive_eof()
            except BROKEN as error:
                self.lost(error)

    async def write_rest(self) -> None:
        with contextlib.suppress(*BROKEN):  # the next read says so
            while True:
                if self.rest:
                    data, self.rest = self.rest, b""
                    await self.stream.send(data)
                elif not self.writable:
                    self.output_drained()
                elif self.half_closes:
                    return await self.stream.send_eof()
                else:
                    await self.change.wait()

    async def keep_time(self) -> None:
        while True:
            with self.patience:
                await anyio.sleep_forever()
            self.patience = anyio.CancelScope()
            await anyio.lowlevel.checkpoint()  # what has come by then is read before
            self.timed_out()

    # What the application calls.

    async def run_application(self, scope: Scope) -> None:
        try:
            await self.app(scope, self.receive, self.send)
            self.application_ended(None)
        except Exception as error:
            self.application_ended(error)
        except anyio.get_cancelled_exc_class() as error:
            self.application_ended(error, cancelled=True)
            raise

    async def receive(self) -> Any:
        await self.give_way()
        while (message := self.next_message()) is None:
            await self.change.wait()
        return message

    async def send(self, message: Any) -> None:
        await self.give_way()
        while self.must_wait(message):
            await self.change.wait()
        if self.send_message(message):
            while not self.has_room:
                await self.change.wait()
            self.core.expect_delivery()

    async def give_way(self) -> None:
        if self.turn_is_over():
            await anyio.lowlevel.checkpoint()
            self.begin_turn()

    # What the driver asks for.

    def wake(self) -> None:
        self.change.set()
        self.change = anyio.Event()

    make_room = wake

    def write(self, data: bytes) -> None:
        self.rest += data
        self.writable = False
        self.wake()

    def set_deadline(self, at: float | None) -> None:
        self.patience.deadline = math.inf if at is None else at

    def set_reading(self, on: bool) -> None:
        self.reads = on
        self.wake()

    def shut_down_writing(self) -> None:
        self.half_closes = True
        self.wake()

    def lost(self, error: Exception | None = None) -> None:
        super().lost(error)
        self.socket_tasks.cancel_scope.cancel()

    close = abort = lost

    def start_application(self, scope: Scope) -> None:
        self.tasks.start_soon(self.run_application, scope)

    def over(self) -> None: ...

    def log_access(self, line: str) -> None:
        logging.getLogger("wscore.access").info("%s", line)

    def log_failure(self, text: str, error: BaseException) -> None:
        logging.getLogger("wscore.error").error("%s", text, exc_info=error)


async def serve(
    app: Application,
    listener: anyio.abc.Listener[anyio.abc.SocketStream],
    config: Config | None = None,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Serve `app` on what `anyio.create_tcp_listener` gave, until cancelled."""

    async def connected(stream: anyio.abc.SocketStream) -> None:
        await Connection(stream, app, config or Config(), tls).run()

    await listener.serve(connected)
