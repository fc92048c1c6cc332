"""Our clients with servers of others, in processes of their own: uvicorn, hypercorn, and Node's `ws`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from wscore import Config, ConnectionClosed, HandshakeRefused

pytestmark = pytest.mark.anyio

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
APP = "tests.client.echoing:app"
SERVERS = {  # hypercorn with no workers: it serves in the process that is started, and ended, here
    "uvicorn-sansio": [sys.executable, "-m", "uvicorn", "--ws", "websockets-sansio", "--fd", "{fd}", APP],
    "uvicorn-wsproto": [sys.executable, "-m", "uvicorn", "--ws", "wsproto", "--fd", "{fd}", APP],
    "hypercorn-asyncio": [sys.executable, "-m", "hypercorn", "-w", "0", "-k", "asyncio", "--bind", "fd://{fd}", APP],
    "hypercorn-trio": [sys.executable, "-m", "hypercorn", "-w", "0", "-k", "trio", "--bind", "fd://{fd}", APP],
    "node-ws": ["node", str(HERE / "echo.js"), "{fd}"],
}
# Debian's package node-ws puts it where its own node looks, and others do not.
WITH_MODULES = {
    **os.environ,
    "NODE_PATH": os.pathsep.join(filter(None, [os.environ.get("NODE_PATH"), "/usr/share/nodejs"])),
}


def has_node_ws() -> bool:
    if not shutil.which("node"):
        return False
    return not subprocess.run(
        ["node", "-e", "require('ws')"], env=WITH_MODULES, capture_output=True, check=False
    ).returncode


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Its name and its address; the socket listens before the server does, so that nobody comes too early."""
    if request.param == "node-ws" and not has_node_ws():
        pytest.skip("Node's ws is not installed (on Debian: apt-get install node-ws)")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        fd = listener.fileno()
        process = subprocess.Popen(
            [argument.format(fd=fd) for argument in SERVERS[request.param]],
            cwd=ROOT,
            env=WITH_MODULES,
            pass_fds=[fd],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield request.param, f"ws://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.kill()
            process.wait()


async def pieces(*all_of_them: Any) -> AsyncIterator[Any]:
    for each in all_of_them:
        yield each


@pytest.mark.parametrize("compression", [True, False])
async def test_every_message_comes_back(connect: Any, server: tuple[str, str], compression: bool) -> None:
    """Text and binary of any size, whole and in fragments, compressed where both agree to it; pings beside them."""
    _, url = server
    async with connect(url, config=Config(compression=compression)) as ws:
        extensions = dict(ws.response.headers).get(b"sec-websocket-extensions", b"")
        assert extensions.startswith(b"permessage-deflate") is compression
        for message in ["h\xe4llo", "", b"", b"\x00\xff", "h\xe4 " * 50_000, os.urandom(1_000_000)]:
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send(pieces("one ", "two ", "", "h\xe4 " * 500))
        assert await ws.recv() == "one two " + "h\xe4 " * 500
        assert await ws.ping() >= 0
    assert ws.close_code == 1000


async def test_many_in_flight(connect: Any, server: tuple[str, str]) -> None:
    """What was sent without waiting comes back in order."""
    _, url = server
    async with connect(url) as ws:
        for number in range(300):
            await ws.send(f"{number} " + "x" * 100)
        for number in range(300):
            assert (await ws.recv()).startswith(f"{number} ")


async def test_the_first_subprotocol_is_taken(connect: Any, server: tuple[str, str]) -> None:
    """What the server chose is told."""
    _, url = server
    async with connect(url, subprotocols=["a", "b"]) as ws:
        assert ws.subprotocol == "a"


async def test_a_close_of_ours_is_answered(connect: Any, server: tuple[str, str]) -> None:
    """Code and reason go there and come back; the end is clean."""
    _, url = server
    async with connect(url) as ws:
        await ws.close(4000, "enough")
        with pytest.raises(ConnectionClosed) as closed:
            await ws.recv()
    assert closed.value.code == 4000
    assert closed.value.clean


async def test_a_close_of_the_servers_is_told(connect: Any, server: tuple[str, str]) -> None:
    """Its code and its reason reach who waits for a message."""
    _, url = server
    async with connect(f"{url}/closed") as ws:
        with pytest.raises(ConnectionClosed) as closed:
            await ws.recv()
    assert (closed.value.code, closed.value.reason, closed.value.clean) == (4001, "bye", True)


async def test_a_refusal_is_told(connect: Any, server: tuple[str, str]) -> None:
    """A server that does not upgrade is a HandshakeRefused with its status."""
    _, url = server
    with pytest.raises(HandshakeRefused) as refused:
        async with connect(f"{url}/refused"):
            pass
    assert refused.value.status == 403
