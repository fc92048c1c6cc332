"""The ASGI lifespan protocol as a small state machine (ASGI lifespan 2.0).

It waits for nothing: a transport runs the application with it and reports how the application ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal

from ..errors import InvalidMessage, LocalProtocolError
from .failures import LogEntry, exception_line, format_message, unwrap_group

__all__ = ["STARTUP_NOTICE", "Lifespan", "LifespanMode", "LifespanPhase"]

LifespanMode = Literal["auto", "on", "off"]
"""auto: an application that raises or returns without an answer has no lifespan and is served nevertheless; on: if it
raises, its startup has failed; off: the lifespan is not run. SystemExit fails the startup in either mode."""

STARTUP_NOTICE: Final = 5.0
"""Seconds after which a slow startup is logged, with what it waits for. By then a user begins to wonder about a silent
terminal, and a model or a pool that takes so long to load is worth a line."""


class LifespanPhase(Enum):
    """The phase of an application's lifespan."""

    STARTING = "the startup's answer is awaited"
    SERVING = "connections may be served"
    FAILED = "the application must not be served"
    STOPPING = "the shutdown's answer is awaited"
    OVER = "the application has nothing more to say"


class Lifespan:
    """The lifespan of one application. After any input read `phase`, `failure`, `has_message` and `log_entries`."""

    def __init__(self, mode: LifespanMode) -> None:
        self.state: dict[str, Any] = {}
        """The application's lifespan state; each connection's scope gets a copy."""
        self.phase = LifespanPhase.SERVING if mode == "off" else LifespanPhase.STARTING
        self.failure = ""
        """Why startup or shutdown failed: the application's own message."""
        self.error: BaseException | None = None
        """The exception that the application raised, if that is the failure."""
        self.log_entries: list[LogEntry] = []
        """Entries to log, in order. The caller that logs them empties the list."""
        self.supported = mode != "off"
        """Whether the application takes part in the lifespan."""
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
        """The ASGI scope to run the application with."""
        return {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}

    @property
    def has_message(self) -> bool:
        """Whether `next_message` would return one."""
        return not self._asked_startup or (self.phase is LifespanPhase.STOPPING and not self._asked_shutdown)

    def next_message(self) -> dict[str, str] | None:
        """Return the application's next message; None if there is none yet."""
        if not self._asked_startup:
            self._asked_startup = True
            return {"type": "lifespan.startup"}
        if self.has_message:
            self._asked_shutdown = True
            return {"type": "lifespan.shutdown"}
        return None

    def send(self, message: Mapping[str, Any]) -> None:
        """Process a message from the application.

        Raises:
            InvalidMessage: Not a lifespan message.
            LocalProtocolError: An answer that nothing asked for.
        """
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
                self._startup_answered = True  # too late to serve: the shutdown has begun meanwhile
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
                self._speaks_lifespan = False  # it did not check the scope's type and treats this as a connection
                raise InvalidMessage(
                    f"message type {kind!r}: expected lifespan.startup.complete, lifespan.startup.failed, "
                    "lifespan.shutdown.complete or lifespan.shutdown.failed"
                )

    def begin_startup(self, now: float, timeout: float | None = None) -> None:
        """Start the startup's timers; read `next_timeout` afterwards.

        Args:
            now: The caller's clock, in seconds.
            timeout: How long the startup may take, in seconds; None means no limit.
        """
        if self.phase is LifespanPhase.STARTING:
            self._notice_at = now + STARTUP_NOTICE
            self._patience = timeout or 0.0
            self._deadline = None if timeout is None else now + timeout

    def next_timeout(self) -> float | None:
        """Return when to call `handle_timeout`; None while there is no deadline."""
        if self.phase is not LifespanPhase.STARTING:
            return None
        return min((at for at in (self._notice_at, self._deadline) if at is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Log that the startup takes long, or fail it once it takes too long. Early and repeated calls are harmless."""
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
        """Call when the application returned, or was cancelled; without an answer it has no lifespan."""
        self._application_ended()

    def application_raised(self, error: BaseException) -> None:
        """Call when the application raised.

        Before its answer to the startup: with "on", the startup has failed; with "auto" only if `error` is not an
        Exception (SystemExit). With "auto" an Exception means that the application is served without a lifespan. That
        is logged as an error if it had received `lifespan.startup`, since then it has a lifespan, and something in it
        broke. After the answer, the exception is logged and serving continues. After `lifespan.startup.failed` or
        `.shutdown.failed` the message sent with those remains the reason.
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
        """Call when calling the application returned `answer`, which cannot be awaited: it cannot be served."""
        if self.phase is LifespanPhase.STARTING:
            self._fail(
                f"calling the application gave {type(answer).__name__}, where a coroutine was expected: "
                "an ASGI application is an `async def` with (scope, receive, send)"
            )
            self.phase = LifespanPhase.FAILED

    def startup_overdue(self, seconds: float) -> None:
        """Call when the startup took longer than `lifespan_timeout`."""
        if self.phase is LifespanPhase.STARTING:
            self._fail(f"the application's startup took longer than {seconds:g} s")
            self.phase = LifespanPhase.FAILED

    def shutdown_overdue(self) -> None:
        """Call when the shutdown took too long."""
        if self.phase is LifespanPhase.STOPPING:
            self._fail("the application's shutdown took too long")
            self._report("error", self.failure)
            self.phase = LifespanPhase.OVER

    def begin_shutdown(self) -> None:
        """Begin the application's shutdown, if it takes part in the lifespan."""
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
