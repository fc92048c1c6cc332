"""Two processes that serve the same port: `python -m bench.servers.two_workers PORT wscore|uvicorn LOOP`."""

from __future__ import annotations

import os
import sys

APP = "bench.servers.workers_app:app"


def main(port: str, server: str, loop: str) -> None:
    """Become the command that a user would give."""
    options = ["--host", "127.0.0.1", "--port", port, "--workers", "2", "--no-access-log", "--lifespan", "off"]
    if server == "uvicorn":
        options += ["--ws", "websockets-sansio", "--loop", loop, "--log-level", "error"]
        command = [sys.executable, "-m", "uvicorn", *options, APP]
    else:
        on = ["--backend", "trio"] if loop == "trio" else ["--loop", loop]
        command = [sys.executable, "-m", "wscore", "run", *options, *on, "--log-level", "error", APP]
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
