"""A transport over asyncio's streams, with callbacks for the time; docs/howto/write-a-transport.md explains."""

import asyncio
import contextlib
from typing import Any

from wscore import Application, Config, Peer, Scope, ServerConnection
from wscore.transport.server_log import LoggedServerDriver


class Connection(LoggedServerDriver):
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, app: Application, config: Config
    ) -> None:
        self.loop = asyncio.get_running_loop()
        peer = Peer.of(writer.get_extra_info("peername"), writer.get_extra_info("sockname"))
        super().__init__(ServerConnection(config, peer=peer, now=self.loop.time()), self.loop.time)
        self.reader, self.writer, self.app = reader, writer, app
        self.timer: asyncio.TimerHandle | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.change = asyncio.Event()
        self.reads = True
        writer.transport.set_write_buffer_limits(high=config.max_output_size)

    async def run(self) -> None:
        self.start()
        try:
            while not self.gone:
                if not self.reads:
                    await self.change.wait()
                elif data := await self.reader.read(65536):
                    self.receive_data(data)
                else:
                    self.reads = False
                    self.receive_eof()
        except OSError as error:
            self.lost(error)
        finally:
            if not self.gone:
                self.abort()  # the server was cancelled

    def spawn(self, coroutine: Any) -> None:
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # What the application waits for.

    async def wait_for_message(self) -> None:
        await self.change.wait()

    wait_for_room = wait_for_message

    async def yield_control(self) -> None:
        await asyncio.sleep(0)

    # The driver's primitives.

    def wake(self) -> None:
        self.change.set()
        self.change = asyncio.Event()

    wake_senders = wake

    def write(self, data: bytes) -> None:
        self.writer.write(data)
        if self.unsent() > self.core.config.max_output_size:
            self.writable = False
            self.spawn(self.drain())

    async def drain(self) -> None:
        with contextlib.suppress(OSError):  # the next read reports it
            await self.writer.drain()
            self.output_drained()

    def unsent(self) -> int:
        return self.writer.transport.get_write_buffer_size()

    def set_deadline(self, at: float | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
        # One turn after the deadline: read what has arrived by then first.
        self.timer = None if at is None else self.loop.call_at(at, self.loop.call_soon, self.timed_out)

    def set_reading(self, on: bool) -> None:
        self.reads = on
        self.wake()

    def shut_down_writing(self) -> None:
        with contextlib.suppress(OSError):  # reset meanwhile: the next read reports it
            self.writer.write_eof()

    def close(self) -> None:
        self.writer.close()
        self.lost()

    def abort(self) -> None:
        self.writer.transport.abort()
        self.lost()

    def lost(self, error: Exception | None = None) -> None:
        super().lost(error)
        self.wake()

    def start_application(self, scope: Scope) -> None:
        self.spawn(self.run_application(self.app, scope))

    def cancelled(self) -> type[BaseException] | None:
        task = asyncio.current_task()
        return asyncio.CancelledError if task is not None and task.cancelling() else None


async def serve(app: Application, host: str, port: int, config: Config | None = None) -> asyncio.Server:
    """Serve `app` until the returned server is closed."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # this task is not awaited, and Python 3.11 logs it
            await Connection(reader, writer, app, config or Config()).run()

    return await asyncio.start_server(connected, host, port)
