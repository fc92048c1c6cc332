"""ASGI lifespan as a small machine of its own (ASGI lifespan 2.0): what the application said, and what follows.

It waits for nothing: a transport runs the application with it, and tells it how the application ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal

from ..errors import InvalidMessage, LocalProtocolError
from .failures import LogEntry, exception_line, format_message, unwrap_group

__all__ = ["STARTUP_NOTICE", "Lifespan", "LifespanMode", "LifespanPhase"]

LifespanMode = Literal["auto", "on", "off"]
"""auto: an application that raises or returns without an answer has no lifespan, and is served all the same; on: one
that raises has failed to start; off: it is not asked. One that raises SystemExit has failed in either mode."""

STARTUP_NOTICE: Final = 5.0
"""Seconds of a startup after which a line says what is waited for. Whoever looks at a terminal that stays silent begins
to wonder by then; a model or a pool that takes so long to load is worth the line."""


class LifespanPhase(Enum):
    """Where an application is in its lifespan."""

    STARTING = "the startup's answer is awaited"
    SERVING = "connections may be served"
    FAILED = "the application must not be served"
    STOPPING = "the shutdown's answer is awaited"
    OVER = "the application has nothing more to say"


class Lifespan:
    """The lifespan of one application. After any input read `phase`, `failure`, `has_message` and `log_entries`."""

    def __init__(self, mode: LifespanMode) -> None:
        self.state: dict[str, Any] = {}
        """What the application keeps for its connections; each connection's scope gets a copy."""
        self.phase = LifespanPhase.SERVING if mode == "off" else LifespanPhase.STARTING
        self.failure = ""
        """Why startup or shutdown failed: the application's own message."""
        self.error: BaseException | None = None
        """What the application raised, where that is its failure."""
        self.log_entries: list[LogEntry] = []
        """What is to be logged, in order. Whoever logs it empties the list."""
        self.supported = mode != "off"
        """The application takes part."""
        self._mode = mode
        self._deadline: float | None = None
        self._notice_at: float | None = None
        self._patience = 0.0
        self._speaks_lifespan = True
        self._asked_startup = mode == "off"
        self._startup_answered = False
        self._asked_shutdown = False

    @property
    def scope(self) -> dict[str, Any]:
        """The scope to run the application with."""
        return {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}

    @property
    def has_message(self) -> bool:
        """`next_message` would give one."""
        return not self._asked_startup or (self.phase is LifespanPhase.STOPPING and not self._asked_shutdown)

    def next_message(self) -> dict[str, str] | None:
        """Give the application its next message, or None: there is none yet."""
        if not self._asked_startup:
            self._asked_startup = True
            return {"type": "lifespan.startup"}
        if self.has_message:
            self._asked_shutdown = True
            return {"type": "lifespan.shutdown"}
        return None

    def send(self, message: Mapping[str, Any]) -> None:
        """Take the application's answer. Raises InvalidMessage, or LocalProtocolError where none was asked for."""
        kind = message.get("type")
        phase = self.phase
        match kind:
            case "lifespan.startup.complete" if phase is LifespanPhase.STARTING:
                self.phase = LifespanPhase.SERVING
                self._startup_answered = True
            case "lifespan.startup.failed" if phase is LifespanPhase.STARTING:
                self._fail(message.get("message") or "the application's startup failed")
                self.phase = LifespanPhase.FAILED
            case "lifespan.startup.complete" if phase is LifespanPhase.STOPPING and not self._startup_answered:
                self._startup_answered = True  # too late to serve: the shutdown began meanwhile
            case "lifespan.startup.failed" if phase is LifespanPhase.STOPPING and not self._startup_answered:
                self._fail(message.get("message") or "the application's startup failed")
                self._report("error", format_message(self.failure))
                self.phase = LifespanPhase.OVER
            case "lifespan.shutdown.complete" if phase is LifespanPhase.STOPPING:
                self.phase = LifespanPhase.OVER
            case "lifespan.shutdown.failed" if phase is LifespanPhase.STOPPING:
                self._fail(message.get("message") or "the application's shutdown failed")
                self._report("error", format_message(self.failure))
                self.phase = LifespanPhase.OVER
            case (
                "lifespan.startup.complete"
                | "lifespan.startup.failed"
                | "lifespan.shutdown.complete"
                | "lifespan.shutdown.failed"
            ):
                raise LocalProtocolError(f"{kind} while {phase.name}: {phase.value}")
            case _:
                self._speaks_lifespan = False  # it did not look at the scope, and takes this for a connection
                raise InvalidMessage(
                    f"message type {kind!r}: expected lifespan.startup.complete, lifespan.startup.failed, "
                    "lifespan.shutdown.complete or lifespan.shutdown.failed"
                )

    def begin_startup(self, now: float, timeout: float | None = None) -> None:
        """Let the startup's time run; `timeout` is how long it may take. Then `next_timeout` says when to look."""
        if self.phase is LifespanPhase.STARTING:
            self._notice_at = now + STARTUP_NOTICE
            self._patience = timeout or 0.0
            self._deadline = None if timeout is None else now + timeout

    def next_timeout(self) -> float | None:
        """When to call `handle_timeout`; None while nothing is bounded."""
        if self.phase is not LifespanPhase.STARTING:
            return None
        return min((at for at in (self._notice_at, self._deadline) if at is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Say that the startup takes long, or that it takes too long; early and repeated calls are harmless."""
        if self.phase is not LifespanPhase.STARTING:
            return
        if self._deadline is not None and now >= self._deadline:
            self.startup_overdue(self._patience)
        elif self._notice_at is not None and now >= self._notice_at:
            self._notice_at = None
            what = "it has not answered lifespan.startup" if self._asked_startup else "it has not asked for a message"
            self._report(
                "warning",
                f"the application is still starting after {STARTUP_NOTICE:g} s, and no connection is accepted before "
                f"it has: {what} yet",
            )

    def application_returned(self) -> None:
        """Take the news that the application returned, or was cancelled; without an answer it has no lifespan."""
        self._application_ended()

    def application_raised(self, error: BaseException) -> None:
        """Take the news that the application raised.

        Before it answered the startup: with "on" that is a failure, and so is what is no Exception (SystemExit) with
        "auto" too; an Exception means with "auto" that it is served without a lifespan, which is reported as an error
        where it had taken `lifespan.startup`: then it has a lifespan, and something in it broke. Later it is reported,
        and the application is served on. After `lifespan.startup.failed` or `.shutdown.failed` those words stand.
        """
        error = unwrap_group(error)
        starting = self.phase is LifespanPhase.STARTING
        said = f"the application raised {exception_line(error)}"
        if starting and (self._mode == "on" or not isinstance(error, Exception)):
            self._fail(f"the application raised {type(error).__name__} in its lifespan{_after_colon(error)}")
            self.error = error
            self.phase = LifespanPhase.FAILED
            return
        if starting and self._asked_startup and self._speaks_lifespan:
            self._report("error", f"{said} in its startup; it is served without a lifespan ('on' refuses that)", error)
        elif starting:
            self._report("debug", f"{said}, so it has no lifespan", error)
        elif not self.failure:
            self._fail(f"the application raised {type(error).__name__} in its lifespan{_after_colon(error)}")
            self.error = error
            self._report("error", f"{said} in its lifespan", error)
        self._application_ended()

    def application_not_awaitable(self, answer: object) -> None:
        """Take the news that calling the application gave `answer`, which cannot be awaited: it can serve nothing."""
        if self.phase is LifespanPhase.STARTING:
            self._fail(
                f"calling the application gave {type(answer).__name__}, where a coroutine was expected: "
                "an ASGI application is an `async def` with (scope, receive, send)"
            )
            self.phase = LifespanPhase.FAILED

    def startup_overdue(self, seconds: float) -> None:
        """Take the news that the startup took longer than `lifespan_timeout`."""
        if self.phase is LifespanPhase.STARTING:
            self._fail(f"the application's startup took longer than {seconds:g} s")
            self.phase = LifespanPhase.FAILED

    def shutdown_overdue(self) -> None:
        """Take the news that the shutdown took longer than it may."""
        if self.phase is LifespanPhase.STOPPING:
            self._fail("the application's shutdown took too long")
            self._report("error", self.failure)
            self.phase = LifespanPhase.OVER

    def begin_shutdown(self) -> None:
        """Ask the application to shut down, if it takes part."""
        if self.phase in (LifespanPhase.STARTING, LifespanPhase.SERVING):
            self.phase = LifespanPhase.STOPPING if self.supported else LifespanPhase.OVER

    def _application_ended(self) -> None:
        self.supported = False
        if self.phase is LifespanPhase.STARTING:
            self.phase = LifespanPhase.SERVING
        elif self.phase is LifespanPhase.STOPPING:
            self.phase = LifespanPhase.OVER

    def _fail(self, message: object) -> None:
        self.failure = str(message)

    def _report(
        self, severity: Literal["debug", "warning", "error"], text: str, error: BaseException | None = None
    ) -> None:
        self.log_entries.append(LogEntry(severity, text, error))


def _after_colon(error: BaseException) -> str:
    return f": {error}" if str(error) else ""
