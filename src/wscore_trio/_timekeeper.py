"""One task keeps the time for all connections of a server, instead of a task for each of them.

A connection's deadline moves to a later time with almost everything that happens, and moving it costs nothing: the
alarm stays where it is, and who is called too early looks again (see `Driver`). An alarm is placed only for an earlier
time. The timekeeper never sleeps until an alarm that was cancelled, so that trio's `MockClock` jumps only to times at
which something happens.
"""

from __future__ import annotations

import trio

from wscore.transport.alarms import Alarm, Alarms, Step, Timed
from wscore.transport.server_log import error_log

__all__ = ["Timekeeper"]


class Timekeeper:
    """Lets connections take steps at their times; `run` is the task."""

    def __init__(self) -> None:
        self._alarms = Alarms()
        self._soon: list[tuple[Timed, Step]] = []
        self._asleep = trio.lowlevel.ParkingLot()
        self._until = trio.CancelScope()  # its deadline is the first alarm's time

    async def run(self) -> None:
        """Keep the time until cancelled."""
        while True:
            with trio.CancelScope(deadline=self._alarms.next()) as self._until:
                while True:
                    if not self._soon:
                        await self._asleep.park()
                    steps, self._soon = self._soon, []
                    for connection, step in steps:
                        self.take(connection, step)
            # What these place in turn waits until the loop has looked at the sockets, even if it is due as well.
            for alarm in self._alarms.take_due(trio.current_time()):
                if alarm.connection is not None:  # not cancelled by one before it
                    self.take(alarm.connection, alarm.step)

    def call_soon(self, connection: Timed, step: Step) -> None:
        """Let a connection take a step in the timekeeper's next turn."""
        self._soon.append((connection, step))
        self._asleep.unpark()

    def call_at(self, at: float, connection: Timed, step: Step) -> Alarm:
        """Let a connection take a step at the time `at`; not within this call, even if that has passed."""
        alarm = Alarm(at, connection, step)
        self._alarms.add(alarm)
        if at < self._until.deadline:  # noqa: PLR1730 - assigning is expensive, even the same value
            self._until.deadline = at
        return alarm

    def cancel(self, alarm: Alarm) -> None:
        """Cancel an alarm."""
        self._alarms.cancel(alarm)
        if alarm.at == self._until.deadline:
            self._until.deadline = self._alarms.next()

    def take(self, connection: Timed, step: Step) -> None:
        """Let a connection take a step. If that fails, it is logged and ends this connection, but no other."""
        try:
            try:
                step(connection)
            except BaseException:
                connection.lost()
                raise
        except Exception as error:
            error_log.error("a connection failed", exc_info=error)
