"""The ways in which a connection ends: who is told what (the table of codes in the edge cases)."""

import pytest

from wscore import Close
from wscore._core import termination as ends
from wscore._core.frames.codec import ProtocolViolation
from wscore._core.http.server_handshake import error_response
from wscore._core.lifecycle import Timer


def caused(cause: Exception, error: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("end", "cause", "code"),
    [
        (ends.peer_closed(Close(3000, "bye")), "peer", 3000),
        (ends.peer_closed(Close(None)), "peer", 1005),
        (ends.END_OF_STREAM, "peer", 1006),
        (ends.LOST, "transport", 1006),
        (ends.violated(ProtocolViolation(1009)), "violation", 1009),
        (ends.refused(error_response(400, "no key")), "violation", 1006),
        (ends.application_closed(Close(4000, "mine")), "application", 4000),
        (ends.CLOSED_UNANSWERED, "application", 1006),
        (ends.DENIED, "application", 1006),
        (ends.RETURNED, "application", 1000),
        (ends.RAISED, "application", 1011),
        (ends.RETURNED_UNANSWERED, "application", 1006),
        (ends.RAISED_UNANSWERED, "application", 1006),
        (ends.shut_down(Close(1012, "later")), "operator", 1012),
        (ends.OVERLOAD, "operator", 1006),
        *((end, "timeout", 1006) for end in ends.TIMED_OUT.values()),
    ],
)
def test_what_the_application_is_told(end: ends.Termination, cause: str, code: int):
    """Each end has one cause, and the code that `websocket.disconnect` carries for it, a plain int."""
    assert end.cause == cause
    assert end.code == code
    assert isinstance(end.code, int)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
        (OSError("several\nlines  of it"), "several lines of it"),
        (TimeoutError(), "TimeoutError"),
        (OSError("x" * 1000), "x" * 200),
        (caused(OSError(32, "Broken pipe"), RuntimeError("closed")), "Broken pipe"),
    ],
)
def test_a_loss_says_why(error: Exception, text: str):
    """In one line that is no longer than needed, in the system's words."""
    assert ends.lost(error) == ends.LOST._replace(reason=f"connection lost: {text}")


def test_a_close_frame_is_echoed():
    """F20, F21: the peer's close goes back with its code, an empty one as an empty one."""
    for close in (Close(1000, "bye"), Close(None)):
        assert ends.peer_closed(close).frame == close


def test_a_violation_is_answered_with_what_the_application_is_told():
    """The code and the reason of the disconnect are those that were sent."""
    end = ends.violated(ProtocolViolation(1007))
    assert end.frame == Close(end.code, end.reason)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (ends.refused(error_response(431, "too many headers")), 431),
        (ends.CLOSED_UNANSWERED, 403),
        (ends.RETURNED_UNANSWERED, 500),
        (ends.RAISED_UNANSWERED, 500),
        (ends.shut_down(Close(1012)), 503),
        (ends.OVERLOAD, 503),
        (ends.TIMED_OUT[Timer.HANDSHAKE], 408),
        (ends.TIMED_OUT[Timer.ACCEPT], 503),
    ],
)
def test_what_an_unanswered_handshake_gets(end: ends.Termination, status: int):
    """Where the handshake may still be unanswered, the end has a response for it."""
    assert end.response is not None
    assert end.response.status == status


def test_a_refusal_says_why():
    """The reason of a refused handshake names the status and what was wrong."""
    assert ends.refused(error_response(400, "no key")).reason == "handshake refused with 400: no key"


@pytest.mark.parametrize(
    ("sent", "received", "clean"),
    [
        (Close(1000), Close(1000), True),
        (Close(1000), None, False),
        (None, Close(1000), False),
        (None, None, False),
    ],
)
def test_clean_is_a_close_frame_from_either_end(sent: Close | None, received: Close | None, clean: bool):
    """A connection ended cleanly where both ends sent a close frame (RFC 6455 7.1.4)."""
    assert ends.CloseInfo("peer", 1000, "", sent, received).clean is clean
