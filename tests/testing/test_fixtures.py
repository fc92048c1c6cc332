"""The fixtures for pytest, as a conftest.py would take them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from wscore.testing import TestClient
from wscore.testing.fixtures import *  # noqa: F403

from .apps import echo, lively

LOG: list[str] = []


@pytest.fixture
def around() -> Iterator[None]:
    """Set up before the client's fixture, and so torn down behind it."""
    LOG.clear()
    yield
    assert LOG == ["startup", "shutdown"]


def test_the_client_runs_the_lifespan(around: None, websocket_client: Callable[..., TestClient]) -> None:
    """From the call until the test is over."""
    client = websocket_client(lively(LOG))
    assert LOG == ["startup"]
    with client.websocket_connect("/") as ws:
        assert ws.receive_text() == "kept"


def test_options_are_passed_on(websocket_client: Callable[..., TestClient]) -> None:
    """All of TestClient's."""
    client = websocket_client(echo, backend="trio", timeout=7)
    assert client.timeout == 7
    with client.websocket_connect("/") as ws:
        ws.send_text("a")
        assert ws.receive_text() == "a"


class TestOfAnotherBackend:
    @pytest.fixture(params=["asyncio", "trio"])
    def websocket_backend(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def test_the_backend_is_a_fixture_of_its_own(
        self, websocket_backend: str, websocket_client: Callable[..., TestClient]
    ) -> None:
        """Overridden, it holds for all clients."""
        found: list[str] = []

        async def app(scope: object, receive: object, send: Callable[..., object]) -> None:
            found.append("trio" if trio.lowlevel.in_trio_run() else "asyncio")
            raise NotImplementedError

        websocket_client(app)
        assert found == [websocket_backend]


CONFTEST = 'pytest_plugins = ["wscore.testing.fixtures"]'
TEST = """
import pytest

@pytest.fixture(params=["asyncio", "trio"])
def websocket_backend(request):
    return request.param

async def app(scope, receive, send):
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "hello"})

def test_hello(websocket_client):
    with websocket_client(app).websocket_connect("/") as ws:
        assert ws.receive_text() == "hello"
"""


def test_a_conftest_may_name_them_as_a_plugin(tmp_path: Path) -> None:
    """As the page on testing says."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
