"""Where a command writes: the log on stderr, and a standard output that may be ASCII."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    import io

__all__ = ["LOG_LEVELS", "configure_logging", "escape_unencodable_output"]

LOG_LEVELS: Final = {"critical": 50, "error": 40, "warning": 30, "info": 20, "debug": 10, "trace": 5}


def configure_logging(level: str, *, name_process: bool = False) -> None:
    """Set the root logger's level, and give it a handler on stderr where it has none.

    With `name_process` each line has the number of the process that wrote it.

    The root, so that the application's own loggers are seen as well: with only wscore's, as uvicorn has it, they are
    not, and the handler that Python falls back to shows warnings alone.
    """
    logging.addLevelName(LOG_LEVELS["trace"], "TRACE")
    process = "[%(process)d] " if name_process else ""
    logging.basicConfig(format=f"%(asctime)s {process}%(levelname)s %(name)s: %(message)s")
    logging.getLogger().setLevel(LOG_LEVELS[level])


def escape_unencodable_output() -> None:
    """Write what standard output cannot encode as escapes: a terminal may be ASCII."""
    with contextlib.suppress(AttributeError):  # something other than a file may stand in for it
        cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")
