"""What is told of an application that failed: whether anything is, in which words, and in which order.

An application may raise whatever Python has. Nothing of it may take down a server but `KeyboardInterrupt`, which is the
operator's and not the application's; `SystemExit` is what argparse raises on a user's text.
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
    """Something for the log. `error` is an exception whose traceback belongs to it."""

    severity: Literal["debug", "warning", "error"]
    text: str
    error: BaseException | None = None


def failure_log_entry(
    error: BaseException | None, *, answered: bool, cancelled: type[BaseException] | None = None
) -> LogEntry | None:
    """Say what the log tells of a connection's application that has ended; None: nothing.

    `error` is what it raised, None where it returned. `answered`: it has accepted or refused, or there was nobody left
    to do that for. `cancelled` is the library's exception where the server itself has cancelled the application: that
    is left out, and what remains of a group is told. Without it, a cancellation is somebody else's, and a failure.
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
    # Each of these would end a whole program, or a task that is not the application's.
    return LogEntry(
        "error", f"the application failed: it raised {type(error).__name__}, which ends nothing else", error
    )


def _without(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.split(kind)[1]
    return None if isinstance(error, kind) else error


def is_interrupt(error: BaseException) -> bool:
    """Tell whether `error` is, or in a group holds, a KeyboardInterrupt: that passes whoever contains failures."""
    group: Any = error
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_interrupt, group.exceptions))
    return isinstance(error, KeyboardInterrupt)


def unwrap_group(error: BaseException) -> BaseException:
    """Give what a group of one holds: task groups wrap whatever ends them."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return unwrap_group(group.exceptions[0]) if len(group.exceptions) == 1 else group
    return error


def exception_line(error: BaseException) -> str:
    """Name the exception in one line, as the last line of a traceback does."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def format_message(text: str) -> str:
    """Give an application's own words: in one line, or its traceback behind the line that it is about."""
    first = headline(text)
    return f"{first}\n{text.rstrip()}" if _frames(text) else first


def headline(text: str) -> str:
    """Give the line that `text` is about: of a traceback the exception's, else all of it in one line.

    Starlette and FastAPI answer a startup that raised with the whole traceback, whose point comes last.
    """
    lines = text.splitlines()
    frames = _frames(text)
    if frames:
        # A frame is two deeper than its exception; in a group's traceback both stand behind a rule of "|".
        depth = lines[frames[-1]].index('File "') - 2
        for line in lines[frames[-1] + 1 :]:
            if line[depth : depth + 1].strip():
                return line[depth:].strip()
    return " ".join(text.split())


def _frames(text: str) -> list[int]:
    """Find the lines of a traceback that name a file; none where `text` is no traceback."""
    if "Traceback (most recent call last):" not in text:
        return []
    return [at for at, line in enumerate(text.splitlines()) if line.lstrip(" |").startswith('File "')]
