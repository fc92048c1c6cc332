"""The soak runs, finds what is wrong, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..real_time import SCALE, TIMEOUT

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.realtime, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--backend", "asyncio"],
        pytest.param(["--backend", "uvloop", "--tls"], marks=pytest.mark.long),
        pytest.param(["--backend", "trio", "--tls"], marks=pytest.mark.long),
    ],
    ids=lambda arguments: arguments[1],
)
def test_a_short_soak_finds_nothing(arguments: list[str]) -> None:
    """A few seconds of clients that behave at random: all is delivered, pings are on time, nothing is left."""
    command = [
        sys.executable,
        "-m",
        "fuzz.soak",
        *arguments,
        "--minutes",
        "0.03",
        "--clients",
        "20",
        "--memory",
        "25",
    ]  # too short to warm up
    ran = subprocess.run(
        [*command, "--divide", str(60 / SCALE)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * TIMEOUT,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "pings, s after the last pong" in ran.stdout
