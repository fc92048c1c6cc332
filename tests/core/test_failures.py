"""What is told of an application that failed: whether, in which words, in which order."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from wscore import ClientDisconnected, failure_log_entry
from wscore._core.asgi.failures import exception_line, format_message, headline, is_interrupt

BEGINNING = "Traceback (most recent call last):"
LEFT = ClientDisconnected(1001, "")


@pytest.mark.parametrize("error", [ValueError("x"), ExceptionGroup("several", [ValueError("x"), KeyError("y")])])
def test_an_exception_is_logged_with_its_traceback(error: Exception) -> None:
    """What an application raises is for the log."""
    report = failure_log_entry(error, answered=True)
    assert report is not None
    assert (report.severity, report.error) == ("error", error)


def test_a_group_of_one_is_what_it_holds() -> None:
    """A task group wraps whatever ends it: the log shows that, however deep it lies."""
    error = ValueError("x")
    report = failure_log_entry(ExceptionGroup("outer", [ExceptionGroup("inner", [error])]), answered=True)
    assert report is not None
    assert report.error is error


@pytest.mark.parametrize("error", [LEFT, ExceptionGroup("group", [LEFT])])
def test_a_client_that_left_is_not_logged(error: Exception) -> None:
    """Nor is what was raised because of it."""
    assert failure_log_entry(error, answered=True) is None
    other = RuntimeError("sending failed")
    other.__cause__ = error
    assert failure_log_entry(other, answered=True) is None


@pytest.mark.parametrize("error", [SystemExit(2), GeneratorExit(), asyncio.CancelledError(), BaseException("own")])
def test_what_is_no_exception_is_logged_by_its_name(error: BaseException) -> None:
    """A line that has not even a message says what it was."""
    for raised in (error, BaseExceptionGroup("group", [error])):
        report = failure_log_entry(raised, answered=True)
        assert report is not None
        assert type(error).__name__ in report.text
        assert report.error is error


def test_a_return_without_an_answer_is_logged() -> None:
    """The client gets 500 then, and the log says why; a return with one is the ordinary end."""
    report = failure_log_entry(None, answered=False)
    assert report is not None
    assert report.severity == "error"
    assert "returned before" in report.text
    assert failure_log_entry(None, answered=True) is None


def test_the_servers_own_cancellation_is_not_logged() -> None:
    """What the application raised besides, when it was cancelled, is; and so is a cancellation of somebody else's."""
    kind = asyncio.CancelledError
    error = ValueError("while cleaning up")
    assert failure_log_entry(kind(), answered=True, cancelled=kind) is None
    assert failure_log_entry(BaseExceptionGroup("g", [kind(), kind()]), answered=False, cancelled=kind) is None
    report = failure_log_entry(BaseExceptionGroup("g", [kind(), error]), answered=True, cancelled=kind)
    assert report is not None
    assert report.error is error
    assert failure_log_entry(kind(), answered=True) is not None
    assert failure_log_entry(None, answered=True, cancelled=kind) is None


def test_an_interrupt_is_found_in_groups() -> None:
    """KeyboardInterrupt is the operator's, wherever a task group has put it."""
    assert is_interrupt(KeyboardInterrupt())
    assert is_interrupt(BaseExceptionGroup("g", [ValueError(), BaseExceptionGroup("h", [KeyboardInterrupt()])]))
    assert not is_interrupt(SystemExit())
    assert not is_interrupt(ExceptionGroup("g", [ValueError()]))


def test_names() -> None:
    """An exception without a text is its type; a text is one line."""
    assert exception_line(SystemExit()) == "SystemExit"
    assert exception_line(ValueError("two\n lines")) == "ValueError: two lines"


def failing() -> None:
    raise ValueError("the database is down\n  and nobody knows why")


def formatted(kind: str) -> str:
    try:
        if kind == "plain":
            failing()
        elif kind == "chained":
            try:
                failing()
            except ValueError as error:
                raise RuntimeError("no start") from error
        elif kind == "syntax":
            compile("a = = 1", "settings.py", "exec")
        else:
            try:
                failing()
            except ValueError as error:
                raise ExceptionGroup("unhandled errors", [error]) from None
    except Exception:
        return traceback.format_exc()
    raise AssertionError


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("plain", "ValueError: the database is down"),
        ("chained", "RuntimeError: no start"),
        ("syntax", "SyntaxError: invalid syntax"),
        ("group", "ValueError: the database is down"),
    ],
)
def test_a_traceback_is_told_from_its_end(kind: str, line: str) -> None:
    """The line that a traceback is about comes first, and then all of it with its line ends."""
    text = formatted(kind)
    assert headline(text) == line
    assert format_message(text) == f"{line}\n{text.rstrip()}"


@pytest.mark.parametrize("text", ["no database", "no\n  database\n", 'see File "x", line 1\nno database'])
def test_words_that_are_no_traceback_are_one_line(text: str) -> None:
    """An application's own message is told as it is, without its line ends."""
    assert format_message(text) == headline(text) == " ".join(text.split())


@pytest.mark.parametrize("text", [BEGINNING, f'{BEGINNING}\n  File "x"'])
def test_half_a_traceback_is_told_as_well(text: str) -> None:
    """What only begins like one is one line."""
    assert headline(text) == " ".join(text.split())
