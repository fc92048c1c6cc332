"""ASGI lifespan as a small machine of its own (ASGI lifespan 2.0): what the application said, and what follows.

It waits for nothing: a transport runs the application with it, and tells it how the application ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal

from ._errors import InvalidMessage, LocalProtocolError

__all__ = ["Lifespan", "LifespanMode", "LifespanPhase"]

LifespanMode = Literal["auto", "on", "off"]
"""auto: an application that raises or returns without an answer has no lifespan, and is served all the same; on: one
that raises has failed to start; off: it is not asked."""


class LifespanPhase(Enum):
    """Where an application is in its lifespan."""

    STARTING = "the startup's answer is awaited"
    SERVING = "connections may be served"
    FAILED = "the application must not be served"
    STOPPING = "the shutdown's answer is awaited"
    OVER = "the application has nothing more to say"


class Lifespan:
    """The lifespan of one application. After any input read `phase`, `failure` and `has_message`."""

    def __init__(self, mode: LifespanMode) -> None:
        self.state: dict[str, Any] = {}
        """What the application keeps for its connections; each connection's scope gets a copy."""
        self.phase = LifespanPhase.SERVING if mode == "off" else LifespanPhase.STARTING
        self.failure = ""
        """Why startup or shutdown failed: the application's own message."""
        self.supported = mode != "off"
        """The application takes part."""
        self._mode = mode
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
                self.phase = LifespanPhase.OVER
            case "lifespan.shutdown.complete" if phase is LifespanPhase.STOPPING:
                self.phase = LifespanPhase.OVER
            case "lifespan.shutdown.failed" if phase is LifespanPhase.STOPPING:
                self._fail(message.get("message") or "the application's shutdown failed")
                self.phase = LifespanPhase.OVER
            case (
                "lifespan.startup.complete"
                | "lifespan.startup.failed"
                | "lifespan.shutdown.complete"
                | "lifespan.shutdown.failed"
            ):
                raise LocalProtocolError(f"{kind} while {phase.name}: {phase.value}")
            case _:
                raise InvalidMessage(
                    f"message type {kind!r}: expected lifespan.startup.complete, lifespan.startup.failed, "
                    "lifespan.shutdown.complete or lifespan.shutdown.failed"
                )

    def application_returned(self) -> None:
        """Take the news that the application returned; without an answer it has no lifespan."""
        self._application_ended()

    def application_raised(self, error: BaseException) -> None:
        """Take the news that the application raised; before an answer: no lifespan, or with "on" a failure."""
        if self.phase is LifespanPhase.STARTING and self._mode == "on":
            self._fail(f"the application raised {type(error).__name__} in its lifespan: {error}")
            self.phase = LifespanPhase.FAILED
            return
        if self.phase is not LifespanPhase.STARTING and not self.failure:
            self._fail(f"the application raised {type(error).__name__} in its lifespan: {error}")
        self._application_ended()

    def startup_overdue(self, seconds: float) -> None:
        """Take the news that the startup took longer than `lifespan_timeout`."""
        if self.phase is LifespanPhase.STARTING:
            self._fail(f"the application's startup took longer than {seconds:g} s")
            self.phase = LifespanPhase.FAILED

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
