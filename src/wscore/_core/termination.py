"""Every way in which a connection ends: who ended it, what the application is told, what goes on the wire.

This is the mapping of codes (docs/reference/close-codes.md), and its only place: whoever feeds the table takes an `End`
from here. The table decides which of an end's two answers is given: the frame where the connection is open, the
response where the handshake has not been answered.
"""

from __future__ import annotations

import dataclasses
from typing import Final, Literal, NamedTuple

from .close import ABNORMAL, INTERNAL_ERROR, NO_STATUS, NORMAL, Close
from .frames.codec import Violation
from .http.server_handshake import Response, refusal
from .lifecycle import Timer
from .loss import told

__all__ = ["Cause", "CloseInfo", "End"]

Cause = Literal["peer", "application", "violation", "timeout", "operator", "transport"]


class End(NamedTuple):
    """One way of ending. Without a frame or a response, nothing is said to the peer."""

    cause: Cause
    """Who ended it: the peer, the application, the peer by a violation, a timeout, the operator, or the transport."""
    code: int = ABNORMAL
    """What `websocket.disconnect` says."""
    reason: str = ""
    """Likewise."""
    frame: Close | None = None
    """The close frame to send."""
    response: Response | None = None
    """The whole response to send."""


@dataclasses.dataclass(frozen=True, slots=True)
class CloseInfo:
    """How a connection ended, and by whom."""

    cause: Cause
    """Who ended it: the peer, the application, the peer by a violation, a timeout, the operator, or the transport."""
    code: int
    """What `websocket.disconnect` says, or would say."""
    reason: str
    """Likewise."""
    sent: Close | None
    """The close frame that we sent."""
    received: Close | None
    """The close frame that the peer sent."""

    @property
    def clean(self) -> bool:
        """Both ends sent a close frame (RFC 6455 7.1.4)."""
        return self.sent is not None and self.received is not None


def was_presumed(end: End) -> bool:
    """Tell whether the peer had not said this end itself: a close frame that had come before it says more."""
    return end is END_OF_STREAM or end.cause in ("transport", "timeout")


# -- by the peer, and by the socket


def peer_closed(close: Close) -> End:
    """The peer's close frame: echoed, an empty one as an empty one (RFC 6455 5.5.1)."""
    return End("peer", NO_STATUS if close.code is None else close.code, close.reason, close)


def violated(violation: Violation) -> End:
    """The peer broke the protocol or a limit."""
    return End("violation", violation.code, violation.reason, Close(violation.code, violation.reason))


def refused(response: Response) -> End:
    """What the peer sent is no opening handshake that can be accepted; `response` says so."""
    why = response.body.decode().strip()
    return End("violation", reason=f"handshake refused with {response.status}: {why}", response=response)


END_OF_STREAM: Final = End("peer", reason="end of stream without a close frame")
LOST: Final = End("transport", reason="connection lost")


def lost(error: BaseException) -> End:
    """The socket is gone, and the transport was told why."""
    return LOST._replace(reason=f"{LOST.reason}: {told(error)}")


# -- by the application


def application_closed(close: Close) -> End:
    """The application's own close, of an open connection."""
    assert close.code is not None  # an application's close has one
    return End("application", close.code, close.reason, close)


ABANDONED: Final = End("application", INTERNAL_ERROR, "message abandoned", Close(INTERNAL_ERROR, "message abandoned"))
CLOSED_UNANSWERED: Final = End("application", reason="closed before the accept", response=refusal(403, ""))
DENIED: Final = End("application", reason="denied before the accept")
RETURNED: Final = End("application", NORMAL, "", Close(NORMAL))
RAISED: Final = End("application", INTERNAL_ERROR, "internal error", Close(INTERNAL_ERROR, "internal error"))

_FAILED: Final = refusal(500, "internal server error")
RETURNED_UNANSWERED: Final = End("application", reason="application returned without an answer", response=_FAILED)
RAISED_UNANSWERED: Final = End("application", reason="application failed", response=_FAILED)

# -- by the operator


def shut_down(code: int, reason: str) -> End:
    """The server stops."""
    return End("operator", code, reason, Close(code, reason), refusal(503, "the server is shutting down"))


OVERLOAD: Final = End("operator", reason="too many connections", response=refusal(503, "too many connections"))

# -- by time

TIMED_OUT: Final[dict[Timer, End]] = {
    Timer.HANDSHAKE: End(
        "timeout", reason="request head overdue", response=refusal(408, "the request head took too long")
    ),
    Timer.ACCEPT: End("timeout", reason="answer overdue", response=refusal(503, "the application took too long")),
    Timer.BODY: End("timeout", reason="response body overdue"),
    Timer.PONG: End("timeout", reason="keepalive ping timeout", frame=Close(INTERNAL_ERROR, "keepalive ping timeout")),
    Timer.CLOSE: End("timeout", reason="closing overdue"),
}
"""The other timers end nothing."""

# -- of a client's handshake, which has no answer to give


def answered_otherwise(response: Response) -> End:
    """The server refused the handshake."""
    return End("peer", reason=f"the server answered {response.status}")


def not_answered(why: str) -> End:
    """What the server sent is no answer to the handshake."""
    return End("violation", reason=why)


GIVEN_UP: Final = End("application", reason="closed before the handshake was answered")
CUT_OFF: Final = End("peer", reason="end of stream before the handshake was answered")
UNANSWERED: Final = End("timeout", reason="the server did not answer the handshake in time")
