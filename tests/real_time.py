"""Real time in tests: every duration that the outcome of one may depend on is scaled by `WSCORE_TEST_TIME_SCALE`.

The variable is a number, 1 by default; `WSCORE_TEST_TIME_SCALE=5` is for a machine that is five times as slow, or busy
with other things. Tests in which durations are measured against each other have the marker `realtime`; wherever a
clock can be given there is no need for either.
"""

from __future__ import annotations

import os
from typing import Final

SCALE: Final = float(os.environ.get("WSCORE_TEST_TIME_SCALE", "1"))


def scaled(seconds: float) -> float:
    """Give a duration, or a bound, as long as this machine needs it."""
    return seconds * SCALE


PATIENCE: Final = scaled(20.0)
"""Seconds after which a test that waits gives up. No test's outcome depends on it but that of a failing one."""

TIMEOUT: Final = scaled(60.0)
"""The same, for processes that have to start first."""
