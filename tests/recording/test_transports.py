"""What is recorded on one transport is replayed by the core alone, so by the other as well: real conversations."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

import wscore_asyncio
import wscore_trio
from tests.transports.serving import serving
from wscore import Config, ConnectionClosed, HandshakeFailed
from wscore.recording import Payloads, Recorder, Recording, read_recording, replay
from wscore.testing import virtual_asyncio, virtual_trio

LIBRARIES = {"asyncio": (virtual_asyncio, wscore_asyncio), "trio": (virtual_trio, wscore_trio)}
Talk = Callable[[Any], Coroutine[Any, Any, None]]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Echo; the path and some messages say what else to do."""
    await receive()
    if scope["path"] == "/refused":
        await send({"type": "websocket.http.response.start", "status": 403, "headers": [(b"x-why", b"not now")]})
        await send({"type": "websocket.http.response.body", "body": b"not ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"now"})
        return
    if scope["path"] == "/unanswered":
        await anyio.sleep(60)
    await send({"type": "websocket.accept", "headers": [(b"set-cookie", b"id=1")]})
    while (message := await receive())["type"] == "websocket.receive":
        match message.get("text"):
            case "raise":
                raise ValueError
            case "close":
                await send({"type": "websocket.close", "code": 4000, "reason": "as asked"})
            case "sleep":
                await anyio.sleep(100)
            case _:
                await send({**message, "type": "websocket.send"})


async def echoes(ws: Any) -> None:
    for message in ("hello", "", b"\x00\xff" * 500, "word " * 300, "y" * 100_000):
        await ws.send(message)
        assert await ws.recv() == message
    await ws.ping(b"payload")


async def sends_fragments(ws: Any) -> None:
    async def parts() -> Any:
        for part in ("a", "", "bc" * 100):
            yield part

    await ws.send(parts())
    assert await ws.recv() == "a" + "bc" * 100


async def is_closed(ws: Any) -> None:
    await ws.send("close")
    with suppress(ConnectionClosed):
        await ws.recv()


async def fails(ws: Any) -> None:
    await ws.send("raise")
    with suppress(ConnectionClosed):
        await ws.recv()


async def is_cut(ws: Any) -> None:
    await ws.send("before")
    ws._link.abort()
    with suppress(ConnectionClosed):
        await ws.recv()


async def idles(ws: Any) -> None:
    await anyio.sleep(70)
    await ws.send("still there")
    assert await ws.recv() == "still there"


async def waits(ws: Any) -> None:
    await ws.send("sleep")
    await ws.send("unread")
    await ws.close()


SCENARIOS: dict[str, tuple[str, Talk, Config]] = {
    "plain": ("/", echoes, Config(compression=False)),
    "compressed": ("/", echoes, Config()),
    "fragments": ("/", sends_fragments, Config()),
    "closed by the server": ("/", is_closed, Config()),
    "failed": ("/", fails, Config()),
    "cut": ("/", is_cut, Config()),
    "kept alive": ("/", idles, Config()),
    "closed while the application sleeps": ("/", waits, Config(close_timeout=3)),
    "refused": ("/refused", echoes, Config()),
    "timed out": ("/unanswered", echoes, Config(accept_timeout=2)),
    "given up": ("/unanswered", echoes, Config(handshake_timeout=1)),
}


def recorded(library: str, scenario: str, payloads: Payloads, folder: Path) -> dict[str, Recording]:
    """Let a conversation happen under virtual time, both ends recorded."""
    path, talk, config = SCENARIOS[scenario]
    virtual, transport = LIBRARIES[library]
    recorder = Recorder(folder, payloads=payloads)

    async def main() -> None:
        async with serving(library, application, config, recorder=recorder) as server:
            with suppress(ConnectionClosed, HandshakeFailed):
                to = f"ws://h{path}?token=1"
                async with transport.connect(to, unix_path=server.address, config=config, recorder=recorder) as ws:
                    await talk(ws)
            server.close()
            await server.over.wait()

    virtual.run(main)
    return {recording.header["end"]: recording for recording in map(read_recording, sorted(folder.iterdir()))}


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_real_conversation_is_replayed(library: str, scenario: str, tmp_path: Path):
    """On either transport and at either end, whole or hashed; how it ended is the same on both."""
    for payloads in ("whole", "hashed"):
        folder = tmp_path / payloads
        ends = recorded(library, scenario, payloads, folder)
        assert set(ends) == {"client", "server"}
        for end, recording in ends.items():
            found = replay(recording)
            assert found.difference is None, end
            assert found.untold is None, end
            assert found.same == len(recording.lines) > 2
            assert recording.cut is None
            states = [line["then"]["state"] for line in recording.lines if "state" in line.get("then", {})]
            assert states[-1] == "CLOSED"


def outline(recording: Recording) -> str:
    """What does not depend on who reads when: the states, and how it ended."""
    then = [line["then"] for line in recording.lines if "then" in line]
    states = [each["state"] for each in then if "state" in each]
    (*_, last) = [each["close"] for each in then if each.get("close")]
    return json.dumps([states, last], default=float)


@pytest.mark.parametrize("scenario", ["plain", "closed by the server", "failed", "timed out"])
def test_both_transports_record_the_same(scenario: str, tmp_path: Path):
    """The same conversation goes through the same states and comes to the same end on both."""
    first, second = (recorded(library, scenario, "whole", tmp_path / library) for library in LIBRARIES)
    assert {end: outline(each) for end, each in first.items()} == {end: outline(each) for end, each in second.items()}
