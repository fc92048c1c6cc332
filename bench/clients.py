"""What clients cost: `python bench/clients.py [--quick] ...`. See README.md beside it.

The other end is the same for all: this process, which knows no WebSocket beyond the handshake. It counts the bytes that
come, and answers a frame's worth with a frame that was made beforehand.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # bench/ itself has files named like the peers

from bench.accounting import Stopwatch
from bench.callers.orders import TEXT
from bench.environment import Environment, here, installed
from bench.machine import machine
from bench.processes import on_core, share_cores
from bench.report import number, table

PATIENCE: Final = 20.0
SENT: Final = 6 + len(TEXT)  # bytes of a masked frame
REPLY: Final = bytes((0x81, len(TEXT))) + TEXT.encode()
_KEY: Final = re.compile(rb"(?i)\r\nsec-websocket-key: *(\S+)")

CLIENTS: Final = {
    "wscore-asyncio": ("wscore_asyncio", ("wscore",)),
    "websockets-asyncio": ("websockets", ("websockets",)),
    "aiohttp-asyncio": ("aiohttp", ("aiohttp",)),
    "wscore-trio": ("wscore_trio", ("wscore", "trio")),
    "trio-websocket": ("trio_websocket", ("trio-websocket", "trio")),
}
"""By name: the module in `callers`, and the packages that it needs."""

MODES: Final = {"one 32 B text in flight": 1, "64 x 32 B text at once": 64}

GOALS: Final = (
    ("one 32 B text in flight", "wscore-asyncio", "websockets-asyncio", 0.7),
    ("64 x 32 B text at once", "wscore-asyncio", "websockets-asyncio", 0.3),
    ("one 32 B text in flight", "wscore-trio", "trio-websocket", 0.5),
    ("64 x 32 B text at once", "wscore-trio", "trio-websocket", 0.5),
)


@dataclass
class Client:
    """A client's process, and our end of its connection."""

    name: str
    process: subprocess.Popen[str]
    sock: socket.socket
    costs: dict[str, list[float]] = field(default_factory=lambda: {mode: [] for mode in MODES})
    """CPU microseconds per message, of each round."""

    def work(self, messages: int, together: int) -> float:
        """Let it send so many and get their replies; give its CPU time per message in microseconds."""
        rounds = max(1, messages // together)
        watch = Stopwatch(self.process.pid)
        with watch:
            assert self.process.stdin is not None
            self.process.stdin.write(f"{rounds} {together}\n")
            self.process.stdin.flush()
            left, come = rounds * together, 0
            while left:
                data = self.sock.recv(2**16)
                if not data:
                    raise ConnectionError(f"{self.name} has gone: {self.process.wait(PATIENCE)}")
                come += len(data)
                answered, come = divmod(come, SENT)
                self.sock.sendall(REPLY * answered)
                left -= answered
        return watch.cpu / 1000 / (rounds * together)


def start(name: str, environment: Environment, core: int | None, stack: ExitStack) -> Client:
    """Start a client, and answer its handshake."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    listener.settimeout(PATIENCE)
    command = [*environment.python, "-m", f"bench.callers.{CLIENTS[name][0]}", str(listener.getsockname()[1])]
    with on_core(core):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, cwd=ROOT, env=environment.variables)
    stack.callback(process.wait)
    stack.callback(process.kill)
    sock = stack.enter_context(listener.accept()[0])
    sock.settimeout(PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(4096)
    key = _KEY.search(head)
    assert key is not None, head
    accept = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    sock.sendall(answer + accept + b"\r\n\r\n")
    return Client(name, process, sock)


def tables(clients: Sequence[Client]) -> str:
    parts = []
    for mode in MODES:
        rows = [(mode, "CPU us per message: best", "median", "max/min")]
        for each in sorted(clients, key=lambda client: min(client.costs[mode])):
            costs = sorted(each.costs[mode])
            rows.append(
                (each.name, number(costs[0]), number(costs[len(costs) // 2]), f"{costs[-1] / max(costs[0], 1e-9):.2f}")
            )
        parts.append(table(rows))
    by_name = {each.name: each for each in clients}
    goals: list[tuple[str, ...]] = [("goal", "against", "at most", "reached", "met")]
    for mode, ours, against, limit in GOALS:
        if ours in by_name and against in by_name:
            reached = min(by_name[ours].costs[mode]) / min(by_name[against].costs[mode])
            goals.append(
                (f"{mode}, {ours}", against, f"{limit:g}", f"{reached:.2f}", "yes" if reached <= limit else "NO")
            )
    return "\n\n".join([*parts, table(goals)] if len(goals) > 1 else parts)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/clients.py", description="Measure what websocket clients cost.")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    pace.add_argument("--smoke", action="store_true", help="a handful of messages: whether it runs, no figures")
    parser.add_argument(
        "--only", default=",".join(CLIENTS), metavar="CLIENT,...", help="clients: " + ", ".join(CLIENTS)
    )
    parser.add_argument("--here", action="store_true", help="install nothing, as with run.py")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    given = parser.parse_args()
    names = given.only.split(",")
    if unknown := sorted(set(names) - set(CLIENTS)):
        parser.error(f"--only: no {', '.join(unknown)}; there are {', '.join(CLIENTS)}")
    rounds, messages = (5, 4_000) if given.quick else (1, 64) if given.smoke else (11, 20_000)
    environment = (here() if given.here else installed()).look([p for n in names for p in CLIENTS[n][1]], [])
    environment.variables["PYTHONPATH"] = ":".join(filter(None, (str(ROOT), environment.variables.get("PYTHONPATH"))))
    core, _ = share_cores()
    print(f"{machine()}\n{environment.name}, " + ", ".join(f"{k} {v}" for k, v in environment.versions.items()))
    with ExitStack() as stack:
        clients = [start(name, environment, core, stack) for name in names]
        begin = time.perf_counter()
        for turn in range(-1, rounds):  # the first is to warm up
            for mode, together in MODES.items():
                for each in clients:
                    cost = each.work(messages if turn >= 0 else 64, together)
                    if turn >= 0:
                        each.costs[mode].append(cost)
            print(f"[round {turn + 1} of {rounds}, {time.perf_counter() - begin:.0f} s]", file=sys.stderr)
        for each in clients:
            assert each.process.stdin is not None
            each.process.stdin.close()
            each.sock.close()  # the floor knows no close frame
    print("\n" + tables(clients))
    if given.json:
        figures = {each.name: each.costs for each in clients}
        given.json.write_text(json.dumps({"machine": str(machine()), **environment.versions, "us": figures}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
