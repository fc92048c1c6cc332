"""Loggers that keep working when an application configures logging after they were created.

`logging.config.dictConfig` by default disables every existing logger that it does not name, which few people know: the
server's tracebacks would vanish. Levels, handlers and filters remain under the application's control.

Not part of the core, which logs nothing; `import wscore` does not load it.
"""

from __future__ import annotations

import logging
from typing import Any

__all__ = ["Logger", "logger"]


class Logger(logging.LoggerAdapter[logging.Logger]):
    """A logger that cannot be disabled."""

    def isEnabledFor(self, level: int) -> bool:
        """Return whether this level is logged. Every log call checks this, so the logger is re-enabled here."""
        self.logger.disabled = False
        return super().isEnabledFor(level)

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        """Return the call's arguments unchanged."""
        return msg, kwargs


def logger(name: str) -> Logger:
    """Return the logger of that name. To silence it, set its level."""
    return Logger(logging.getLogger(name), {})
