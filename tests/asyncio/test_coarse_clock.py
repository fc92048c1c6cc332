"""A loop that calls a little too early, as one does whose clock is coarse: uvloop's counts milliseconds."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from tests.client.servers import scripted, upgrade
from tests.core.peer import head, pong, read_frames

from wscore import Config, ConnectionClosed
from wscore_asyncio import connect, serve

PINGS = Config(ping_interval=0.05)
PING = 9


class EarlyLoop(asyncio.SelectorEventLoop):
    """Calls everything 10 ms too early."""

    def call_at(self, when: float, *callback: Any, **context: Any) -> asyncio.TimerHandle:
        return super().call_at(when - 0.01, *callback, **context)


def run(main: Any) -> None:
    with asyncio.Runner(loop_factory=EarlyLoop) as runner:
        runner.run(asyncio.wait_for(main, 30))


async def waits(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await receive()


def test_a_server_pings_on() -> None:
    """Each ping is followed by another: a deadline that came early is met, or waited for again."""

    async def main() -> None:
        async with serve(waits, lifespan="off", config=PINGS) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(head())
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(5):
                first = await reader.readexactly(2)
                (ping,) = read_frames(first + await reader.readexactly(first[1]))
                assert ping.opcode == PING
                writer.write(pong(ping.payload))
            writer.close()

    run(main())


def test_a_client_pings_on() -> None:
    """The same at the other end."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        for _ in range(5):
            first = sock.recv(2, socket.MSG_WAITALL)
            assert first[0] == 0x80 | PING
            size = first[1] & 0x7F
            masked = sock.recv(4 + size, socket.MSG_WAITALL)
            payload = bytes(byte ^ masked[index % 4] for index, byte in enumerate(masked[4:]))
            sock.sendall(bytes([0x8A, size]) + payload)
        sock.sendall(b"\x88\x02\x03\xe8")

    with scripted(play) as port:

        async def main() -> None:
            async with connect(f"ws://127.0.0.1:{port}/", config=PINGS) as ws:
                with pytest.raises(ConnectionClosed):
                    await ws.recv()

        run(main())
