"""wscore passes the conformance suite strictly: its servers and its clients, on both transports."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import trio
from docs.examples.echo import app as echo
from tests.serving import BACKENDS, serving

import wscore_asyncio
import wscore_trio
from wscore import Config, Disconnected, HandshakeFailed, ServerConfig
from wscore.conformance.outcome import Outcome, Result

from .running import QUICK, client_examined, examined, not_strict

NOT_APPLICABLE = {
    "deflate.window.peer-8",  # zlib has no raw window of 8 bits, so that offer is declined
    "deflate.answer.not-offered",  # our clients offer compression
}


def _all_pass(results: list[Result]) -> None:
    assert not_strict(results) == {}
    assert {result.id for result in results if result.outcome is Outcome.NOT_APPLICABLE} <= NOT_APPLICABLE


def _served(backend: str, patterns: list[str]) -> list[Result]:
    config = ServerConfig(max_message_size=2**25, handshake_timeout=2.0)
    with serving(echo, backend, config=config, lifespan="off") as port:
        return examined(port, patterns)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_server_passes(backend: str) -> None:
    """Some of every family."""
    _all_pass(_served(backend, QUICK))


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_server_passes_all(backend: str) -> None:
    """All of it, with messages of 16 MiB."""
    results = _served(backend, [])
    _all_pass(results)
    assert len(results) > 480


CLIENT_CONFIG = Config(max_message_size=2**25)


def _uris(uri: str, count: int) -> list[str]:
    return [f"{uri}/runCase?case={number}&agent=wscore" for number in range(1, count + 1)]


async def _drive(connect: Any, uri: str) -> None:
    """What a client's own tests need to be driven through the cases: the how-to guide prints the same."""
    async with connect(f"{uri}/getCaseCount") as ws:
        count = int(await anext(aiter(ws)))
    for case in _uris(uri, count):
        try:
            async with connect(case, config=CLIENT_CONFIG) as ws:
                async for message in ws:
                    await ws.send(message)
        except (Disconnected, HandshakeFailed):
            pass
    async with connect(f"{uri}/updateReports?agent=wscore"):
        pass


def _on_asyncio(uri: str) -> None:
    asyncio.run(_drive(wscore_asyncio.connect, uri))


def _on_trio(uri: str) -> None:
    trio.run(_drive, wscore_trio.connect, uri)


CLIENTS = {"asyncio": _on_asyncio, "trio": _on_trio}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_client_passes(backend: str) -> None:
    """Some of every family."""
    _all_pass(client_examined(CLIENTS[backend], QUICK))


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_client_passes_all(backend: str) -> None:
    """All of it, with messages of 16 MiB."""
    results = client_examined(CLIENTS[backend])
    _all_pass(results)
    assert len(results) > 400
