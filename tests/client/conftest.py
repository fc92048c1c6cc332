"""Clients on each backend, servers of several makers, and what must be true when a test is over."""

from __future__ import annotations

import contextlib
import importlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest
import trustme

from ..conformance.harness import PATIENCE, TRANSPORTS, Running, open_sockets, quick
from .servers import BACKENDS, Script, scripted

Connect = Callable[..., Any]


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No socket outlives its test."""
    before = open_sockets()
    yield
    left = open_sockets() - before
    assert not left, "sockets that outlived the test"


@pytest.fixture
async def connect(anyio_backend_name: str, nothing_is_left: None) -> AsyncIterator[Connect]:
    """`wscore_asyncio.connect` or `wscore_trio.connect`; a test that hangs fails."""
    del nothing_is_left
    with anyio.fail_after(PATIENCE):
        yield importlib.import_module(f"wscore_{anyio_backend_name}").connect


@pytest.fixture
def serve(anyio_backend_name: str, nothing_is_left: None) -> Iterator[Callable[..., int]]:
    """Serve an application with our own server on the same backend, and give the port (0: a unix socket)."""
    del nothing_is_left
    servers: list[Running] = []

    def start(app: Any, **options: Any) -> int:
        options = {"config": quick(), "lifespan": "off", "access_log": False} | options
        servers.append(Running(TRANSPORTS[anyio_backend_name], app, options).start())
        return servers[-1].port

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def script(nothing_is_left: None) -> Iterator[Callable[[Script], int]]:
    """Serve one connection with a blocking function that gets its socket, and give the port."""
    del nothing_is_left
    with contextlib.ExitStack() as stack:
        yield lambda play: stack.enter_context(scripted(play))


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def client_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
