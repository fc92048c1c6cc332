"""A client's deadlines, in the proportions of the defaults, on every event loop. Real time passes here."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from wscore import ConnectionClosed

from ..conformance.harness import proportioned
from ..conformance.wire import CLOSE, PING, PONG, frame
from .servers import LOOPS, read_to_end, upgrade

pytestmark = pytest.mark.anyio


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def read_ping(sock: socket.socket) -> bytes:
    """Read a client's frame, which must be a ping, and give its payload."""
    first, second, *mask = sock.recv(6, socket.MSG_WAITALL)
    assert first & 15 == PING
    payload = sock.recv(second & 0x7F, socket.MSG_WAITALL)
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


async def test_leaving_does_not_wait_for_a_silent_server(connect: Any, script: Callable[..., int]) -> None:
    """A server that answers no close is left after the close timeout, though other deadlines were set before."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        with contextlib.suppress(ConnectionResetError):
            read_to_end(sock)

    async with connect(f"ws://127.0.0.1:{script(play)}/", config=proportioned()) as ws:
        await anyio.sleep(0.01)
    assert ws.close_code == 1000


async def test_a_server_that_is_gone_is_found(connect: Any, script: Callable[..., int]) -> None:
    """An idle server is pinged as long as it answers; one that does not ends the connection with 1006."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        for _ in range(2):
            sock.sendall(frame(PONG, read_ping(sock), mask=None))
        read_ping(sock)
        sock.sendall(frame(PONG, b"not its payload", mask=None))
        read_to_end(sock)

    async with connect(f"ws://127.0.0.1:{script(play)}/", config=proportioned()) as ws:
        with pytest.raises(ConnectionClosed, match="keepalive"):
            await ws.recv()
    assert ws.close_code == 1006


async def test_a_slow_transfer_is_not_cut(connect: Any, script: Callable[..., int]) -> None:
    """A ping behind a large message waits for it: a server that reads slowly, and then answers, is not given up."""
    size, masked_head = 3_000_000, 14
    pongs: list[bytes] = []

    def play(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        upgrade(sock)
        left = size + masked_head
        while left:
            left -= len(sock.recv(min(left, 15_000)))
            time.sleep(0.01)
        pongs.append(read_ping(sock))
        sock.sendall(frame(PONG, pongs[0], mask=None))
        sock.sendall(frame(CLOSE, b"\x0f\xa0", mask=None))
        read_to_end(sock)

    config = proportioned(ping_interval=0.5, ping_timeout=0.5, compression=False)
    async with connect(f"ws://127.0.0.1:{script(play)}/", config=config) as ws:
        await ws.send(bytes(size))
        with pytest.raises(ConnectionClosed, match="4000"):
            await ws.recv()
    assert pongs
