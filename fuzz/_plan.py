"""What a simulated conversation is made of, drawn from a seed, as plain values.

A run of a plan is the same each time, and what fails is made smaller by replacing values with simpler ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from wscore import Config

from ._applications import CHANCES

__all__ = ["Plan", "Step", "draw", "simpler"]

Step = tuple[Any, ...]

_DURATIONS: Final = {
    name: getattr(Config(), name)
    for name in ("handshake_timeout", "accept_timeout", "ping_interval", "ping_timeout", "close_timeout")
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A conversation, before it has begun."""

    seed: str
    """What the network, the masks and the keys are drawn from."""
    app: str = "echoes"
    """What the server's application does: a name in `APPS`."""
    app_count: int = 5
    """After how many messages it does what it does."""
    app_pause: float = 0.0
    """Seconds that it takes for each."""
    steps: tuple[Step, ...] = ()
    """What the client does, one after the other."""
    reads: bool = True
    """Whether the client has a task that reads all along."""
    faults: tuple[Step, ...] = ()
    """What goes wrong: when, the name of a method of `Connection` or of `Play`, and its arguments."""
    server: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=dict)
    link: dict[str, Any] = field(default_factory=dict)
    slack: float = 0.0
    at_once: bool = True
    """Whether the application runs where its message was read, as on asyncio."""
    until: float = 120.0
    """When the server shuts down and the client closes, unless all is over."""


# -- drawing


def draw(seed: str) -> Plan:
    """Draw a plan."""
    chance = random.Random(f"plan {seed}")
    scale = chance.choice((1.0, 1.0, 0.05, 0.2, 2.0))
    plan = Plan(
        seed=seed,
        app=chance.choice(CHANCES),
        app_count=chance.choice((0, 1, 3, 10)),
        app_pause=chance.choice((0.0, 0.0, 0.0, 0.01, 1.0)),
        steps=tuple(_draw_steps(chance)),
        reads=chance.random() < 0.7,
        server=_draw_config(chance, scale),
        client=_draw_config(chance, scale),
        link=_draw_link(chance),
        slack=chance.choice((0.0, 0.0, 0.01, 0.5)),
        at_once=chance.random() < 0.5,
        until=200.0 * scale,
    )
    return replace(plan, faults=tuple(_draw_faults(chance)))


def _draw_steps(chance: random.Random) -> Iterator[Step]:
    for _ in range(chance.choice((0, 1, 3, 8, 15))):
        kind = chance.random()
        if kind < 0.6:
            for _ in range(chance.choice((1, 1, 2, 20))):
                yield "sends", _draw_size(chance), chance.random() < 0.5, chance.randrange(1 << 14)
        elif kind < 0.7:
            yield "sends_fragments", tuple(_draw_size(chance) for _ in range(chance.choice((1, 2, 5))))
        elif kind < 0.8:
            yield ("pings",)
        elif kind < 0.9:
            yield "receives", chance.choice((1, 2, 5)), chance.choice((0.01, 1.0, 30.0))
        else:
            yield "sleeps", chance.choice((0.0, 0.05, 1.0, 25.0, 70.0))
    ends = chance.random()
    if ends < 0.6:
        yield "closes", chance.choice((1000, 1000, 1001, 3000, 4999)), chance.choice(("", "bye"))
    elif ends < 0.7:
        yield "sleeps", 200.0


def _draw_size(chance: random.Random) -> int:
    kind = chance.random()
    if kind < 0.7:
        return chance.randrange(130)
    if kind < 0.95:
        return chance.choice((126, 1_000, 5_000, 16_384))
    return chance.choice((65_535, 65_536, 150_000))


def _draw_config(chance: random.Random, scale: float) -> dict[str, Any]:
    """Draw what differs from the defaults: durations keep their proportions, unless there is none."""
    config: dict[str, Any] = {}
    if scale != 1.0:
        config.update({name: seconds * scale for name, seconds in _DURATIONS.items()})
    if chance.random() < 0.1:
        config[chance.choice(("ping_interval", "ping_timeout"))] = None
    if chance.random() < 0.6:
        config["compression"] = False
    elif chance.random() < 0.3:
        config["compression_window_bits"] = chance.randrange(9, 16)
        config["compression_min_size"] = chance.choice((0, 64, 1_000))
    if chance.random() < 0.3:
        config["max_queue"] = chance.choice((1, 2, 5))
        config["max_queue_size"] = chance.choice((1, 1_000, 1 << 20))
    if chance.random() < 0.3:
        config["max_output_size"] = chance.choice((1, 1_000, 10_000))
    if chance.random() < 0.05:
        config["engine"] = "wsproto"
    if chance.random() < 0.05:
        config["max_message_size"] = chance.choice((1_000, 16_384))
    return config


def _draw_link(chance: random.Random) -> dict[str, Any]:
    link: dict[str, Any] = {"latency": chance.choice((0.0, 0.0001, 0.02, 0.3))}
    if chance.random() < 0.5:
        link["jitter"] = chance.choice((0.001, 0.1, 1.0))
    if chance.random() < 0.3:
        link["bandwidth"] = chance.choice((20_000.0, 1e6))
    if chance.random() < 0.3:
        link["cut"] = chance.choice((0.1, 0.5))
    if chance.random() < 0.3:
        link["join"] = chance.choice((0.1, 0.5))
    if chance.random() < 0.3:
        link["window"] = chance.choice((500, 4_096, 20_000))
    return link


def _draw_faults(chance: random.Random) -> Iterator[Step]:
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
        side, kind = chance.choice(("client", "server")), chance.random()
        at = chance.choice((0.0, 0.03, 0.5, 3.0, 30.0)) * (0.5 + chance.random())
        if kind < 0.2:
            yield at, "stall", side, chance.choice((0.5, 5.0, 15.0, 45.0))
        elif kind < 0.25:
            yield at, "stall", side
        elif kind < 0.4:
            yield at, "reset"
        elif kind < 0.5:
            yield at, "half_close", side
        elif kind < 0.7:
            yield at, "vanish", side
        elif kind < 0.8:
            yield at, "cancels_app"
        elif kind < 0.9:
            yield at, "cancels_client"
        else:
            yield at, "shuts_down"


# -- making smaller


def simpler(plan: Plan) -> Iterator[Plan]:
    """Give plans that are simpler than this one in one thing each, the largest steps first."""
    steps, faults = plan.steps, plan.faults
    if steps:
        yield replace(plan, steps=())
    size = len(steps) // 2
    while size:
        for begin in range(0, len(steps), size):
            yield replace(plan, steps=steps[:begin] + steps[begin + size :])
        size //= 2
    for index in range(len(faults)):
        yield replace(plan, faults=faults[:index] + faults[index + 1 :])
    for name in ("link", "server", "client"):
        values: dict[str, Any] = getattr(plan, name)
        if values:
            yield _with(plan, name, {})
        for each in values:
            yield _with(plan, name, {other: value for other, value in values.items() if other != each})
    for name, simplest in (("slack", 0.0), ("app_pause", 0.0), ("app_count", 0), ("app", "echoes"), ("app", "sinks")):
        if getattr(plan, name) != simplest:
            yield _with(plan, name, simplest)
    if plan.at_once:
        yield replace(plan, at_once=False)
    for index, step in enumerate(steps):
        if step[0] == "sends" and step[1] > 1:
            yield replace(plan, steps=(*steps[:index], ("sends", step[1] // 2, step[2], 0), *steps[index + 1 :]))


def _with(plan: Plan, name: str, value: Any) -> Plan:
    return replace(plan, **{name: value})
