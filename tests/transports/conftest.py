"""Each test of a transport runs on both libraries."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)
