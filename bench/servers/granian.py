"""granian, one worker, on uvloop; what it starts is a process of its own, which is counted too."""

from __future__ import annotations

import sys

from granian import Granian
from granian.constants import Interfaces, Loops

if __name__ == "__main__":
    Granian(
        "bench.servers.echo_app:app",
        address="127.0.0.1",
        port=int(sys.argv[1]),
        interface=Interfaces.ASGINL,
        loop=Loops(sys.argv[2]),
        websockets=True,
        log_enabled=False,
    ).serve()
