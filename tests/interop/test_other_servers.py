"""The application layer and its dialects run on servers of others: it is ASGI and nothing else."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from ..real_time import TIMEOUT

SERVERS = {  # hypercorn with no workers: it serves in the process that is started, and ended, here
    "uvicorn-sansio": ["uvicorn", "--ws", "websockets-sansio", "--log-level", "critical", "--fd", "{fd}"],
    "uvicorn-wsproto": ["uvicorn", "--ws", "wsproto", "--log-level", "critical", "--fd", "{fd}"],
    "hypercorn-asyncio": ["hypercorn", "-w", "0", "-k", "asyncio", "--bind", "fd://{fd}"],
    "hypercorn-trio": ["hypercorn", "-w", "0", "-k", "trio", "--bind", "fd://{fd}"],
}


@pytest.fixture(scope="module", params=SERVERS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server of somebody else's; its socket listens before it does, so that nobody comes too early."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        fd = listener.fileno()
        command = [argument.format(fd=fd) for argument in SERVERS[request.param]]
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "tests.interop.dialects:app"],
            cwd=Path(__file__).parents[2],
            pass_fds=[fd],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.kill()
            process.wait()


def test_rooms(url: str) -> None:
    """What one member of a room says, all hear."""
    with connect(f"{url}/chat/a", open_timeout=TIMEOUT) as first, connect(f"{url}/chat/a") as second:
        first.send("hello")
        assert first.recv(TIMEOUT) == second.recv(TIMEOUT) == "hello"


def test_a_crash_closes_with_1011(url: str) -> None:
    """A handler that raises closes its connection with 1011, on servers too that would just drop it."""
    with connect(f"{url}/crash", open_timeout=TIMEOUT) as client:
        client.send("x")
        with pytest.raises(ConnectionClosed):
            client.recv(TIMEOUT)
    assert client.close_code == 1011


def test_no_such_path(url: str) -> None:
    """A path that no route matches is refused before it is accepted."""
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{url}/nowhere", open_timeout=TIMEOUT)
    assert refused.value.response.status_code == 404


def test_starlette(url: str) -> None:
    """Starlette's manner: accept with a subprotocol, iterate, send."""
    with connect(f"{url}/starlette", subprotocols=["a", "b"], open_timeout=TIMEOUT) as client:
        assert client.subprotocol == "b"
        client.send("x")
        assert client.recv(TIMEOUT) == "Message text was: x"


def test_apistellar(url: str) -> None:
    """apistellar's manner: what a function returns is sent as JSON."""
    with connect(f"{url}/apistellar/stellar", open_timeout=TIMEOUT) as client:
        client.send("hello,")
        assert client.recv(TIMEOUT) == '{"got": "hello,"}'


def test_apistar(url: str) -> None:
    """apistar's manner: what a handler returns is sent, and the connection closed."""
    with connect(f"{url}/apistar/ping", open_timeout=TIMEOUT) as client:
        client.send("x")
        assert client.recv(TIMEOUT) == "pong to x"
        with pytest.raises(ConnectionClosed):
            client.recv(TIMEOUT)
    assert client.close_code == 1000


def test_robyn(url: str) -> None:
    """Robyn's manner: events, and a close that lets the return value go first."""
    with connect(f"{url}/robyn/web_socket", open_timeout=TIMEOUT) as client:
        assert client.recv(TIMEOUT) == "Connected to ws"
        client.send("x")
        assert client.recv(TIMEOUT) == "Message received"
        client.send("disconnect")
        assert client.recv(TIMEOUT) == "Closing connection"
        with pytest.raises(ConnectionClosed):
            client.recv(TIMEOUT)
    assert client.close_code == 1000
