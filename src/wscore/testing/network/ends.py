"""wscore's drivers over the network's sockets: a server's connection with its application, and a client's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from wscore import AccessRecord, Application, ClientConnection, Driver, Scope, ServerConnection, ServerDriver
from wscore.transport.client import AsyncClientDriver

from .clock import Call
from .runtime import Runtime, Waiter
from .sockets import Socket

__all__ = ["ClientEnd", "ServerEnd"]

Core = TypeVar("Core", ServerConnection, ClientConnection)


class NetworkEnd(Driver[Core]):
    """The primitives that both ends have alike."""

    socket: Socket
    runtime: Runtime
    slack: float
    """Seconds by which a deadline is kept too late at most, as on a machine that is busy."""
    deadline: float | None
    """What `set_deadline` was last called with, until it has come."""
    messages: Waiter
    room: Waiter
    change: Waiter
    _alarm: Call | None

    def attach(self, socket: Socket, runtime: Runtime, slack: float) -> None:
        """Take a socket, before anything else."""
        self.socket, self.runtime, self.slack = socket, runtime, slack
        socket.user = self
        socket.high_water = self.core.config.max_output_size
        self.deadline = self._alarm = None
        self.messages, self.room, self.change = runtime.waiter(), runtime.waiter(), runtime.waiter()
        self.wake = self.messages
        self.wait_for_message: Callable[[], Awaitable[None]] = self.messages.wait

    def vanish(self) -> None:
        """Do nothing any more, as the host is gone."""
        self.socket.vanish()
        self._cancel_alarm()

    # -- primitives

    def write(self, data: bytes) -> None:
        """As in `Driver`."""
        socket = self.socket
        socket.write(data)
        if socket.outgoing.waiting:
            self.writable = socket.writable

    def unsent(self) -> int:
        """As in `Driver`."""
        return self.socket.unsent

    def set_deadline(self, at: float | None) -> None:
        """As in `Driver`."""
        self._cancel_alarm()
        self.deadline = at
        if at is not None:
            late = self.slack * self.runtime.chance.random() if self.slack else 0.0
            self._alarm = self.runtime.clock.call_at(at + late, self._ring)

    def set_reading(self, on: bool) -> None:
        """As in `Driver`."""
        self.socket.set_reading(on)

    def shut_down_writing(self) -> None:
        """As in `Driver`."""
        self.socket.shut_down_writing()

    def close(self) -> None:
        """As in `Driver`."""
        self.socket.close()
        self.lost()

    def abort(self) -> None:
        """As in `Driver`."""
        self.socket.abort()
        self.lost()

    def wake_senders(self) -> None:
        """As in `Driver`."""
        self.room()

    async def wait_for_room(self) -> None:
        """As in `ServerDriver`."""
        await self.room.wait()

    async def wait_for_change(self) -> None:
        """As in `AsyncClientDriver`."""
        await self.change.wait()

    async def yield_control(self) -> None:
        """As in `Driver`."""
        await self.runtime.turn()

    def _ring(self) -> None:
        self._alarm = self.deadline = None
        self.timed_out()

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = self.deadline = None


class ServerEnd(NetworkEnd[ServerConnection], ServerDriver):
    """A server's end. Its application runs on the network's clock."""

    def __init__(self, core: ServerConnection, time: Callable[[], float], app: Application) -> None:
        super().__init__(core, time)
        self.app = app
        self.task: Any = None
        """The application's task, once it runs."""
        self.over_at: float | None = None
        """When the connection was over, the application included."""
        self.access: list[AccessRecord] = []
        self.notices: list[str] = []
        self.failures: list[tuple[str, BaseException | None]] = []
        """What would stand in the error log."""

    def start_application(self, scope: Scope) -> None:
        """As in `ServerDriver`."""
        self.task = self.runtime.spawn(self.run_application, self.app, scope)

    def cancelled(self) -> type[BaseException] | None:
        """As in `ServerDriver`."""
        return self.runtime.cancelled()

    def over(self) -> None:
        """As in `ServerDriver`."""
        self.over_at = self.time()

    def log_access(self, record: AccessRecord) -> None:
        """As in `ServerDriver`."""
        self.access.append(record)

    def log_notice(self, text: str) -> None:
        """As in `ServerDriver`."""
        self.notices.append(text)

    def log_failure(self, text: str, error: BaseException | None) -> None:
        """As in `ServerDriver`."""
        self.failures.append((text, error))


class ClientEnd(NetworkEnd[ClientConnection], AsyncClientDriver):
    """A client's end. `WebSocket` makes of it what an application uses."""

    def tell(self) -> None:
        """As in `ClientDriver`."""
        self.change()
