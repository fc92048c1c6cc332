"""A server's connection on trio: the application's task and a watcher task.

Either task can read the socket, one at a time:

- While the application waits for a message, its own task waits for the socket and reads it. A message then costs one
  wake-up instead of two.
- When the application stops waiting, nobody reads at first. If it is still busy after `config.read_poll_interval`
  seconds, the watcher reads in its place, in time for pings, closes and losses.
- The watcher keeps reading until a message it has read wakes the application; then the application's task reads again.
- Before the application starts, after it has returned, and once the connection is ending, only the watcher reads.

The watcher also handles all deadlines.
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

from ._socket_driver import SocketDriver

__all__ = ["Connection"]


class Connection(SocketDriver[ServerConnection], LoggedServerDriver):
    """A connection and its application's task; `run` is the watcher task."""

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
        while not self._application_over:  # it may still have queued messages to receive
            await self._watcher.park()

    def cancel(self) -> None:
        """Cancel the application if it is still running."""
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
        """As in `ServerDriver`. A Cancelled outside a cancelled scope does not count: it was kept from elsewhere."""
        return trio.Cancelled if trio.current_effective_deadline() == -math.inf else None

    def plan_flush(self) -> None:
        """As in `Driver`. With more messages queued, defer the flush: their answers may share one write."""
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
        """As in `ServerDriver`. Read the socket in this task, unless another task reads or there is nothing to read.

        Bytes that were read are in the core before the task can be cancelled again, so none are lost.
        """
        if self._flush_planned:
            self.flush()
        if self._reading_for_application or self._application_reads or not self._reading or self._eof:
            await self._waiting.park()
            return
        self._application_reads = True
        try:
            await self.wait_for_bytes()
        finally:
            self._application_reads = False
            if self._waiting:
                self._waiting.unpark_all()  # another task in `receive` may have to take over reading
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
        """As in `Driver`. Once the application will not read any more, let the watcher read."""
        super().changed()
        if self.core.close_info is not None or self._application_over:
            self._take_over_reading()
        self._waiting.unpark_all()

    def check(self) -> None:
        """Let the watcher read if the application is busy when the poll interval is over."""
        if not self._application_reads:
            self._take_over_reading()

    def _take_over_reading(self) -> None:
        """Let the watcher read from now on."""
        self._reading_for_application = True
        self._watcher.unpark_all()

    def _poll_later(self) -> None:
        """Let the application's task read, and call `check` in `read_poll_interval` seconds."""
        self._reading_for_application = False
        self._poll_at = self.time() + self._read_poll_interval
        self.poll_by(self._poll_at)
