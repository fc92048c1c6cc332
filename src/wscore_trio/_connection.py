"""A server's connection on trio: one task reads the request, runs the application, and reads until the end.

While the application runs, `_hand_over` says who reads. Deadlines, and the output of an application that is busy with
queued messages, are looked after by the server's timekeeper.
"""

from __future__ import annotations

import math
import os
import socket

import trio

from wscore import Channel, Scope
from wscore.transport.alarms import Alarm
from wscore.transport.server_log import error_log
from wscore.transport.sockets import peer_of

from ._hand_over import HandOver
from ._server_context import ServerContext

__all__ = ["Connection"]


class Connection(HandOver):
    """A connection and its application; `run` is their task."""

    __slots__ = ("_alarm",)

    def __init__(
        self, context: ServerContext, sock: socket.socket, channel: Channel | None, *, accepted_at: float, reject: bool
    ) -> None:
        core = context.make(
            context.config,
            peer=peer_of(sock),
            now=accepted_at,
            state=context.state,
            access_log=context.log_access,
            random=os.urandom,
            root_path=context.config.root_path,
        )
        super().__init__(context, core, channel, sock)
        self._alarm: Alarm | None = None  # for the core's deadline
        if reject:
            core.reject(now=accepted_at)

    async def run(self) -> None:
        """Serve the connection until the socket is closed and the application has ended. A failure is logged."""
        try:
            self.start()
            if self.core.wants_read:
                self.read_now()  # the peer's first bytes have usually arrived already
            while not self._started and not self.gone:
                await self.read_for_connection()
            if self.core.scope is not None:
                await self.run_application(self._context.app, self.core.scope)
                self.application_ended()
            while not self.gone:
                await self.read_for_connection()
        except Exception as error:
            error_log.error("a connection failed", exc_info=error)
            self.lost()
        finally:
            if self.gone:
                self._context.ended(self, self._socket)
            else:  # the applications are cancelled, which is not the end of what they have said
                self._spawn(self._read_on)

    async def _read_on(self) -> None:
        """Read in place of `run`, in a task that only the end of all connections cancels."""
        try:
            while not self.gone:
                await self.read_for_connection()
        finally:
            self.lost()
            self._context.ended(self, self._socket)

    def cancel(self) -> None:
        """Cancel the application, and those of all other connections: a server never cancels a single one."""
        self._context.applications.cancel_scope.cancel()

    # -- the application

    def start_application(self, scope: Scope) -> None:
        """As in `ServerDriver`. The connection's task runs it, and finds the scope in the core."""
        self.application_begins()

    def cancelled(self) -> type[BaseException] | None:
        """As in `ServerDriver`. A Cancelled outside a cancelled scope does not count: it was kept from elsewhere."""
        return trio.Cancelled if trio.current_effective_deadline() == -math.inf else None

    def plan_flush(self) -> None:
        """As in `Driver`. With more messages queued, defer the flush: their answers may share one write."""
        if self.core.has_message and not self._application_over:
            self._flush_planned = True
            self._context.timekeeper.call_soon(self, Connection.flush)
        else:
            self.flush()

    # -- deadlines

    def set_deadline(self, at: float | None) -> None:
        """As in `Driver`."""
        timekeeper = self._context.timekeeper
        if self._alarm is not None:
            timekeeper.cancel(self._alarm)
        self._alarm = None if at is None else timekeeper.call_at(at, self, Connection._deadline_passed)

    def _deadline_passed(self) -> None:
        self._alarm = None
        if self.core.wants_read:
            self.read_now()  # nobody may have read for a while; a pong that has arrived is in time
        self.timed_out()
