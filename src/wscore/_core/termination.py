"""Every way in which a connection ends: who ended it, what the application receives, what goes on the wire.

This is the only place that maps endings to codes (docs/reference/close-codes.md): all code that feeds the table takes a
`Termination` from here. The table decides which of its two answers is sent: the frame on an open connection, the
response before the handshake was answered.
"""

from __future__ import annotations

import dataclasses
from typing import Final, Literal, NamedTuple

from .close import Close, CloseCode
from .frames.codec import ProtocolViolation
from .http.server_handshake import Response, error_response
from .lifecycle import Timer
from .loss import describe_loss

__all__ = ["Cause", "CloseInfo", "Termination"]

Cause = Literal["peer", "application", "violation", "timeout", "operator", "transport"]


class Termination(NamedTuple):
    """One way of ending. Without a frame or a response, nothing is sent to the peer."""

    cause: Cause
    """Who ended it: the peer, the application, the peer by a violation, a timeout, the operator, or the transport."""
    code: int = CloseCode.ABNORMAL_CLOSURE
    """The code in `websocket.disconnect`."""
    reason: str = ""
    """The reason in `websocket.disconnect`."""
    frame: Close | None = None
    """The close frame to send."""
    response: Response | None = None
    """The complete response to send."""


@dataclasses.dataclass(frozen=True, slots=True)
class CloseInfo:
    """How a connection ended, and by whom."""

    cause: Cause
    """Who ended it: the peer, the application, the peer by a violation, a timeout, the operator, or the transport."""
    code: int
    """The code in `websocket.disconnect`, sent or not."""
    reason: str
    """The reason in `websocket.disconnect`, sent or not."""
    sent: Close | None
    """The close frame that we sent."""
    received: Close | None
    """The close frame that the peer sent."""

    @property
    def clean(self) -> bool:
        """Whether both ends sent a close frame (RFC 6455 7.1.4)."""
        return self.sent is not None and self.received is not None


def was_presumed(end: Termination) -> bool:
    """Return whether the peer did not announce this end itself: a close frame that came before it has priority."""
    return end is END_OF_STREAM or end.cause in ("transport", "timeout")


# -- by the peer, and by the socket


def peer_closed(close: Close) -> Termination:
    """The peer's close frame: echoed, an empty one as an empty one (RFC 6455 5.5.1)."""
    return Termination("peer", CloseCode.NO_STATUS_RCVD if close.code is None else close.code, close.reason, close)


def violated(violation: ProtocolViolation) -> Termination:
    """The peer broke the protocol or a limit."""
    return Termination("violation", violation.code, violation.reason, Close(violation.code, violation.reason))


def refused(response: Response) -> Termination:
    """The peer did not send an acceptable opening handshake; `response` says why."""
    why = response.body.decode().strip()
    return Termination("violation", reason=f"handshake refused with {response.status}: {why}", response=response)


END_OF_STREAM: Final = Termination("peer", reason="end of stream without a close frame")
LOST: Final = Termination("transport", reason="connection lost")


def lost(error: BaseException) -> Termination:
    """The socket is gone, with the exception that the transport got."""
    return LOST._replace(reason=f"{LOST.reason}: {describe_loss(error)}")


# -- by the application


def application_closed(close: Close) -> Termination:
    """The application closed an open connection."""
    assert close.code is not None  # an application's close always has one
    return Termination("application", close.code, close.reason, close)


ABANDONED: Final = Termination(
    "application", CloseCode.INTERNAL_ERROR, "message abandoned", Close(CloseCode.INTERNAL_ERROR, "message abandoned")
)
CLOSED_UNANSWERED: Final = Termination(
    "application", reason="closed before the accept", response=error_response(403, "")
)
DENIED: Final = Termination("application", reason="denied before the accept")
RETURNED: Final = Termination("application", CloseCode.NORMAL_CLOSURE, "", Close(CloseCode.NORMAL_CLOSURE))
RAISED: Final = Termination(
    "application", CloseCode.INTERNAL_ERROR, "internal error", Close(CloseCode.INTERNAL_ERROR, "internal error")
)

_FAILED: Final = error_response(500, "internal server error")
RETURNED_UNANSWERED: Final = Termination(
    "application", reason="application returned without an answer", response=_FAILED
)
RAISED_UNANSWERED: Final = Termination("application", reason="application failed", response=_FAILED)

# -- by the operator


def shut_down(close: Close) -> Termination:
    """The server stops."""
    assert close.code is not None  # an operator's close has one
    return Termination("operator", close.code, close.reason, close, error_response(503, "the server is shutting down"))


OVERLOAD: Final = Termination(
    "operator", reason="too many connections", response=error_response(503, "too many connections")
)

# -- by time

TIMED_OUT: Final[dict[Timer, Termination]] = {
    Timer.HANDSHAKE: Termination(
        "timeout", reason="request head overdue", response=error_response(408, "the request head took too long")
    ),
    Timer.ACCEPT: Termination(
        "timeout", reason="answer overdue", response=error_response(503, "the application took too long")
    ),
    Timer.BODY: Termination("timeout", reason="response body overdue"),
    Timer.PONG: Termination(
        "timeout", reason="keepalive ping timeout", frame=Close(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
    ),
    Timer.CLOSE: Termination("timeout", reason="closing overdue"),
}
"""The other timers end nothing."""

# -- of a client's handshake, where nothing is sent


def answered_otherwise(response: Response) -> Termination:
    """The server refused the handshake."""
    return Termination("peer", reason=f"the server answered {response.status}")


def not_answered(why: str) -> Termination:
    """The server did not send a valid answer to the handshake."""
    return Termination("violation", reason=why)


GIVEN_UP: Final = Termination("application", reason="closed before the handshake was answered")
CUT_OFF: Final = Termination("peer", reason="end of stream before the handshake was answered")
UNANSWERED: Final = Termination("timeout", reason="the server did not answer the handshake in time")
