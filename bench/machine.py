"""The machine that the figures belong to."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Machine", "machine"]


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
