"""Serving an application object with `wscore run`'s defaults, for frameworks whose `app.start()` serves."""

from __future__ import annotations

from typing import Any

from .main import exit_status, parser
from .run.command import serve_here

__all__ = ["serve"]


def serve(app: Any, name: str, *, host: str = "127.0.0.1", port: int = 8000, backend: str = "asyncio") -> int:
    """Serve an application as `wscore run` does, and return the exit status. It handles SIGINT and SIGTERM meanwhile.

    `name` is what the line that prints the address calls it.
    """
    options = parser().parse_args(["run", name, "--host", host, "--port", str(port), "--backend", backend])
    return exit_status(lambda: serve_here(app, options))
