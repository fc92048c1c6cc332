"""Loggers that go on when an application sets up logging, as it may do long after they were made.

`logging.config.dictConfig` disables all loggers that exist and are not named in it, unless told otherwise, which few
people know: a server's tracebacks are gone from then on. Levels, handlers and filters are the application's all the
same.

Not part of the core, which logs nothing, and not loaded by `import wscore`.
"""

from __future__ import annotations

import logging
from typing import Any

__all__ = ["Logger", "logger"]


class Logger(logging.LoggerAdapter[logging.Logger]):
    """A logger that cannot be disabled."""

    def isEnabledFor(self, level: int) -> bool:
        """Tell whether a call with this level would log; each call asks."""
        self.logger.disabled = False
        return super().isEnabledFor(level)

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        """Leave a call as it is."""
        return msg, kwargs


def logger(name: str) -> Logger:
    """Give the logger of that name. To silence it, set its level."""
    return Logger(logging.getLogger(name), {})
