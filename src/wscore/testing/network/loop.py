"""`LoopNetwork`: the network within an event loop, for applications that need one, and for the real transports.

Its clock is the loop's. Under virtual time (`wscore.testing.virtual_asyncio`, `virtual_trio`) a run is as deterministic
as the loop, and takes no longer than it computes.
"""

from __future__ import annotations

import math
import random
import socket
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.lowlevel

from .clock import VirtualClock
from .link import Link
from .network import Network
from .relay import Plug
from .route import Route
from .runtime import Runtime
from .sockets import Socket
from .tasks import Task
from .trace import Trace

__all__ = ["Dialed", "LoopNetwork"]

_ROUNDING = 1e-6  # seconds by which a loop's clock may fall short of a moment that it was to wait for


class LoopClock(VirtualClock):
    """Keeps the time of an event loop."""

    def __init__(self, chance: random.Random) -> None:
        # asyncio's own, as anyio's works in tasks alone, and a transport may be called from the loop
        self._time: Callable[[], float] = getattr(
            anyio.lowlevel.current_token().native_token, "time", anyio.current_time
        )
        self._began = self._time()
        self._reached = 0.0
        super().__init__(chance)

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return max(self._reached, self._time() - self._began)

    @now.setter
    def now(self, moment: float) -> None:
        self._reached = max(self._reached, moment)

    def loop_time(self, at: float) -> float:
        """Return when that is in the loop's time."""
        return self._began + at


class EventWaiter:
    """Something to wait for in an event loop."""

    def __init__(self) -> None:
        self._event: anyio.Event | None = None
        self._count = 0

    def __call__(self) -> None:
        """As in `Waiter`."""
        if self._event is not None:
            self._event.set()
            self._event = None
            self._count = 0

    @property
    def waited(self) -> bool:
        """As in `Waiter`."""
        return self._count > 0

    async def wait(self) -> None:
        """As in `Waiter`."""
        if self._event is None:
            self._event = anyio.Event()
        event = self._event
        self._count += 1
        try:
            await event.wait()
        finally:
            if event is self._event:
                self._count -= 1


class LoopRuntime:
    """Runs coroutines as tasks of an event loop."""

    def __init__(self, clock: VirtualClock, chance: random.Random) -> None:
        self.clock = clock
        self.chance = chance
        self.tasks = anyio.create_task_group()

    def waiter(self) -> EventWaiter:
        """As in `Runtime`."""
        return EventWaiter()

    def spawn(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        """As in `Runtime`."""
        self.tasks.start_soon(function, *args)

    def turn(self) -> Awaitable[None]:
        """As in `Runtime`."""
        return anyio.lowlevel.checkpoint()

    def cancelled(self) -> type[BaseException] | None:
        """As in `Runtime`."""
        return anyio.get_cancelled_exc_class() if self.tasks.cancel_scope.cancel_called else None


class Dialed(Route):
    """The way from a real client to a real server. A reset arrives there as a closed socket: EOF, or a broken pipe."""

    def __init__(self, clock: VirtualClock, client: Socket, server: Socket, sock: socket.socket) -> None:
        super().__init__(clock, client, server)
        self.sock = sock
        """For the client, as in `wscore_asyncio.connect(uri, sock=...)`."""


class LoopNetwork(Network):
    """A `Network` in an event loop: `async with LoopNetwork(seed) as network`.

    Leaving the block cancels what still runs.
    """

    clock: LoopClock
    _runtime: LoopRuntime

    def __init__(
        self, seed: int | str = 0, *, link: Link | None = None, slack: float = 0.0, trace: Trace | None = None
    ) -> None:
        """Create it within the loop. The arguments are `Network`'s."""
        super().__init__(seed, link=link, slack=slack, trace=trace)
        self._earlier = EventWaiter()
        self.clock.on_earlier = self._earlier
        self._plugs: list[Plug] = []

    def _make_clock(self) -> VirtualClock:
        return LoopClock(self.chance)

    def _make_runtime(self) -> Runtime:
        return LoopRuntime(self.clock, self.chance)

    async def __aenter__(self) -> Self:
        """Let time pass."""
        await self._runtime.tasks.__aenter__()
        self._runtime.tasks.start_soon(self._keep_time)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """End everything."""
        self._runtime.tasks.cancel_scope.cancel()
        try:
            return await self._runtime.tasks.__aexit__(kind, error, traceback)
        finally:
            for plug in self._plugs:
                plug.sock.close()

    def start(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Task:
        """Use a task group of your own instead."""
        raise TypeError("LoopNetwork.start: tasks are the event loop's; use a task group")

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds of the loop's time."""
        await anyio.sleep(seconds)

    def dial(self, path: str, link: Link | None = None) -> Dialed:
        """Connect through this network to a real server that listens on a unix socket.

        Args:
            path: The server's unix socket, as in `wscore_asyncio.serve(app, uds=path)`.
            link: What lies between, instead of the network's own.
        """
        ours, theirs = socket.socketpair(), socket.socket(socket.AF_UNIX)
        theirs.setblocking(False)
        theirs.connect(path)
        ours[1].setblocking(False)
        ends = self.socket_pair(link, names=("client", "server"))
        for end, sock in zip(ends, (ours[1], theirs), strict=True):
            plug = Plug(end, sock)
            self._plugs.append(plug)
            self._runtime.tasks.start_soon(plug.read)
            self._runtime.tasks.start_soon(plug.write)
        return Dialed(self.clock, *ends, ours[0])

    async def _keep_time(self) -> None:
        """Let each event happen when it is due."""
        clock = self.clock
        while True:
            due = clock.next_at()
            if due is not None and due <= clock.now + _ROUNDING:
                clock.step()
                if self.watch is not None:
                    self.watch()
                await anyio.lowlevel.checkpoint()  # whoever was woken acts before the next event
                continue
            with anyio.CancelScope(deadline=math.inf if due is None else clock.loop_time(due)), suppress(TimeoutError):
                await self._earlier.wait()
