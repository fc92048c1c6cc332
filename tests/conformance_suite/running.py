"""What the suite says about servers and clients, for tests to look at."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.real_time import PATIENCE, TIMEOUT

from wscore.conformance.cases import chosen
from wscore.conformance.clients import Clients
from wscore.conformance.outcome import Outcome, Result
from wscore.conformance.server_peer import Address
from wscore.conformance.servers import Server, examine

ROOT = Path(__file__).parents[2]

QUICK = [
    *("handshake.*", "frames.length.*", "frames.mask.*", "frames.rsv.*", "fragments.*-text", "fragments.text-*"),
    *("control.ping.*", "close.*", "utf8.cut.*", "utf8.fail-fast.*", "utf8.invalid.surrogate.*"),
    *("deflate.offer.*", "deflate.decline.*", "deflate.answer.*", "deflate.stream.*", "deflate.wrong.*"),
    *("security.smuggling.*", "security.header.*", "security.announced.*", "security.resets.before-head"),
]
"""Some of every family; no large messages, no floods, nothing that waits for a timeout of the server's."""


def examined(port: int, patterns: Sequence[str] = (), *, patience: float = PATIENCE) -> list[Result]:
    """Hold cases with the server on a port of this machine."""
    server = Server("127.0.0.1", port, Address(f"127.0.0.1:{port}"))
    return asyncio.run(examine(server, chosen("server", patterns), patience=patience))


def not_strict(results: Sequence[Result]) -> dict[str, str]:
    """Return what did not pass strictly, by id."""
    fine = (Outcome.PASS, Outcome.NOT_APPLICABLE)
    return {result.id: f"{result.outcome.value}: {result.says}" for result in results if result.outcome not in fine}


def client_examined(client: Callable[[str], Any], patterns: Sequence[str] = ()) -> list[Result]:
    """Serve cases to a client that runs in a thread of its own: it is given the address."""
    failures: list[BaseException] = []

    def drive(uri: str) -> None:
        try:
            client(uri)
        except BaseException as error:  # whatever it is, the test shall see it
            failures.append(error)

    async def serve() -> list[Result]:
        clients = Clients(chosen("client", patterns), patience=PATIENCE)
        host, port = clients.listen("127.0.0.1", 0)
        thread = threading.Thread(target=drive, args=(f"ws://{host}:{port}",), daemon=True)
        thread.start()
        try:
            waiting: Awaitable[list[Result]] = clients.wait()
            return await asyncio.wait_for(waiting, 10 * TIMEOUT)
        finally:
            await asyncio.to_thread(thread.join, PATIENCE)

    results = asyncio.run(serve())
    assert failures == []
    return results


@contextmanager
def process(source: str) -> Iterator[int]:
    """Run a program that prints the port it serves on, and give that."""
    with subprocess.Popen(
        [sys.executable, "-c", source], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stdout is not None
        try:
            yield int(running.stdout.readline())
        finally:
            running.kill()
