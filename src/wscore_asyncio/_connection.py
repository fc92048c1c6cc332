"""A server's connection on asyncio: a `BufferedProtocol`, and the task of its application."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
from collections.abc import Callable
from typing import Any

from wscore import Application, Channel, Peer, Scope, ServerConfig, ServerConnection
from wscore.transport.server_log import LoggedServerDriver

from ._port import SocketDriver

__all__ = ["Connection", "ServerContext"]


@dataclasses.dataclass(frozen=True, slots=True)
class ServerContext:
    """What all connections of a server share."""

    app: Application
    config: ServerConfig
    state: dict[str, Any]
    log_access: bool
    buffer: memoryview
    """Where every read ends up, until the core has taken it, which is before anybody else can read."""
    connections: set[Connection]
    ended: Callable[[socket.socket], None]
    """To be called when a connection of this socket is over."""


class Connection(SocketDriver[ServerConnection], LoggedServerDriver, asyncio.BufferedProtocol):
    """A connection and the task of its application.

    What an application does when it is woken by a message is written in one piece as soon as it waits again; what it
    does at other times gathers during a turn of the loop. `receive` with a message waiting and `send` with room do not
    touch the loop.
    """

    __slots__ = ("__weakref__", "_service", "_sock", "_task")

    def __init__(
        self,
        service: ServerContext,
        sock: socket.socket,
        peer: Peer,
        channel: Channel | None,
        *,
        accepted_at: float,
        reject: bool,
    ) -> None:
        loop = asyncio.get_running_loop()
        core = ServerConnection(
            service.config,
            peer=peer,
            now=accepted_at,
            state=service.state,
            access_log=service.log_access,
            random=os.urandom,
            root_path=service.config.root_path,
        )
        super().__init__(core, loop.time, channel)
        self.prepare(loop)
        self._service = service
        self._sock = sock
        self._task: asyncio.Task[None] | None = None
        if reject:
            core.reject(now=accepted_at)
        service.connections.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where to read to."""
        return self._service.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes from the peer."""
        self.receive_data(self._service.buffer[:nbytes])

    def plan_flush(self) -> None:
        """As in `Driver`."""
        self._flush_planned = True
        self._loop.call_soon(self.flush)

    def cancel(self) -> None:
        """Cancel the application, if it still runs."""
        if self._task is not None and not self._application_over:
            self._task.cancel()

    def cut(self) -> None:
        """Close the socket at once, and cancel the application."""
        self.abort()
        self.cancel()

    # -- the application

    def start_application(self, scope: Scope) -> None:
        """As in `ServerDriver`. An eager task may be over before it is known."""
        self._task = self._loop.create_task(self.run_application(self._service.app, scope))

    def cancelled(self) -> type[BaseException] | None:
        """As in `ServerDriver`: one that awaits another task that was cancelled was asked nothing."""
        task = asyncio.current_task()
        return asyncio.CancelledError if task is not None and task.cancelling() > 0 else None

    def over(self) -> None:
        """As in `ServerDriver`."""
        self._service.connections.discard(self)
        self._service.ended(self._sock)
