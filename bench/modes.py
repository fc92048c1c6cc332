"""What is measured: a name, what it is in words, and the round that measures it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

from bench import load
from bench.accounting import Stopwatch
from bench.client_load import messages_of_client
from bench.connections import Target
from bench.contenders import BROADCAST, CLIENTS, CONTENDERS, MAIN, WORKERS, Contender
from bench.frames import Exchange, Kind, exchange, frame, payload
from bench.load import Budget, Outcome
from bench.offered_rate import CONNECTIONS, messages_at
from bench.servers.payload import PAYLOAD
from bench.worker_spread import across_workers

__all__ = ["CLIENT_MODES", "MEMORY", "MODES", "Mode"]

Round = Callable[[Target, Budget, Stopwatch], Outcome]

FRAMES: Final = 64
FEW_FRAMES: Final = 8
"""So many of 64 KiB fit into a processor's second-level cache, and 64 of them do not. Both happen."""
MEMBERS: Final = 1000
SPREAD: Final = 200
"""Connections that are spread over two processes."""
SIZES: Final = {"32B": 32, "1KiB": 2**10, "64KiB": 2**16, "1MiB": 2**20}
KINDS: Final[tuple[Kind, ...]] = ("text", "binary")
RATES: Final = (1_000, 10_000, 25_000)


@dataclass(frozen=True, slots=True)
class Mode:
    """A row of the tables."""

    name: str
    title: str
    round: Round
    messages: int
    """Where a round ends at the latest, however fast the server is."""
    thing: str = "message"
    contenders: tuple[Contender, ...] = CONTENDERS
    """Who is measured in it."""
    together: str = ""
    """Modes of the same group take turns within a round: they are compared with each other."""
    warm_up: bool = True
    """False where a round takes long, or opening its connections warms the server up."""
    figure: str = ""
    """Which of the things that a round finds is the mode's figure; CPU time per `thing` where it says nothing."""
    stretch: float = 1.0
    """How many times the usual a round may take."""
    idle: int = 0
    """Connections that do nothing, in a run at full pace."""
    fresh: bool = False
    """Each round has a server that has served nobody yet."""
    rounds: int = 2**31
    """No more than these: where the figure hardly moves, and a round takes long."""
    quick: bool = True
    """Whether it is measured in a quick run that names no modes."""

    @property
    def unit(self) -> str:
        """What the figure is."""
        return {"": f"CPU us per {self.thing}", "p50": "us until the reply, p50"}.get(self.figure, self.figure)


@lru_cache(maxsize=2)  # a burst of 1 MiB frames takes 128 MiB
def _exchanges(connections: int, *, websocket: bool) -> list[Exchange]:
    return [exchange("text", payload("text", 32, number), websocket=websocket) for number in range(2 * connections)]


@lru_cache(maxsize=2)  # likewise
def _burst(kind: Kind, size: int, frames: int, *, websocket: bool) -> Exchange:
    each = [exchange(kind, payload(kind, size, number), websocket=websocket) for number in range(frames)]
    return Exchange(b"".join(one.sent for one in each), b"".join(one.reply for one in each))


def _one_in_flight(connections: int, target: Target, budget: Budget, watch: Stopwatch) -> Outcome:
    exchanges = _exchanges(connections, websocket=target.websocket)
    return load.one_in_flight(target, budget, watch, exchanges, connections=connections)


def _mostly_idle(connections: int, target: Target, budget: Budget, watch: Stopwatch) -> Outcome:
    exchanges = _exchanges(connections, websocket=target.websocket)
    return load.mostly_idle(target, budget, watch, exchanges, connections=connections)


def _across_workers(connections: int, target: Target, budget: Budget, watch: Stopwatch) -> Outcome:
    exchanges = _exchanges(connections, websocket=target.websocket)
    return across_workers(target, budget, watch, exchanges, connections=connections)


def _at_rate(rate: int, target: Target, budget: Budget, watch: Stopwatch) -> Outcome:
    return messages_at(rate, target, budget, watch, _exchanges(CONNECTIONS, websocket=target.websocket))


