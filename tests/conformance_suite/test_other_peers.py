"""Peers that others wrote: what everybody gets right passes, and a verdict is the same each time."""

from __future__ import annotations

import contextlib

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.sync.client import connect

from wscore.conformance.outcome import Outcome

from .running import client_examined, examined, process

UVICORN = """
import socket, uvicorn
from docs.examples.echo import app
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, ws="{0}", lifespan="off", log_level="critical")).run(sockets=[listener])
"""
WEBSOCKETS = """
import asyncio, logging
from websockets.asyncio.server import serve
logging.disable(logging.CRITICAL)
async def echo(ws):
    async for message in ws:
        await ws.send(message)
async def main():
    async with serve(echo, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()
asyncio.run(main())
"""
AIOHTTP = """
import asyncio, logging
from aiohttp import WSMsgType, web
logging.disable(logging.CRITICAL)
async def echo(request):
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await ws.send_bytes(message.data)
    return ws
async def main():
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().create_future()
asyncio.run(main())
"""
SERVERS = {
    "uvicorn-wsproto": UVICORN.format("wsproto"),
    "uvicorn-websockets": UVICORN.format("websockets-sansio"),
    "websockets": WEBSOCKETS,
    "aiohttp": AIOHTTP,
}
COMMON = ["frames.length.*-text", "frames.length.*-binary", "fragments.t*", "fragments.*-text", "control.ping.1*"]
COMMON += ["close.code.100*", "utf8.valid.*", "utf8.invalid.*", "deflate.message.*"]
"""What every server in use keeps, leniently; a fault that is found here is more likely the suite's."""


@pytest.mark.parametrize("name", ["websockets", pytest.param("uvicorn-wsproto", marks=pytest.mark.long)])
def test_a_verdict_is_the_same_each_time(name: str) -> None:
    """Two runs, however their cases interleave, come to the same outcomes for the same reasons."""
    patterns = ["handshake.key.*", "handshake.version.*", "frames.rsv.*", "fragments.*", "close.*", "utf8.cut.*"]
    with process(SERVERS[name]) as port:
        first, second = examined(port, patterns), examined(port, patterns)
    assert [(r.id, r.outcome, r.says) for r in first] == [(r.id, r.outcome, r.says) for r in second]


@pytest.mark.long
@pytest.mark.parametrize("name", SERVERS)
def test_what_everybody_gets_right_passes(name: str) -> None:
    """Every MUST that is about plain messages."""
    with process(SERVERS[name]) as port:
        results = examined(port, COMMON)
    assert {r.id: r.says for r in results if r.outcome.lenient is False} == {}


def _websockets(uri: str) -> None:
    with connect(f"{uri}/getCaseCount", proxy=None) as ws:
        count = int(ws.recv())
    for number in range(1, count + 1):
        with (
            contextlib.suppress(ConnectionClosed, InvalidHandshake, InvalidMessage),
            connect(f"{uri}/runCase?case={number}&agent=websockets", proxy=None) as ws,
        ):
            for message in ws:
                ws.send(message)
    with connect(f"{uri}/updateReports?agent=websockets", proxy=None):
        pass


def test_the_client_of_websockets_passes() -> None:
    """Every MUST that is about handshakes, fragments, control frames, closing and text."""
    results = client_examined(_websockets, ["handshake.*", "fragments.*", "control.ping.*", "close.*", "utf8.cut.*"])
    assert {r.id: r.says for r in results if r.outcome.lenient is False} == {}
    assert all(r.outcome is not Outcome.NOT_APPLICABLE for r in results)
