"""What a server has cost so far, from the operating system's books: those of its process and of all that it started.

CPU time is the scheduler's own sum, in nanoseconds (`/proc/PID/task/TID/schedstat`): user and system time of each
thread, and of nothing else on the machine. A thread that has ended is not in the books any more; none of the servers
ends threads while it is measured.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Stopwatch", "cpu_time", "processes", "resident", "settled"]

_GONE = (FileNotFoundError, ProcessLookupError)


def processes(pid: int) -> list[int]:
    """Give `pid` and all its living descendants."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            with contextlib.suppress(*_GONE):
                # The second field is the program's name in parentheses, and may hold spaces and parentheses itself.
                fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
                children[int(fields[1])].append(int(entry))
    found = [pid]
    for each in found:
        found.extend(children[each])
    return found


def cpu_time(pid: int) -> int:
    """Give the CPU time of `pid` and its descendants, in nanoseconds."""
    total = 0
    for process in processes(pid):
        with contextlib.suppress(*_GONE):
            for thread in os.listdir(f"/proc/{process}/task"):
                with contextlib.suppress(*_GONE):
                    total += int(Path(f"/proc/{process}/task/{thread}/schedstat").read_bytes().split()[0])
    return total


def resident(pid: int) -> int:
    """Give the memory that `pid` and its descendants have in RAM, in bytes."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for process in processes(pid):
        with contextlib.suppress(*_GONE):
            total += int(Path(f"/proc/{process}/statm").read_bytes().split()[1]) * page
    return total


def settled(pid: int, *, seconds: float = 0.5) -> int:
    """Give the CPU time once the server sleeps: the books of a running thread are behind, and late work is work too."""
    before = cpu_time(pid)
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        time.sleep(0.012)  # longer than a tick of the scheduler's clock at 100 Hz
        after = cpu_time(pid)
        if after == before:
            break
        before = after
    return before


class Stopwatch:
    """Reads the server's CPU time and the clock around a `with` block: that is what a round costs."""

    def __init__(self, pid: int) -> None:
        self.cpu = 0
        """Nanoseconds."""
        self.wall = 0.0
        """Seconds."""
        self.pid = pid

    def __enter__(self) -> Self:
        self._cpu = settled(self.pid)
        self._wall = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wall = time.perf_counter() - self._wall
        self.cpu = settled(self.pid) - self._cpu
