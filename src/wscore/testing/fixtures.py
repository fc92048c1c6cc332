"""Fixtures for pytest: put `pytest_plugins = ["wscore.testing.fixtures"]` into a conftest.py, or import them there.

Not an entry point, because pytest would load it in every run in an environment that has wscore installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Literal

import pytest

from wscore import Application

from ._client import TestClient

__all__ = ["websocket_backend", "websocket_client"]


@pytest.fixture
def websocket_backend() -> Literal["asyncio", "trio"]:
    """The backend of `websocket_client`, "asyncio". Override this fixture for another, or with `params` for both."""
    return "asyncio"


@pytest.fixture
def websocket_client(websocket_backend: Literal["asyncio", "trio"]) -> Iterator[Callable[..., TestClient]]:
    """Return a function that makes entered clients: `websocket_client(app, **options) -> TestClient`.

    `options` are those of `TestClient`. The applications' lifespans last until the test ends.
    """
    with ExitStack() as stack:

        def make(app: Application, **options: Any) -> TestClient:
            options.setdefault("backend", websocket_backend)
            return stack.enter_context(TestClient(app, **options))

        yield make
