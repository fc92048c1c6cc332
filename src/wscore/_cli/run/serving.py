"""Serves until a signal, on the chosen transport. The only file of `wscore run` that imports a transport.

The first SIGINT or SIGTERM begins a graceful shutdown, the second aborts. After a graceful shutdown the exit status is
0 for both signals. uvicorn raises the signal again, so SIGTERM gives 143 and SIGINT 0; but by default service managers
treat 143 as a failure, which a requested and successful shutdown is not.
"""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ... import LifespanMode, ServerConfig, StartupFailed
from ..._core.asgi.failures import format_message, unwrap_group
from ..._logs import logger
from ..failure import Failure
from .binding import BindAddress, ListeningSocket
from .watchdog import SIGNALS, Watchdog

if TYPE_CHECKING:
    from ...recording import Recorder

__all__ = ["Backend", "ServerRunner"]

Backend = Literal["asyncio", "trio"]

_log = logger("wscore.server")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServerRunner:
    """Runs a server: an application, where and how to serve it, and callbacks."""

    app: Any
    place: BindAddress
    config: ServerConfig
    backend: Backend = "asyncio"
    loop: Literal["asyncio", "uvloop"] = "asyncio"
    lifespan: LifespanMode = "auto"
    access_log: bool = True
    recorder: Recorder | None = None
    ready: Callable[[Sequence[ListeningSocket], Callable[[], object]], None]
    """Called once connections are accepted, with the listening sockets and a thread-safe function that only stops
    accepting."""
    beside: Callable[[Sequence[ListeningSocket]], None] | None = None
    """Runs in a thread beside the server; when it returns, the server is closed."""
    keep: bool = False
    """Keep serving after `beside` has returned."""
    supervised: bool = False
    """A supervisor forwards signals: SIGTERM, then SIGINT. Repetitions of a signal are ignored, because a service
    manager may signal every process itself, and then each signal arrives twice."""

    def run(self) -> None:
        """Serve until a signal, or until `beside` returns. Raises Failure."""
        try:
            _run_on_trio(self) if self.backend == "trio" else _run_on_asyncio(self)
        except BaseException as error:
            explained = self._explain(error)
            if explained is error:
                raise
            raise explained from error

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments for either transport's `serve`."""
        place = self.place
        return {
            "uds": place.uds,
            "sock": place.sock,
            "ssl": place.ssl,
            "config": self.config,
            "lifespan": self.lifespan,
            "access_log": self.access_log,
            "recorder": self.recorder,
        }

    def _explain(self, error: BaseException) -> BaseException:
        error = unwrap_group(error)
        if isinstance(error, StartupFailed):
            return _not_started(error)
        if isinstance(error, OSError):
            return self.place.explain(error)
        return error


def _run_on_asyncio(service: ServerRunner) -> None:
    import asyncio

    from wscore_asyncio import Server, serve

    async def main() -> None:
        loop = asyncio.get_running_loop()
        this_task = asyncio.current_task()
        assert this_task is not None  # a coroutine runs in a task
        stop = asyncio.Event()
        watchdog = Watchdog(service.config, repeats_count=not service.supervised)
        server: Server | None = None
        beside: asyncio.Future[None] | None = None
        aborted = False
        seen: set[int] = set()

        def on_signal(number: int) -> None:
            nonlocal aborted
            repeated = number in seen
            seen.add(number)
            if repeated and service.supervised:
                return
            if server is None:
                this_task.cancel()  # still starting: nothing to shut down gracefully
            elif not stop.is_set():
                _announce_end(watchdog)
                stop.set()
            else:
                aborted = True
                this_task.cancel()  # which aborts server.close()

        def when_done(beside: asyncio.Future[None]) -> None:
            if not service.keep or beside.cancelled() or beside.exception():
                stop.set()

        for number in SIGNALS:
            loop.add_signal_handler(number, on_signal, number)
        watchdog.watch_signals()
        try:
            async with serve(service.app, service.place.host, service.place.port, **service.options()) as server:
                service.ready(server.sockets, partial(loop.call_soon_threadsafe, server.stop_accepting))
                if service.beside is not None:
                    beside = asyncio.ensure_future(asyncio.to_thread(service.beside, server.sockets))
                    beside.add_done_callback(when_done)
                await stop.wait()
                watchdog.arm()
                await server.close()
            if beside is not None and beside.done():
                beside.result()
        except asyncio.CancelledError:
            if server is not None and not aborted:
                raise
        if aborted:
            raise Failure("aborted by a second signal")

    if service.loop == "uvloop":
        try:
            import uvloop
        except ModuleNotFoundError:
            raise Failure("--loop uvloop needs uvloop, which is not installed: pip install 'wscore[uvloop]'") from None
        new_loop: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
    else:
        new_loop = None
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


def _run_on_trio(service: ServerRunner) -> None:
    try:
        import trio
    except ModuleNotFoundError as error:
        if error.name != "trio":
            raise
        raise Failure("--backend trio needs trio, which is not installed: pip install 'wscore[trio]'") from None

    from wscore_trio import Server, serve

    async def main() -> None:
        watchdog = Watchdog(service.config, repeats_count=not service.supervised)
        server: Server | None = None
        closing = aborted = False

        def close(server: Server) -> None:
            nonlocal closing
            closing = True
            server.close()

        with trio.open_signal_receiver(*SIGNALS) as signals:
            watchdog.watch_signals()
            async with trio.open_nursery() as nursery:

                async def watch() -> None:
                    nonlocal aborted
                    async for _ in signals:
                        if server is None:
                            nursery.cancel_scope.cancel()  # still starting: nothing to shut down gracefully
                        elif not closing:
                            _announce_end(watchdog)
                            close(server)
                        else:
                            aborted = True
                            nursery.cancel_scope.cancel()

                async def serve_to_the_end(*, task_status: Any) -> None:
                    options = service.options()
                    await serve(service.app, service.place.host, service.place.port, **options, task_status=task_status)
                    nursery.cancel_scope.cancel()

                nursery.start_soon(watch)
                started: Server = await nursery.start(serve_to_the_end)
                server = started
                token = trio.lowlevel.current_trio_token()
                service.ready(started.sockets, partial(token.run_sync_soon, started.stop_accepting))
                if service.beside is not None:
                    await trio.to_thread.run_sync(service.beside, started.sockets, abandon_on_cancel=True)
                    if not service.keep:
                        watchdog.arm()
                        close(started)
        if aborted:
            raise Failure("aborted by a second signal")

    trio.run(main)


def _not_started(error: StartupFailed) -> Failure:
    """Report one line first, then a traceback: the application's message (Starlette's), or that of its exception."""
    line, _, details = format_message(str(error)).partition("\n")
    if error.__cause__ is not None:
        details = "".join(traceback.format_exception(error.__cause__))
    return Failure(f"the application did not start: {line or 'it gave no reason'}", details=details)


def _announce_end(watchdog: Watchdog) -> None:
    _log.info("shutting down, within %.0f s; a second signal aborts at once", watchdog.seconds)
