"""The machine that the figures belong to."""

from __future__ import annotations

import os
import platform
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Machine", "OthersWork", "Usage", "machine"]


@dataclass(frozen=True, slots=True)
class Machine:
    cpu: str
    cores: int
    system: str
    load_average: tuple[float, float, float]
    """Over 1, 5 and 15 minutes, when the run began: well above 0 means that others used the machine too."""

    def __str__(self) -> str:
        load = " ".join(f"{each:.2f}" for each in self.load_average)
        return f"{self.cpu}, {self.cores} cores, {self.system}, load average at the start {load}"


def machine() -> Machine:
    """Describe this machine."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    cpu = model[1] if model else platform.machine()
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    return Machine(cpu, os.cpu_count() or 1, system, os.getloadavg())


@dataclass(frozen=True, slots=True)
class OthersWork:
    """What else the machine did during a run. Ratios bear some of it, single figures none."""

    load_average: tuple[float, float, float]
    """When the run ended; the run itself is in it, with some 1.5."""
    cores: float
    """How many cores other programs kept busy on average."""

    def __str__(self) -> str:
        load = " ".join(f"{each:.2f}" for each in self.load_average)
        said = f"load average at the end {load}; other programs kept {self.cores:.2f} cores busy meanwhile"
        return f"{said}: the machine was not left alone" if self.cores > BUSY else said


BUSY: Final = 0.2


class Usage:
    """The processors' time since it was made: everybody's, and that of this process and those it has started."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._all, self._own = self._used()

    def by_others(self) -> OthersWork:
        """Give what other programs used. To be asked once all that was started has ended, and counts as ours."""
        used, own = self._used()
        seconds = max(time.monotonic() - self._began, 0.01)
        return OthersWork(os.getloadavg(), max(0.0, (used - self._all) - (own - self._own)) / seconds)

    @staticmethod
    def _used() -> tuple[float, float]:
        user, nice, system = map(int, Path("/proc/stat").read_text().split(maxsplit=4)[1:4])
        return (user + nice + system) / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4])
