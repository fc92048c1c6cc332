"""What is logged about an application that failed, and in which words.

An application may raise any exception. Only `KeyboardInterrupt` may take down the server, since it comes from the
operator and not from the application; `SystemExit` is what argparse raises on a user's text.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, cast

from ..errors import caused_by_disconnect

__all__ = [
    "LogEntry",
    "exception_line",
    "failure_log_entry",
    "format_message",
    "headline",
    "is_interrupt",
    "unwrap_group",
]


@dataclasses.dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry for the log. `error` is the exception whose traceback is logged with it."""

    severity: Literal["debug", "warning", "error"]
    text: str
    error: BaseException | None = None


def failure_log_entry(
    error: BaseException | None, *, answered: bool, cancelled: type[BaseException] | None = None
) -> LogEntry | None:
    """Return what to log about a connection's application that has ended.

    Args:
        error: What it raised; None if it returned.
        answered: Whether it has accepted or refused the connection, or the peer left before that.
        cancelled: The library's cancellation exception, if the server itself cancelled the application. It is ignored,
            and only the rest of a group is logged. Without it a cancellation came from elsewhere and is a failure.

    Returns:
        The entry, or None if there is nothing to log.
    """
    if cancelled is not None and error is not None:
        error = _without(error, cancelled)
        if error is None:
            return None
    if error is None:
        if answered:
            return None
        return LogEntry(
            "error", "the application returned before it sent websocket.accept or websocket.close: the client gets 500"
        )
    if caused_by_disconnect(error):
        return None
    error = unwrap_group(error)
    if isinstance(error, Exception):
        return LogEntry("error", "the application failed", error)
    # Each of these would end the whole program, or a task other than the application's.
    return LogEntry(
        "error", f"the application failed: it raised {type(error).__name__}, which ends nothing else", error
    )


def _without(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.split(kind)[1]
    return None if isinstance(error, kind) else error


def is_interrupt(error: BaseException) -> bool:
    """Return whether `error` is a KeyboardInterrupt or a group with one: it passes through all failure handling."""
    group: Any = error
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_interrupt, group.exceptions))
    return isinstance(error, KeyboardInterrupt)


def unwrap_group(error: BaseException) -> BaseException:
    """Return the only member of a group of one: task groups wrap whatever ends them."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return unwrap_group(group.exceptions[0]) if len(group.exceptions) == 1 else group
    return error


def exception_line(error: BaseException) -> str:
    """Describe the exception in one line, like the last line of a traceback."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def format_message(text: str) -> str:
    """Format an application's own message: in one line, or, if it is a traceback, the headline and the traceback."""
    first = headline(text)
    return f"{first}\n{text.rstrip()}" if _frames(text) else first


def headline(text: str) -> str:
    """Return the essential line of `text`: the exception of a traceback, else the whole text in one line.

    Starlette and FastAPI answer a startup that raised with the whole traceback, in which the exception comes last.
    """
    lines = text.splitlines()
    frames = _frames(text)
    if frames:
        # A frame is indented by two more than its exception; in a group's traceback both follow a column of "|".
        depth = lines[frames[-1]].index('File "') - 2
        for line in lines[frames[-1] + 1 :]:
            if line[depth : depth + 1].strip():
                return line[depth:].strip()
    return " ".join(text.split())


def _frames(text: str) -> list[int]:
    """Find the lines of a traceback that name a file; none if `text` is not a traceback."""
    if "Traceback (most recent call last):" not in text:
        return []
    return [at for at, line in enumerate(text.splitlines()) if line.lstrip(" |").startswith('File "')]
