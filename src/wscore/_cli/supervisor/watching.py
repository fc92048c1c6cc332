"""Watches a directory's Python files in a thread. The only file that imports watchfiles."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from ..._logs import logger
from ..failure import Failure

__all__ = ["watch"]

_error_log = logger("wscore.error")
_server_log = logger("wscore.server")


def watch(folder: str, changed: Callable[[], None]) -> None:
    """Call `changed` in another thread whenever Python files below `folder` have changed. Raises Failure."""
    try:
        import watchfiles
    except ModuleNotFoundError as error:
        if error.name != "watchfiles":
            raise
        raise Failure("--reload needs watchfiles, which is not installed: pip install 'wscore[reload]'") from None
    if not os.path.isdir(folder):
        raise Failure(f"--app-dir {folder!r} is not a directory")
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # its INFO lines would repeat ours

    def run() -> None:
        try:
            for changes in watchfiles.watch(folder, watch_filter=watchfiles.PythonFilter(), raise_interrupt=False):
                paths = sorted({os.path.relpath(path, folder) for _, path in changes})
                more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
                _server_log.info("%s%s changed: the worker is started again", paths[0], more)
                changed()
        except Exception as error:  # for example the system's limit of watches: keep serving
            _error_log.error("%s is not watched any more: %s; SIGHUP starts the worker again", folder, error)

    threading.Thread(target=run, name="wscore-reload", daemon=True).start()
