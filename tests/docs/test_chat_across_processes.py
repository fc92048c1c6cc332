"""The chat over two workers and a Redis starts with the one command that the documentation prints."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect

from ..real_time import TIMEOUT
from ..redis_server import needs_redis

pytestmark = needs_redis

ROOT = Path(__file__).parents[2]
COMMAND = "python docs/examples/chat_across_processes.py"


@pytest.fixture(params=["asyncio", "trio"])
def started(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as it is printed, on a free port; gives the process and the address."""
    arguments = [*COMMAND.split()[1:], "--port", "0", "--backend", str(request.param), "--log-level", "error"]
    with subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().partition(" on ")[2].partition(" (")[0]
        finally:
            process.send_signal(signal.SIGTERM)  # not SIGKILL: it has processes of its own to end
            assert process.wait(TIMEOUT) == 0


def join(url: str) -> ClientConnection:
    """Connect; the client reads on whether or not the test does, or it would not see the answer to its close."""
    return connect(url, max_queue=None)


def ask(client: ClientConnection) -> tuple[int, int]:
    """Ask how many are there, and who serves."""
    client.send("/who")
    while not (match := re.fullmatch(r"(\d+) are here; process (\d+) serves you", str(client.recv(TIMEOUT)))):
        pass
    return int(match[1]), int(match[2])


def test_the_documentation_prints_the_command() -> None:
    """In the tutorial and in the how-to guide."""
    for page in ("tutorial/chat.md", "howto/rooms-across-processes.md"):
        assert f"\n{COMMAND}\n" in (ROOT / "docs" / page).read_text()


def test_who_talks_is_heard_in_the_other_process(started: tuple[subprocess.Popen[str], str]) -> None:
    """Two clients with different workers are in one room, and each knows that both are there."""
    _, url = started
    with ExitStack() as stack, ThreadPoolExecutor(20) as threads:
        clients: dict[int, ClientConnection] = {}
        connected = 0
        while len(clients) < 2:  # the system may give them all to one, less so if many come at once
            assert connected < 400
            for client in threads.map(join, [f"{url}/chat/lobby"] * 20):
                stack.enter_context(client)
                connected += 1
                clients.setdefault(ask(client)[1], client)
        one, two = clients.values()
        last = time.monotonic() + TIMEOUT
        while ask(two)[0] != connected:
            assert time.monotonic() < last
        one.send("hello")
        while not str(two.recv(TIMEOUT)).endswith(": hello"):
            pass
