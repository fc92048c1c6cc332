"""ASGI lifespan: what the application said, and what follows."""

from typing import Any

import pytest

from wscore import InvalidMessage, Lifespan, LifespanMode, LifespanPhase, LocalProtocolError

STARTUP = {"type": "lifespan.startup"}
SHUTDOWN = {"type": "lifespan.shutdown"}
STARTED = {"type": "lifespan.startup.complete"}
NOT_STARTED = {"type": "lifespan.startup.failed", "message": "no database"}
STOPPED = {"type": "lifespan.shutdown.complete"}
NOT_STOPPED = {"type": "lifespan.shutdown.failed", "message": "lost a file"}

PARTICIPATING: list[LifespanMode] = ["auto", "on"]


def serving(mode: LifespanMode = "auto") -> Lifespan:
    lifespan = Lifespan(mode)
    assert lifespan.next_message() == STARTUP
    lifespan.send(STARTED)
    return lifespan


def stopping(mode: LifespanMode = "auto") -> Lifespan:
    lifespan = serving(mode)
    lifespan.begin_shutdown()
    assert lifespan.next_message() == SHUTDOWN
    return lifespan


@pytest.mark.parametrize("mode", PARTICIPATING)
def test_a_whole_life(mode: LifespanMode):
    """The application is asked to start, serves, is asked to stop, and has nothing more to say."""
    lifespan = Lifespan(mode)
    assert lifespan.phase is LifespanPhase.STARTING
    assert lifespan.has_message
    assert lifespan.next_message() == STARTUP
    assert not lifespan.has_message
    assert lifespan.next_message() is None
    lifespan.send(STARTED)
    assert lifespan.phase is LifespanPhase.SERVING
    assert not lifespan.has_message
    lifespan.begin_shutdown()
    assert lifespan.phase is LifespanPhase.STOPPING
    assert lifespan.has_message
    assert lifespan.next_message() == SHUTDOWN
    assert not lifespan.has_message
    assert lifespan.next_message() is None
    lifespan.send(STOPPED)
    lifespan.application_returned()
    assert lifespan.phase is LifespanPhase.OVER
    assert lifespan.failure == ""


def test_the_scope_shares_the_state():
    """The scope is ASGI lifespan 2.0's; what the application puts into its state is there for its connections."""
    lifespan = Lifespan("auto")
    scope = lifespan.scope
    scope["state"]["pool"] = "a pool"
    assert scope["type"] == "lifespan"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
    assert lifespan.state == {"pool": "a pool"}


def test_off_asks_nothing():
    """With "off" the application is served without being asked, and the shutdown asks it nothing either."""
    lifespan = Lifespan("off")
    assert lifespan.phase is LifespanPhase.SERVING
    assert not lifespan.supported
    assert not lifespan.has_message
    assert lifespan.next_message() is None
    lifespan.begin_shutdown()
    assert lifespan.phase is LifespanPhase.OVER


@pytest.mark.parametrize("mode", PARTICIPATING)
def test_startup_failed(mode: LifespanMode):
    """An application that refuses to start must not be served; the failure is its own message."""
    lifespan = Lifespan(mode)
    lifespan.next_message()
    lifespan.send(NOT_STARTED)
    lifespan.application_raised(SystemExit(1))
    assert (lifespan.phase, lifespan.failure) == (LifespanPhase.FAILED, "no database")
    lifespan.begin_shutdown()
    assert lifespan.phase is LifespanPhase.FAILED


@pytest.mark.parametrize(
    ("kind", "failure"),
    [("startup", "the application's startup failed"), ("shutdown", "the application's shutdown failed")],
)
def test_a_failure_without_a_message(kind: str, failure: str):
    """A failure without a message, which ASGI allows, says whose it is."""
    lifespan = Lifespan("auto") if kind == "startup" else stopping()
    lifespan.send({"type": f"lifespan.{kind}.failed"})
    assert lifespan.failure == failure


def test_shutdown_failed():
    """An application that fails to shut down is over all the same, and its message is kept for the log."""
    lifespan = stopping()
    lifespan.send(NOT_STOPPED)
    assert (lifespan.phase, lifespan.failure) == (LifespanPhase.OVER, "lost a file")


def test_auto_takes_an_exception_for_no_lifespan():
    """With "auto" an application that raises before its answer has no lifespan, and is served all the same."""
    lifespan = Lifespan("auto")
    lifespan.application_raised(AssertionError("scope type lifespan?"))
    assert (lifespan.phase, lifespan.supported, lifespan.failure) == (LifespanPhase.SERVING, False, "")
    lifespan.begin_shutdown()
    assert lifespan.phase is LifespanPhase.OVER


def test_on_takes_an_exception_for_a_failure():
    """With "on" an application that raises before its answer has failed to start."""
    lifespan = Lifespan("on")
    lifespan.application_raised(KeyError("dsn"))
    assert lifespan.phase is LifespanPhase.FAILED
    assert lifespan.failure == "the application raised KeyError in its lifespan: 'dsn'"


