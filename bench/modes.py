"""What is measured: a name, what it is in words, and the round that measures it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

from bench import load
from bench.accounting import Stopwatch
from bench.connections import Target
from bench.contenders import BROADCAST, CONTENDERS, Contender
from bench.frames import Exchange, Kind, exchange, frame, payload
from bench.load import Budget
from bench.servers.payload import PAYLOAD

__all__ = ["MEMORY", "MODES", "Mode"]

Round = Callable[[Target, Budget, Stopwatch], int]

FRAMES: Final = 64
MEMBERS: Final = 1000
SIZES: Final = {"32B": 32, "1KiB": 2**10, "64KiB": 2**16, "1MiB": 2**20}
KINDS: Final[tuple[Kind, ...]] = ("text", "binary")


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


@lru_cache(maxsize=2)  # a burst of 1 MiB frames takes 128 MiB
def _exchanges(connections: int, *, websocket: bool) -> list[Exchange]:
    return [exchange("text", payload("text", 32, number), websocket=websocket) for number in range(2 * connections)]


@lru_cache(maxsize=2)  # a burst of 1 MiB frames takes 128 MiB
def _burst(kind: Kind, size: int, *, websocket: bool) -> Exchange:
    each = [exchange(kind, payload(kind, size, number), websocket=websocket) for number in range(FRAMES)]
    return Exchange(b"".join(one.sent for one in each), b"".join(one.reply for one in each))


def _one_in_flight(connections: int, target: Target, budget: Budget, watch: Stopwatch) -> int:
    exchanges = _exchanges(connections, websocket=target.websocket)
    return load.one_in_flight(target, budget, watch, exchanges, connections=connections)


def _bursts(kind: Kind, size: int, target: Target, budget: Budget, watch: Stopwatch) -> int:
    return load.bursts(target, budget, watch, _burst(kind, size, websocket=target.websocket), frames=FRAMES)


def _broadcast(command: bytes, target: Target, budget: Budget, watch: Stopwatch) -> int:
    reply = frame(PAYLOAD.encode(), 0x81, masked=False)
    return load.broadcast(target, budget, watch, command, reply, connections=MEMBERS)


def _no_round(target: Target, budget: Budget, watch: Stopwatch) -> int:
    raise NotImplementedError  # memory is no matter of rounds


MEMORY: Final = Mode("memory", "resident memory per idle connection", _no_round, 0, "connection")

MODES: Final = (
    *(
        Mode(
            f"one-{count}",
            f"{count} connection{'s' if count > 1 else ''}, one 32 B text in flight",
            partial(_one_in_flight, count),
            20_000,
        )
        for count in (1, 32, 100)
    ),
    *(
        Mode(
            f"burst-{name}-{kind}",
            f"{FRAMES} x {name.replace('K', ' K').replace('M', ' M').replace('2B', '2 B')} {kind} per write",
            partial(_bursts, kind, size),
            {32: 40_960, 2**10: 20_480, 2**16: 1_024, 2**20: 64}[size],
            warm_up=size < 2**20,
        )
        for name, size in SIZES.items()
        for kind in KINDS
    ),
    Mode("deflate", f"{FRAMES} x 1 KiB JSON per write, compressed", partial(load.compressed, frames=FRAMES), 10_240),
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
)
