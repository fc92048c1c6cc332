"""A server in a thread of its own, so that tests are plain blocking code, the same for every transport.

The rule of this file: only the subclasses of `Transport` name an event loop. A further transport joins the suite with
a subclass that runs `serve` and hands its handles to `Running.started`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import anyio
import sniffio

from wscore import ServerConfig, StartupFailed

from .wire import PATIENCE, Wire


class Handle(Protocol):
    """What a transport's thread hands out."""

    sockets: list[socket.socket]


class Running:
    """A server that runs in a thread, seen from the test."""

    def __init__(self, transport: Transport, app: Any, options: dict[str, Any]) -> None:
        self.transport = transport
        self.app = app
        self.options = options
        self.failure: BaseException | None = None
        self.addresses: list[Any] = []
        self.port = 0
        self._begin_close: Callable[[], object] = lambda: None
        self._abort: Callable[[], object] = lambda: None
        self.clients = contextlib.ExitStack()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name=f"server on {transport.name}", daemon=True)

    def start(self) -> Running:
        """Start the thread; raise here what `serve` raised before it was ready."""
        self._thread.start()
        assert self._ready.wait(PATIENCE), "the server did not start"
        if not self.addresses and self.failure is not None:
            self._thread.join(PATIENCE)
            raise self.failure
        return self

    def _main(self) -> None:
        try:
            self.transport.run(self)
        except BaseException as error:  # whatever it is, the test's thread shall see it
            self.failure = error
        finally:
            self._ready.set()

    def started(self, handle: Any, begin_close: Callable[[], object], abort: Callable[[], object]) -> None:
        """Take the news, from the server's thread, that connections are accepted."""
        self.addresses = [listener.getsockname() for listener in handle.sockets]
        first = self.addresses[0]
        self.port = first[1] if isinstance(first, tuple) else 0
        if self.port:
            assert handle.port == self.port
        self._begin_close, self._abort = begin_close, abort
        self._ready.set()

    def connect(self) -> Wire:
        """Open a TCP connection to the server."""
        wire = Wire(socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE))
        self.clients.callback(wire.close)
        return wire

    def open(self, *more: tuple[str, str] | bytes, target: str = "/") -> Wire:
        """Open a WebSocket connection to the server."""
        wire = self.connect()
        wire.upgrade(*more, target=target)
        return wire

    def begin_close(self) -> None:
        """Begin the graceful shutdown."""
        with contextlib.suppress(RuntimeError):  # the loop may be gone
            self._begin_close()

    def abort(self) -> None:
        """End everything at once."""
        with contextlib.suppress(RuntimeError):
            self._abort()

    def wait_ended(self) -> None:
        """Wait until the server's thread has ended, and raise what it raised."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the server did not end"
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Shut down gracefully, and wait for the end."""
        self.begin_close()
        self.wait_ended()


class Transport:
    """What the suite needs of a transport."""

    name = ""

    def run(self, running: Running) -> None:
        """Serve until told to stop, in the calling thread; leave nothing behind."""
        raise NotImplementedError


class Asyncio(Transport):
    name = "asyncio"

    def new_event_loop(self) -> Any:
        import asyncio

        return asyncio.new_event_loop()

    def run(self, running: Running) -> None:
        import asyncio

        import wscore_asyncio

        async def main() -> None:
            loop = asyncio.get_running_loop()
            stop: asyncio.Queue[str] = asyncio.Queue()
            tell = partial(loop.call_soon_threadsafe, stop.put_nowait)
            async with wscore_asyncio.serve(running.app, **running.options) as server:
                running.started(server, partial(tell, "close"), partial(tell, "abort"))
                if await stop.get() == "close":
                    closing = asyncio.create_task(server.close())
                    waiting = asyncio.create_task(stop.get())
                    await asyncio.wait({closing, waiting}, return_when=asyncio.FIRST_COMPLETED)
                    if not closing.done():
                        server.abort()
                    await closing
                    waiting.cancel()
                    await asyncio.wait({waiting})
                else:
                    server.abort()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            if left:  # `abort` does not wait for what it cancels
                _, left = await asyncio.wait(left, timeout=PATIENCE)
            assert not left, f"tasks that outlived the server: {left}"

        with asyncio.Runner(loop_factory=self.new_event_loop) as runner:
            runner.run(main())


class Uvloop(Asyncio):
    name = "uvloop"

    def new_event_loop(self) -> Any:
        import uvloop

        return uvloop.new_event_loop()