@pytest.mark.parametrize("mode", PARTICIPATING)
def test_return_without_an_answer(mode: LifespanMode):
    """An application that returns without an answer has no lifespan, and is served."""
    lifespan = Lifespan(mode)
    lifespan.next_message()
    lifespan.application_returned()
    assert (lifespan.phase, lifespan.supported, lifespan.failure) == (LifespanPhase.SERVING, False, "")


def test_an_exception_while_serving():
    """An application whose lifespan raises while it serves goes on being served; the shutdown does not ask it."""
    lifespan = serving()
    lifespan.application_raised(ValueError("oops"))
    assert lifespan.phase is LifespanPhase.SERVING
    assert lifespan.failure == "the application raised ValueError in its lifespan: oops"
    lifespan.begin_shutdown()
    assert lifespan.phase is LifespanPhase.OVER


@pytest.mark.parametrize("raised", [False, True])
def test_the_end_without_an_answer_to_the_shutdown(raised: bool):
    """An application that ends without answering the shutdown is over; an exception is kept for the log."""
    lifespan = stopping()
    if raised:
        lifespan.application_raised(ValueError("oops"))
    else:
        lifespan.application_returned()
    assert lifespan.phase is LifespanPhase.OVER
    assert bool(lifespan.failure) == raised


def test_auto_reports_a_crash_in_a_startup_that_was_taken():
    """An application that takes the startup has a lifespan: what it raises then is an error, and it is served on."""
    lifespan = Lifespan("auto")
    lifespan.next_message()
    error = RuntimeError("database is down")
    lifespan.application_raised(error)
    assert lifespan.phase is LifespanPhase.SERVING
    (report,) = lifespan.log_entries
    assert (report.severity, report.error) == ("error", error)
    assert "RuntimeError: database is down" in report.text


def test_auto_reports_what_has_no_lifespan_for_debugging_alone():
    """An application that raises at the sight of the scope, or speaks websocket to it, has no lifespan: no alarm."""
    sees_the_scope = Lifespan("auto")
    sees_the_scope.application_raised(NotImplementedError())
    takes_it_for_a_connection = Lifespan("auto")
    takes_it_for_a_connection.next_message()
    with pytest.raises(InvalidMessage) as raised:
        takes_it_for_a_connection.send({"type": "websocket.accept"})
    takes_it_for_a_connection.application_raised(raised.value)
    for lifespan in (sees_the_scope, takes_it_for_a_connection):
        assert lifespan.phase is LifespanPhase.SERVING
        assert [report.severity for report in lifespan.log_entries] == ["debug"]


@pytest.mark.parametrize("mode", PARTICIPATING)
@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), BaseException("own")])
def test_what_is_no_exception_fails_the_startup(mode: LifespanMode, taken: bool, error: BaseException):
    """An application that exits in its startup does not want to be served, whatever the mode; the failure names it."""
    lifespan = Lifespan(mode)
    if taken:
        lifespan.next_message()
    lifespan.application_raised(BaseExceptionGroup("a task group's", [error]))
    assert lifespan.phase is LifespanPhase.FAILED
    assert type(error).__name__ in lifespan.failure
    assert lifespan.error is error


def test_an_exception_while_serving_is_reported_at_once():
    """Not only at the shutdown, and once."""
    lifespan = serving()
    error = SystemExit(1)
    lifespan.application_raised(error)
    assert lifespan.phase is LifespanPhase.SERVING
    assert [(report.severity, report.error) for report in lifespan.log_entries] == [("error", error)]


def test_a_failed_shutdown_is_reported_once():
    """Starlette says what failed, with the traceback, and then raises it: that is one report."""
    lifespan = stopping()
    lifespan.send({"type": "lifespan.shutdown.failed", "message": "lost a file"})
    lifespan.application_raised(ValueError("lost a file"))
    assert [(report.severity, report.text) for report in lifespan.log_entries] == [("error", "lost a file")]


def test_an_application_that_cannot_be_awaited_has_failed():
    """A `def` without `async` can serve nothing, which its lifespan's call shows first."""
    lifespan = Lifespan("auto")
    lifespan.application_not_awaitable(None)
    assert lifespan.phase is LifespanPhase.FAILED
    assert "NoneType" in lifespan.failure
    assert "async def" in lifespan.failure


def test_a_slow_startup_is_reported_once():
    """After some seconds it is said what is waited for; with a timeout, the startup still ends there."""
    lifespan = Lifespan("auto")
    lifespan.next_message()
    lifespan.begin_startup(100, 20)
    assert lifespan.next_timeout() == 105
    lifespan.handle_timeout(104)
    assert lifespan.log_entries == []
    lifespan.handle_timeout(105)
    lifespan.handle_timeout(106)
    assert [report.severity for report in lifespan.log_entries] == ["warning"]
    assert "lifespan.startup" in lifespan.log_entries[0].text
    assert lifespan.next_timeout() == 120
    lifespan.handle_timeout(120)
    assert lifespan.phase is LifespanPhase.FAILED
    assert lifespan.failure == "the application's startup took longer than 20 s"
    assert lifespan.next_timeout() is None


