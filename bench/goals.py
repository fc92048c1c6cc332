"""What wscore has to reach, as ratios within one run; smaller is better. The engine alone is micro.py's affair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bench.measure import Results

__all__ = ["GOALS", "Goal", "Verdict", "judge"]


@dataclass(frozen=True, slots=True)
class Goal:
    """`ours` costs at most `limit` times what `against` costs in `mode`; without `against` the limit is absolute."""

    mode: str
    ours: str
    against: str
    limit: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal, and what was reached: None where one of the two was not measured."""

    goal: Goal
    reached: float | None

    @property
    def met(self) -> bool | None:
        return None if self.reached is None else self.reached <= self.goal.limit


_ON_ASYNCIO: Final = {
    "one-32": (0.5, 1.5, 0.9),
    "burst-32B-text": (0.2, 0.5, 0.4),
    "burst-1KiB-text": (0.3, 0.7, 0.6),
    "burst-64KiB-binary": (0.5, 1.3, 1.0),
    "burst-1MiB-binary": (0.7, 1.3, 0.6),
    "connect": (0.4, 1.2, 0.8),
}
_ON_TRIO: Final = {"one-32": 0.5, "burst-32B-text": 0.1, "burst-64KiB-binary": 0.3, "connect": 0.5}

GOALS: Final = (
    *(
        Goal(mode, "wscore-asyncio", against, limit)
        for mode, limits in _ON_ASYNCIO.items()
        for against, limit in zip(("uvicorn-sansio", "picows-asyncio", "aiohttp-asyncio"), limits, strict=True)
    ),
    *(Goal(mode, "wscore-trio", "trio-websocket", limit) for mode, limit in _ON_TRIO.items()),
    Goal("memory", "wscore-asyncio", "", 9.0),
    Goal("memory", "wscore-trio", "", 13.0),
    *(Goal("broadcast", ours, "sends", 0.5) for ours in ("wscore-asyncio", "wscore-trio")),
)


def judge(results: Results) -> list[Verdict]:
    """Compare what was measured with the goals; one for memory holds at 5,000 connections only, so in a full run."""
    return [
        Verdict(goal, _reached(goal, results) if goal.mode != "memory" or results.idle_connections >= 5000 else None)
        for goal in GOALS
    ]


def _reached(goal: Goal, results: Results) -> float | None:
    ours = results.best(goal.mode, goal.ours)
    if not goal.against:
        return ours
    # A broadcast is compared with another mode of the same server, anything else with another server in the same mode.
    other = results.best("sends", goal.ours) if goal.against == "sends" else results.best(goal.mode, goal.against)
    return None if ours is None or not other else ours / other
