"""A real server among thousands of clients that behave at random: what is sent arrives, and nothing is left over.

    python -m fuzz.soak --minutes 10 --backend trio --tls --busy

The server has a process of its own, all is on loopback, durations are the defaults divided by `--divide`. At the end it
prints one table, and the reasons why its exit status is 1 where that is so. README.md beside it says what is checked.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import random
import statistics
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import anyio

from fuzz._soak_clients import KINDS, Soak
from fuzz._soak_processes import HANGS, burning, certificates, counted, server
from wscore import HandshakeFailed, HandshakeRefused, ServerConfig

DURATIONS: Final = ("handshake_timeout", "accept_timeout", "ping_interval", "ping_timeout", "close_timeout")
HELD: Final = ("connections", "tasks", "descriptors", "objects", "MiB")
SHOWN: Final = 20
REMEMBERED: Final = 60
"""Echoes that say how late both processes are: those of three seconds, which is longer than any duration but one."""


def _overdue(error: Exception) -> bool:
    """Whether one end found the other too slow: no answer to a handshake or a ping in time, or 408, and the end."""
    said = str(error)
    return (
        (isinstance(error, HandshakeFailed) and not isinstance(error, HandshakeRefused))
        or isinstance(error, anyio.EndOfStream | anyio.BrokenResourceError)
        or "408" in said
        or "ping timeout" in said
    )


class Run:
    """What happened, and what is wrong."""

    def __init__(self, soak: Soak, at_once: int) -> None:
        self.soak = soak
        self.wrong: dict[str, list[str]] = {}
        """What clients found, by their kind and the exception."""
        self.done: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        self.echoes: list[float] = []
        self._limit = anyio.Semaphore(at_once)

    async def play(self, seconds: float) -> None:
        """Let clients of all kinds come and go; ends when the last of them has left."""
        names, weights = list(KINDS), [often for often, _ in KINDS.values()]
        end = anyio.current_time() + seconds
        async with anyio.create_task_group() as clients:
            while anyio.current_time() < end:
                await self._limit.acquire()
                (name,) = self.soak.chance.choices(names, weights)
                clients.start_soon(self._one, name, KINDS[name][1])
                await anyio.sleep(self.soak.chance.random() * 0.02)

    async def _one(self, name: str, client: Callable[[Soak], Awaitable[None]]) -> None:
        try:
            with anyio.fail_after(HANGS):
                await client(self.soak)
        except Exception as error:
            while isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            if _overdue(error):
                self.late[name] += 1
            else:
                self.wrong.setdefault(f"{name}: {type(error).__name__}", []).append(str(error))
        finally:
            self.done[name] += 1
            self._limit.release()

    async def probe(self) -> None:
        """Ask for an echo again and again, on a connection that stays."""
        async with self.soak.open("/echo", ping_timeout=HANGS, handshake_timeout=HANGS) as ws:
            while True:
                self.soak.asked = anyio.current_time()
                await ws.send("still there?")
                await ws.recv()
                self.echoes.append(anyio.current_time() - self.soak.asked)
                self.soak.asked, self.soak.lag = None, max(self.echoes[-REMEMBERED:])
                await anyio.sleep(0.05)

    async def held(self, first: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask what the server holds; with what it held first, wait until it has got rid of the rest."""
        config = self.soak.config
        last = anyio.current_time() + self.soak.patience(*(getattr(config, name) for name in DURATIONS)) + 2
        while True:
            async with self.soak.open("/stats", handshake_timeout=HANGS) as ws:
                found: dict[str, Any] = json.loads(await ws.recv())
            over = first is None or all(found[each] <= first[each] for each in HELD[:3])
            if over or anyio.current_time() > last:
                return found
            await anyio.sleep(0.1)