def test_a_startup_without_a_timeout():
    """It may take as long as it likes; nothing is bounded once it was reported, nor once it is over."""
    lifespan = Lifespan("auto")
    assert lifespan.next_timeout() is None
    lifespan.begin_startup(100)
    lifespan.handle_timeout(105)
    assert "has not asked" in lifespan.log_entries[0].text
    assert lifespan.next_timeout() is None
    other = Lifespan("auto")
    other.begin_startup(100, 3)
    assert other.next_timeout() == 103
    other.next_message()
    other.send(STARTED)
    assert other.next_timeout() is None
    other.handle_timeout(200)
    assert (other.phase, other.log_entries) == (LifespanPhase.SERVING, [])


def test_shutdown_overdue():
    """A shutdown that takes too long is over, and reported."""
    lifespan = stopping()
    lifespan.shutdown_overdue()
    lifespan.shutdown_overdue()
    assert lifespan.phase is LifespanPhase.OVER
    assert [report.severity for report in lifespan.log_entries] == ["error"]


def test_startup_overdue():
    """A startup that takes too long has failed, and an answer after that is too late."""
    lifespan = Lifespan("auto")
    lifespan.next_message()
    lifespan.startup_overdue(2.5)
    assert lifespan.phase is LifespanPhase.FAILED
    assert lifespan.failure == "the application's startup took longer than 2.5 s"
    with pytest.raises(LocalProtocolError):
        lifespan.send(STARTED)


def test_startup_overdue_after_the_answer():
    """A deadline that passes after the answer changes nothing."""
    lifespan = serving()
    lifespan.startup_overdue(2.5)
    assert (lifespan.phase, lifespan.failure) == (LifespanPhase.SERVING, "")


@pytest.mark.parametrize(
    ("answer", "phase", "failure"),
    [(STARTED, LifespanPhase.STOPPING, ""), (NOT_STARTED, LifespanPhase.OVER, "no database")],
    ids=["complete", "failed"],
)
def test_a_shutdown_during_the_startup(answer: dict[str, str], phase: LifespanPhase, failure: str):
    """An application that is still starting when the shutdown begins may answer the startup, and then the shutdown."""
    lifespan = Lifespan("auto")
    lifespan.next_message()
    lifespan.begin_shutdown()
    lifespan.send(answer)
    assert (lifespan.phase, lifespan.failure) == (phase, failure)
    if phase is LifespanPhase.STOPPING:
        with pytest.raises(LocalProtocolError):
            lifespan.send(answer)
        assert lifespan.next_message() == SHUTDOWN
        lifespan.send(STOPPED)
        assert lifespan.phase is LifespanPhase.OVER


@pytest.mark.parametrize("message", [STOPPED, NOT_STOPPED])
def test_an_answer_to_a_shutdown_that_was_not_begun(message: dict[str, str]):
    """An answer that nothing asked for is an error, and changes nothing."""
    for lifespan in (Lifespan("auto"), serving()):
        phase = lifespan.phase
        with pytest.raises(LocalProtocolError, match=message["type"]):
            lifespan.send(message)
        assert lifespan.phase is phase


@pytest.mark.parametrize("message", [STARTED, NOT_STARTED, STOPPED, NOT_STOPPED])
def test_an_answer_twice(message: dict[str, str]):
    """A second answer is an error, and changes nothing."""
    lifespan = serving() if "startup" in message["type"] else stopping()
    if "shutdown" in message["type"]:
        lifespan.send(STOPPED)
    phase = lifespan.phase
    with pytest.raises(LocalProtocolError, match="while"):
        lifespan.send(message)
    assert lifespan.phase is phase


@pytest.mark.parametrize("message", [{}, {"type": None}, {"type": "lifespan.startup"}, {"type": "websocket.accept"}])
def test_an_unknown_message(message: dict[str, Any]):
    """A message that is no answer is malformed."""
    with pytest.raises(InvalidMessage, match="expected"):
        Lifespan("auto").send(message)


def test_a_startup_that_is_over_has_no_deadline():
    """`begin_startup` bounds a startup that is under way, and nothing else."""
    lifespan = serving()
    lifespan.begin_startup(now=0.0, timeout=5.0)
    assert lifespan.next_timeout() is None


def test_an_answer_that_cannot_be_awaited_is_a_failed_startup_only_before_the_startup_is_over():
    """Calling the application is its startup's first step: afterwards there is nothing that could fail in this way."""
    starting, started = Lifespan("auto"), serving()
    for lifespan in (starting, started):
        lifespan.application_not_awaitable(None)
    assert starting.phase is LifespanPhase.FAILED
    assert "NoneType" in starting.failure
    assert started.phase is LifespanPhase.SERVING
    assert started.failure == ""
