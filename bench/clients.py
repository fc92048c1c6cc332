"""The command: `python bench/clients.py [--quick] ...`: the clients alone. See README.md beside it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # bench/ itself has files named like the peers

from bench.command import measure_and_report
from bench.modes import CLIENT_MODES

if __name__ == "__main__":
    sys.exit(measure_and_report("bench/clients.py", CLIENT_MODES))
