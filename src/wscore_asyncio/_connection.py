"""A server's connection on asyncio: a socket and the application's task."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
from collections.abc import Callable
from typing import Any

from wscore import Application, Channel, Scope, ServerConfig, ServerConnection
from wscore.transport.server_log import LoggedServerDriver
from wscore.transport.sockets import peer_of

from ._socket_driver import SocketDriver

__all__ = ["Connection", "ServerContext"]


@dataclasses.dataclass(frozen=True, slots=True)
class ServerContext:
    """State shared by all connections of a server."""

    app: Application
    make: Callable[..., ServerConnection]
    """Makes a connection's core."""
    config: ServerConfig
    state: dict[str, Any]
    log_access: bool
    connections: set[Connection]
    ended: Callable[[socket.socket], None]
    """Called when the connection on this socket is over."""


class Connection(SocketDriver[ServerConnection], LoggedServerDriver):
    """A connection and its application's task.

    What the application sends after a message woke it is written in one piece once it waits again; what it sends at
    other times is collected until the event loop's next iteration. `receive` with a message queued and `send` below
    the high-water mark do not involve the event loop.
    """

    __slots__ = ("__weakref__", "_context", "_task")

    def __init__(
        self,
        context: ServerContext,
        sock: socket.socket,
        channel: Channel | None,
        *,
        reject: bool,
    ) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        core = context.make(
            context.config,
            peer=peer_of(sock),
            now=now,
            state=context.state,
            access_log=context.log_access,
            random=os.urandom,
            root_path=context.config.root_path,
        )
        super().__init__(core, loop.time, channel)
        self.prepare(loop, sock)
        self._context = context
        self._task: asyncio.Task[None] | None = None
        if reject:
            core.reject(now=now)
        context.connections.add(self)

    def plan_flush(self) -> None:
        """As in `Driver`."""
        self._flush_planned = True
        self._loop.call_soon(self.flush)

    def cancel(self) -> None:
        """Cancel the application if it is still running."""
        if self._task is not None and not self._application_over:
            self._task.cancel()

    def cut(self) -> None:
        """Close the socket immediately and cancel the application."""
        self.abort()
        self.cancel()

    # -- the application

    def start_application(self, scope: Scope) -> None:
        """As in `ServerDriver`. An eager task may finish before `_task` is assigned."""
        self._task = self._loop.create_task(self.run_application(self._context.app, scope))

    def cancelled(self) -> type[BaseException] | None:
        """As in `ServerDriver`. A CancelledError from another task it awaited does not count as its cancellation."""
        task = asyncio.current_task()
        return asyncio.CancelledError if task is not None and task.cancelling() > 0 else None

    def over(self) -> None:
        """As in `ServerDriver`."""
        self._context.connections.discard(self)
        self._context.ended(self._socket)
