"""Fixtures: a server on each transport, clients by hand, and what must be true when a test is over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .harness import TRANSPORTS, Records, Running, Transport, open_sockets, quick


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "transport" in metafunc.fixturenames:
        names = ["asyncio", "trio"]
        if metafunc.definition.get_closest_marker("uvloop_too"):
            names.append("uvloop")
        metafunc.parametrize("transport", names, indirect=True)


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> Transport:
    return TRANSPORTS[request.param]


@pytest.fixture
def errors() -> Iterator[Records]:
    """What is logged on wscore.error: a test takes what it expects, and nothing else may be left."""
    with Records("wscore.error", logging.WARNING).attached() as records:
        yield records
        left = [record.getMessage() for record in records.take()]
        assert left == [], "unexpected records on wscore.error"


@pytest.fixture
def access() -> Iterator[Records]:
    with Records("wscore.access", logging.INFO).attached() as records:
        yield records


Serve = Callable[..., Running]


@pytest.fixture
def serve(transport: Transport, errors: Records) -> Iterator[Serve]:
    """Serve an application; at the end the server shuts down gracefully, and no socket and no task is left."""
    before = open_sockets()
    servers: list[Running] = []

    def start(app: Any, **options: Any) -> Running:
        options = {"config": quick(), "lifespan": "off"} | options
        running = Running(transport, app, options)
        servers.append(running)
        return running.start()

    yield start
    for running in servers:
        running.clients.close()
        if running.addresses:  # else it never ran, and its test has seen that
            running.close()
    left = open_sockets() - before
    assert not left, "sockets that outlived the server"