def _memory(target: Target, budget: Budget, watch: Stopwatch) -> Outcome:
    return load.memory_per_connection(target, budget, watch, _exchanges(CONNECTIONS, websocket=target.websocket))


def _bursts(target: Target, budget: Budget, watch: Stopwatch, *, kind: Kind, size: int, frames: int) -> Outcome:
    return load.bursts(target, budget, watch, _burst(kind, size, frames, websocket=target.websocket), frames=frames)


def _broadcast(command: bytes, target: Target, budget: Budget, watch: Stopwatch) -> Outcome:
    reply = frame(PAYLOAD.encode(), 0x81, masked=False)
    return load.broadcast(target, budget, watch, command, reply, connections=MEMBERS)


def _burst_title(frames: int, size: str, kind: Kind) -> str:
    return f"{frames} x {size.replace('K', ' K').replace('M', ' M').replace('2B', '2 B')} {kind} per write"


MEMORY: Final = Mode(
    "memory",
    "resident memory per idle connection, a browser's, after one message",
    _memory,
    0,
    thing="connection",
    warm_up=False,
    figure="KiB",
    idle=5_000,
    fresh=True,  # what an old one has freed it would use first
    rounds=3,
)

CLIENT_MODES: Final = tuple(
    Mode(
        name,
        f"client: {title}",
        partial(messages_of_client, together),
        20_000,
        contenders=CLIENTS,
        together="client",
    )
    for name, title, together in (
        ("client-one", "one 32 B text in flight", 1),
        ("client-64", "64 x 32 B text sent, then 64 received", 64),
    )
)

MODES: Final = (
    *(
        Mode(
            f"one-{count}",
            f"{count:,} connection{'s' if count > 1 else ''}, one 32 B text in flight",
            partial(_one_in_flight, count),
            20_000,
            contenders=CONTENDERS if count < 1000 else MAIN,
            warm_up=count < 1000,
            quick=count == 32,
        )
        for count in (1, 32, 100, 1000)
    ),
    *(
        Mode(
            f"burst-{name}-{kind}",
            _burst_title(FRAMES, name, kind),
            partial(_bursts, kind=kind, size=size, frames=FRAMES),
            {32: 40_960, 2**10: 20_480, 2**16: 1_024, 2**20: 64}[size],
            warm_up=size < 2**20,
            quick=(kind == "binary") == (size >= 2**16),
        )
        for name, size in SIZES.items()
        for kind in KINDS
    ),
    Mode(
        "burst8-64KiB-binary",
        _burst_title(FEW_FRAMES, "64KiB", "binary"),
        partial(_bursts, kind="binary", size=2**16, frames=FEW_FRAMES),
        1_024,
    ),
    Mode("connect", "connect and close", load.connects, 960, "connection"),
    MEMORY,
    *(
        Mode(
            name,
            f"1 KiB to {MEMBERS:,} connections: {title}",
            partial(_broadcast, command),
            20_000,
            contenders=BROADCAST,
            together="broadcast",
            warm_up=False,
        )
        for name, title, command in (
            ("broadcast", "Registry.broadcast", b"broadcast"),
            ("sends", "a send_text each", b"sends"),
        )
    ),
    *CLIENT_MODES,
    *(
        Mode(
            f"rate-{rate}",
            f"{rate:,} messages a second offered, {CONNECTIONS} connections, 32 B text",
            partial(_at_rate, rate),
            rate,
            contenders=MAIN,
            figure="p50",
            stretch=2.5,
        )
        for rate in RATES
    ),
    Mode(
        "workers-2",
        f"2 processes, {SPREAD} connections, one 32 B text in flight",
        partial(_across_workers, SPREAD),
        20_000,
        contenders=WORKERS,
    ),
    Mode(
        "deflate",
        f"{FRAMES} x 1 KiB JSON per write, compressed",
        partial(load.compressed, frames=FRAMES),
        10_240,
        quick=False,
    ),
    Mode(
        "mostly-idle",
        "32 connections, one 32 B text in flight, and thousands idle",
        partial(_mostly_idle, 32),
        20_000,
        contenders=MAIN,
        warm_up=False,
        idle=10_000,
        rounds=4,
    ),
)
