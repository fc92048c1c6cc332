"""`wscore.transport.allocator`: a process that has asked for it uses freed memory again instead of giving it back."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
from wscore.transport.allocator import keep_freed_memory

def faults(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        pair = [b"x" * 1_000_000, b"y" * 1_000_000]  # a message and its frame
        del pair
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed_memory()
faults(10)
print(faults(200))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is about glibc")
def test_large_blocks_are_used_again() -> None:
    """The system is asked for no page again, though two megabytes are freed two hundred times."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    assert int(ran.stdout) < 200  # less than one a round; each page of each round would be a hundred thousand
