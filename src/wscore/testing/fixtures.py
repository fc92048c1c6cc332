"""Fixtures for pytest: `from wscore.testing.fixtures import *` in a conftest.py, or `pytest_plugins` with this name.

Not an entry point: those are loaded in every run of pytest where wscore is installed, whether or not anybody asked.
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
    """The backend of `websocket_client`. Define a fixture of this name to have another, or both, by its `params`."""
    return "asyncio"


@pytest.fixture
def websocket_client(websocket_backend: Literal["asyncio", "trio"]) -> Iterator[Callable[..., TestClient]]:
    """A function that makes clients, `websocket_client(app, **options)`; their lifespans last until the test ends."""
    with ExitStack() as stack:

        def make(app: Application, **options: Any) -> TestClient:
            options.setdefault("backend", websocket_backend)
            return stack.enter_context(TestClient(app, **options))

        yield make
