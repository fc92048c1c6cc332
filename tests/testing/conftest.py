"""Both backends, and what must be true when a test is over."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def anyio_backend(backend: str) -> str:
    return backend


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """No event loop outlives its test."""
    before = set(threading.enumerate())
    yield
    assert {t for t in threading.enumerate() if t not in before and t.name.startswith("wscore.testing")} == set()