async def run(soak: Soak, seconds: float, at_once: int, busy: bool, growth: float) -> list[str]:
    """Play, print the table, and give what is wrong."""
    this = Run(soak, at_once)
    async with await anyio.connect_tcp("127.0.0.1", soak.port):
        pass  # with the first stream of a loop libuv opens a spare descriptor, which it keeps
    first, ours = await this.held(), counted()
    with contextlib.ExitStack() as stack:
        async with anyio.create_task_group() as probing:
            probing.start_soon(this.probe)
            await this.play(max(1.0, min(60.0, seconds / 2)))
            warm = await this.held({**first, "connections": 2})
            if busy:
                stack.enter_context(burning(seconds / 2))
            await this.play(seconds)
            probing.cancel_scope.cancel()
        last = await this.held(first)
    left = counted()
    wrong = [f"{name}, {len(said)} times: {said[0]}" for name, said in this.wrong.items()]
    in_time = not this.echoes or statistics.quantiles(this.echoes, n=100)[-1] < soak.config.handshake_timeout / 4
    for name, late in this.late.items():
        if in_time and late > 2 + this.done[name] / 10:
            wrong.append(f"{name}: {late} of {this.done[name]} were too late, although an echo was not")
    wrong += [
        f"the server holds {last[each]} {each}, {first[each]} at first" for each in HELD[:3] if last[each] > first[each]
    ]
    wrong += [
        f"the clients hold {left[each]} {each}, {ours[each]} at first" for each in ours if left[each] > ours[each]
    ]
    wrong += [f"in the log: {each}" for each in last["log"]]
    for each in ("objects", "MiB"):
        if last[each] > growth * warm[each]:
            wrong.append(f"the server has {last[each]:,.1f} {each}, {warm[each]:,.1f} after warming up")
    if not soak.pings:
        wrong.append("nobody was pinged")
    failed: Counter[str] = Counter()
    for name, said in this.wrong.items():
        failed[name.partition(":")[0]] += len(said)
    print(f"{'client':28}{'number':>8}{'late':>8}{'wrong':>8}")
    for name in (*KINDS, "all"):
        done, late, bad = ((c.total() if name == "all" else c[name]) for c in (this.done, this.late, failed))
        print(f"{name:28}{done:8,}{late:8,}{bad:8,}")
    print(f"\n{'server':28}{'at first':>10}{'warm':>10}{'at last':>10}")
    for each in HELD:
        print(f"{each:28}{first[each]:10,.6g}{warm[each]:10,.6g}{last[each]:10,.6g}")
    echoes, pings = sorted(this.echoes) or [0.0], soak.pings or [0.0]
    shown = [1000 * each for each in (statistics.median(echoes), echoes[int(0.99 * len(echoes))], echoes[-1])]
    print(f"\nan echo among them, ms: median {shown[0]:.1f}, p99 {shown[1]:.1f}, longest {shown[2]:.1f}")
    waited = f"median {statistics.median(pings):.3f}, longest {max(pings):.3f}"
    print(f"{len(soak.pings)} pings, s after the last pong: {waited}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz.soak", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="how long, 1 by default, after warming up")
    parser.add_argument("--backend", choices=["asyncio", "uvloop", "trio"], default="asyncio", help="of both ends")
    parser.add_argument("--tls", action="store_true", help="wss")
    parser.add_argument("--busy", action="store_true", help="for half of the time beside a process that computes")
    parser.add_argument("--clients", type=int, default=50, help="at a time, 50 by default")
    parser.add_argument("--divide", type=float, default=25.0, help="what durations are divided by, 25 by default")
    parser.add_argument("--memory", type=float, default=5.0, help="by how many percent it may grow, 5 by default")
    parser.add_argument("--seed", type=int, default=0, help="of chance, which the machine has a part in too")
    given = parser.parse_args()
    config = {name: getattr(ServerConfig(), name) / given.divide for name in (*DURATIONS, "shutdown_grace")}
    backend = "trio" if given.backend == "trio" else "asyncio"
    connect = importlib.import_module(f"wscore_{backend}").connect
    loop = {"use_uvloop": True} if given.backend == "uvloop" else {}
    seconds = 60 * given.minutes
    with (
        certificates(given.tls) as (certificate, context),
        server(given.backend, config, certificate, 2 * seconds + 6 * HANGS) as (port, log),
    ):
        soak = Soak(connect, port, context, ServerConfig(**config), random.Random(given.seed))
        play = partial(run, soak, seconds, given.clients, given.busy, 1 + given.memory / 100)
        wrong: list[str] = anyio.run(play, backend=backend, backend_options=loop)
        log.seek(0)
        wrong += [f"on standard error: {line}" for line in log.read().splitlines()[-SHOWN:]]
    for reason in wrong:
        print(f"wrong: {reason}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