class Trio(Transport):
    name = "trio"

    def run(self, running: Running) -> None:
        import trio

        import wscore_trio

        async def main() -> None:
            token = trio.lowlevel.current_trio_token()
            async with trio.open_nursery() as nursery:
                try:
                    server = await nursery.start(partial(wscore_trio.serve, running.app, **running.options))
                except (OSError, StartupFailed, TypeError) as error:  # here, or our nursery would wrap it
                    running.failure = error
                    return
                running.started(
                    server,
                    partial(token.run_sync_soon, server.close),
                    partial(token.run_sync_soon, nursery.cancel_scope.cancel),
                )

        trio.run(main, strict_exception_groups=True)


TRANSPORTS: dict[str, Transport] = {transport.name: transport for transport in (Asyncio(), Trio(), Uvloop())}


class Gate:
    """An event that an application may wait for in any event loop, and a test in its thread; either may open it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened = threading.Event()
        self._wakers: list[Callable[[], object]] = []

    def open(self) -> None:
        with self._lock:
            self._opened.set()
            wakers, self._wakers = self._wakers, []
        for wake in wakers:
            with contextlib.suppress(RuntimeError):  # that loop is gone, and who waited in it too
                wake()

    async def wait(self) -> None:
        """Wait, as an application."""
        with self._lock:
            if self._opened.is_set():
                return
            event = anyio.Event()
            self._wakers.append(self._waker(event))
        await event.wait()

    @staticmethod
    def _waker(event: anyio.Event) -> Callable[[], object]:
        if sniffio.current_async_library() == "trio":
            import trio

            return partial(trio.lowlevel.current_trio_token().run_sync_soon, event.set)
        import asyncio

        return partial(asyncio.get_running_loop().call_soon_threadsafe, event.set)

    def reached(self) -> None:
        """Wait, as a test."""
        assert self._opened.wait(PATIENCE), "the application did not get there"


class Notes(queue.SimpleQueue[Any]):
    """What an application saw, told to the test."""

    def next(self) -> Any:
        """Wait for the next note."""
        try:
            return self.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError("the application had nothing to tell") from None


class Records(logging.Handler):
    """The log records of one logger, while a test runs."""

    def __init__(self, name: str, level: int) -> None:
        super().__init__(level)
        self._name = name
        self._records: list[logging.LogRecord] = []
        self._changed = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._changed:
            self._records.append(record)
            self._changed.notify_all()

    def take(self) -> list[logging.LogRecord]:
        """Give the records so far, and forget them."""
        with self._changed:
            records, self._records = self._records, []
        return records

    def take_one(self) -> logging.LogRecord:
        """Wait for a record that is logged in response to what was just done, and take it."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._records, PATIENCE), f"nothing was logged on {self._name}"
            return self._records.pop(0)

    @contextlib.contextmanager
    def attached(self) -> Iterator[Records]:
        logger = logging.getLogger(self._name)
        level = logger.level
        logger.addHandler(self)
        logger.setLevel(logging.INFO)
        try:
            yield self
        finally:
            logger.removeHandler(self)
            logger.setLevel(level)


def open_sockets() -> set[str]:
    """The sockets that this process holds, by inode; empty where the system does not tell."""
    found: set[str] = set()
    with contextlib.suppress(FileNotFoundError):
        for descriptor in os.listdir("/proc/self/fd"):
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink(f"/proc/self/fd/{descriptor}")
                if target.startswith("socket:"):
                    found.add(target)
    return found


@contextlib.contextmanager
def far_end(sock: socket.socket) -> Iterator[socket.socket]:
    """Borrow the other end of a TCP connection, which this process holds as well, to see how it is set up."""
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError), socket.fromfd(int(descriptor), sock.family, sock.type) as other:
            if other.getpeername() == sock.getsockname():
                yield other
                return
    raise AssertionError("this process does not hold the other end")


def quick(**changes: Any) -> ServerConfig:
    """The default configuration, but for a shutdown that does not wait long for a test's application."""
    return dataclasses.replace(ServerConfig(shutdown_grace=1.0), **changes)


def proportioned(**changes: Any) -> ServerConfig:
    """The default configuration with every duration a twentieth of what it is, so that each keeps its place.

    A deadline that hides behind a longer one, as the others behind that of the handshake, hides here too.
    """
    default = ServerConfig()
    durations = ("handshake_timeout", "accept_timeout", "ping_interval", "ping_timeout", "close_timeout")
    scaled: dict[str, Any] = {name: getattr(default, name) / 20 for name in (*durations, "shutdown_grace")}
    return dataclasses.replace(default, **(scaled | changes))
