"""A transport over anyio, for asyncio and trio alike; docs/howto/write-a-transport.md explains."""

import contextlib
import logging
import math
from collections.abc import Callable
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel

from wscore import Application, Channel, Config, Scope, ServerConnection, ServerDriver
from wscore.sockets import peer_of


class Connection(ServerDriver):
    def __init__(
        self, stream: anyio.abc.SocketStream, app: Application, config: Config, channel: Channel | None
    ) -> None:
        peer = peer_of(stream.extra(anyio.abc.SocketAttribute.raw_socket))
        core = ServerConnection(config, peer=peer, now=anyio.current_time(), access_log=False)
        super().__init__(core, anyio.current_time, channel)
        self.stream, self.app = stream, app
        self.rest, self.half_closes = b"", False
        self.change, self.patience = anyio.Event(), anyio.CancelScope()

    async def run(self) -> None:
        async with (
            anyio.create_task_group() as self.application_task,
            self.stream,
            anyio.create_task_group() as self.tasks,
        ):
            self.tasks.start_soon(self.keep_time)
            self.tasks.start_soon(self.write_rest)
            self.start()
            await self.read()

    async def read(self) -> None:
        while True:
            await self.until(lambda: self.core.wants_read)
            try:
                self.receive_data(await self.stream.receive())
            except anyio.EndOfStream:
                self.receive_eof()
            except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                self.lost(error)

    async def write_rest(self) -> None:
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # the next read says so
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
            await anyio.lowlevel.checkpoint()  # what has come by then is read before
            self.timed_out()

    async def until(self, ready: Callable[[], Any]) -> Any:
        await anyio.lowlevel.checkpoint()
        while not (given := ready()):
            await self.change.wait()
        return given

    # What the application calls.

    async def run_application(self, scope: Scope) -> None:
        try:
            await self.app(scope, self.receive, self.send)
            self.application_returned()
        except anyio.get_cancelled_exc_class() as error:
            self.application_raised(error, type(error))
            raise
        except BaseException as error:
            self.application_raised(error)

    async def wait_for_message(self) -> None:
        await self.change.wait()
        self.begin_turn()

    wait_for_room = wait_for_message

    async def give_way(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.begin_turn()

    # What the driver asks for.

    def wake(self, *_: object) -> None:
        self.change.set()
        self.change = anyio.Event()

    make_room = set_reading = wake

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
        self.application_task.start_soon(self.run_application, scope)

    def over(self) -> None: ...

    def log_notice(self, text: str) -> None: ...

    def log_failure(self, text: str, error: BaseException | None) -> None:
        logging.getLogger("wscore.error").error("%s", text, exc_info=error)


async def serve(
    app: Application,
    listener: anyio.abc.Listener[anyio.abc.SocketStream],
    config: Config | None = None,
    tls: Callable[[], Channel] | None = None,
) -> None:
    """Serve `app` on what `anyio.create_tcp_listener` gave, until cancelled; over TLS with
    `tls=partial(wscore.tls.TLS, context, server_side=True)`."""

    async def connected(stream: anyio.abc.SocketStream) -> None:
        await Connection(stream, app, config or Config(), tls() if tls else None).run()

    await listener.serve(connected)
