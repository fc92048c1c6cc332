"""The soak's processes: the server, and one that keeps a core busy; each ends with its block, or by itself before."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import sniffio

HANGS: Final = 60.0
"""Seconds after which whatever is waited for does not come any more."""


@contextlib.contextmanager
def server(backend: str, config: dict[str, Any], certificate: str | None, seconds: float) -> Iterator[tuple[int, Any]]:
    """Run the server; gives its port, and the file that it writes on standard error."""
    given = {"backend": backend, "config": config, "certificate": certificate, "seconds": int(seconds)}
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            [sys.executable, "-m", "fuzz._soak_server", json.dumps(given)],
            cwd=Path(__file__).parents[1],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(each) for each in sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), log
            process.communicate("", timeout=HANGS)
        finally:
            process.kill()


@contextlib.contextmanager
def certificates(tls: bool) -> Iterator[tuple[str | None, ssl.SSLContext | None]]:
    """Make a certificate for the server, and who trusts it."""
    if not tls:
        yield None, None
        return
    import trustme

    authority, context = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(context)
    with authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.tempfile() as path:
        yield path, context


@contextlib.contextmanager
def burning(seconds: float) -> Iterator[None]:
    """Keep a core busy for that long, and no longer than the block takes."""
    burn = f"import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
    with subprocess.Popen([sys.executable, "-c", burn]) as process:
        try:
            yield
        finally:
            process.kill()


def counted() -> dict[str, int]:
    """Count the tasks and the descriptors of this process, from within its event loop."""
    if sniffio.current_async_library() == "trio":
        import trio

        tasks = trio.lowlevel.current_statistics().tasks_living
    else:
        tasks = len(asyncio.all_tasks())
    return {"tasks": tasks, "descriptors": len(os.listdir("/proc/self/fd"))}
