"""The command: `python bench/run.py [--quick] ...`. See README.md beside it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # bench/ itself has files named like the peers

from bench.command import measure_and_report
from bench.modes import MODES

if __name__ == "__main__":
    sys.exit(measure_and_report("bench/run.py", MODES))
