"""One application that fails, however it does, and the others."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest

from tests.core import peer as frames
from wscore import Config

from .peer import Peer
from .serving import serving
from .steps import ACCEPT
from .world import VIRTUAL


class Odd(BaseException):
    """A base exception of the application's own."""


@pytest.mark.parametrize("failure", [SystemExit(3), SystemExit("usage"), Odd("odd"), GeneratorExit()], ids=repr)
def test_who_fails_fails_alone(library: str, failure: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """The connection of the culprit is closed with 1011 and logged; the others, and new ones, are served on."""
    virtual = VIRTUAL[library]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        while (message := await receive())["type"] == "websocket.receive":
            if message["text"] == "fail":
                raise failure
            await send({"type": "websocket.send", "text": message["text"]})

    async def say(peer: Peer, text: str) -> list[Any]:
        peer.sends(frames.text(text))
        await virtual.settled()
        peer.exchange()
        return peer.written.items[1:]

    async def main() -> None:
        async with serving(library, app, Config()) as server:
            peers = [server.connect() for _ in range(4)]
            first, culprit, second, later = peers
            for each in (first, culprit, second):
                each.sends(frames.head())
                await virtual.settled()
                await anyio.sleep(1)
            ((opcode, payload),) = await say(culprit, "fail")
            assert (opcode, payload[:2]) == (0x88, b"\x03\xf3")
            later.sends(frames.head())
            for each in (first, second, later):
                assert await say(each, "hello") == [(0x81, b"hello")]
            for each in peers:
                each.closes()
            server.close()
            await server.over.wait()

    with caplog.at_level(logging.WARNING):
        virtual.run(main)
    assert [record for record in caplog.records if record.name.startswith("wscore.")]
