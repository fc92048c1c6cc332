"""A server's connection on trio: the application's task and a watcher.

The application reads for itself: waiting in `receive`, it waits for the socket, so that a message costs one wake-up.
While it is away, the watcher has the socket, soon enough for pings, closes and losses; it keeps the time as well.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Callable
from typing import Any

import trio

from wscore import Application, Channel, Scope, ServerConfig, ServerConnection
from wscore.transport.server_log import LoggedServerDriver
from wscore.transport.sockets import peer_of

from ._port import SocketDriver

__all__ = ["Connection"]


class Connection(SocketDriver[ServerConnection], LoggedServerDriver):
    """A connection and its application; `run` serves it to its end."""

    __slots__ = ("_app", "_application", "_application_reads", "_read_poll_interval")

    def __init__(
        self,
        sock: socket.socket,
        app: Application,
        config: ServerConfig,
        channel: Channel | None,
        spawn: Callable[..., None],
        *,
        state: dict[str, Any],
        accepted_at: float,
        reject: bool,
        log_access: bool,
    ) -> None:
        core = ServerConnection(
            config,
            peer=peer_of(sock),
            now=accepted_at,
            state=state,
            access_log=log_access,
            random=os.urandom,
            root_path=config.root_path,
        )
        super().__init__(core, trio.current_time, channel)
        self.prepare(sock, spawn)
        self._app = app
        self._read_poll_interval = config.read_poll_interval
        self._application = trio.CancelScope()
        self._application_reads = False
        if reject:
            core.reject(now=accepted_at)

    async def run(self) -> None:
        """Serve the connection until the socket is closed and the application has ended."""
        await self.watch()
        while not self._application_over:  # it may still have messages to take
            await self._watcher.park()

    def cancel(self) -> None:
        """Cancel the application, if it still runs."""
        self._application.cancel()

    # -- the application

    def start_application(self, scope: Scope) -> None:
        """As in `ServerDriver`."""
        self._spawn(self._run, scope)
        self._poll_later()

    async def _run(self, scope: Scope) -> None:
        with self._application:
            await self.run_application(self._app, scope)

    def cancelled(self) -> type[BaseException] | None:
        """As in `ServerDriver`: a Cancelled that comes where nothing is cancelled was kept from elsewhere."""
        return trio.Cancelled if trio.current_effective_deadline() == -math.inf else None

    def plan_flush(self) -> None:
        """As in `Driver`: where there is more to answer, that may go out in one piece."""
        if self.core.has_message and self._watcher:
            self._flush_planned = True
            self._watcher.unpark()
        else:
            self.flush()

    def over(self) -> None:
        """As in `ServerDriver`."""
        self._watcher.unpark_all()

    # -- who reads

    async def wait_for_message(self) -> None:
        """As in `ServerDriver`: read, where nobody else does; what was read is in the core before a cancellation."""
        if self._flush_planned:
            self.flush()
            if self.gone:
                return  # found out by writing: the last message waits
        if self._reading_for_application or self._application_reads or not self._reading or self._eof:
            await self._waiting.park()
            return
        self._application_reads = True
        try:
            await self.wait_for_bytes()
        finally:
            self._application_reads = False
            if self._waiting:
                self._waiting.unpark_all()  # one of the others may have to read
            if self._poll_at == math.inf and not self._reading_for_application:
                self._poll_later()
        self.read_now()

    def wake(self) -> None:
        """As in `Driver`."""
        if self._application_reads:
            self.interrupt()
        elif self._waiting:
            self._waiting.unpark_all()
            if not self._ending and not self._application_over:
                self._poll_later()

    def changed(self) -> None:
        """As in `Driver`; the watcher reads where the application will not any more."""
        super().changed()
        if self.core.close_info is not None or self._application_over:
            self._take_over_reading()
            if self._application_reads:
                self.interrupt()
        self._waiting.unpark_all()

    def check(self) -> None:
        """See whether the application is away."""
        if not self._application_reads:
            self._take_over_reading()

    def _take_over_reading(self) -> None:
        """Let the watcher read."""
        self._reading_for_application = True
        self._poll_at = math.inf
        self._watcher.unpark_all()

    def _poll_later(self) -> None:
        """Let the application read; if it is not there to do it, the watcher will, a while from now."""
        self._reading_for_application = False
        self._poll_at = self.time() + self._read_poll_interval
        self.poll_by(self._poll_at)
