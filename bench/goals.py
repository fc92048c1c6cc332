"""What wscore has to reach, as ratios within one run; smaller is better. The engine alone is micro.py's affair.

They are judged by the median of paired rounds. A goal is met or missed by that, whatever the spread; the spread says
how sure it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bench.distribution import Quartiles
from bench.measure import Results
from bench.modes import MEMORY

__all__ = ["GOALS", "Goal", "Verdict", "judge"]


@dataclass(frozen=True, slots=True)
class Goal:
    """`ours` costs at most `limit` times what `against` costs in `mode`; without `against` the limit is absolute."""

    mode: str
    ours: str
    against: str
    limit: float
    in_mode: str = ""
    """Where `against` is measured, if in another mode, which takes turns with the first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal, and what was reached, with its spread: None where one of the two was not measured."""

    goal: Goal
    reached: Quartiles | None

    @property
    def met(self) -> bool | None:
        return None if self.reached is None else self.reached.median <= self.goal.limit


LEVEL: Final = 1.1
"""Below that a difference is no finding."""

_ON_ASYNCIO: Final = {
    "one-32": (0.32, 0.70, 1.15),
    "burst-32B-text": (0.08, 0.12, 0.15),
    "burst-1KiB-text": (0.09, 0.15, 0.20),
    "burst8-64KiB-binary": (0.55, 0.85, 1.1),
    "burst-1MiB-binary": (0.45, 0.40, 0.95),
    "connect": (0.50, 0.85, 1.3),
}
_ON_TRIO: Final = {"one-32": 0.30, "burst-32B-text": 0.06, "burst8-64KiB-binary": 0.10, "connect": 0.48}

GOALS: Final = (
    *(
        Goal(mode, "wscore-asyncio", against, limit)
        for mode, limits in _ON_ASYNCIO.items()
        for against, limit in zip(("uvicorn-sansio", "aiohttp-asyncio", "picows-asyncio"), limits, strict=True)
    ),
    Goal("one-32", "wscore-uvloop", "uvicorn-sansio-uvloop", 0.55),
    Goal("one-32", "wscore-uvloop", "picows-uvloop", 1.15),
    Goal("burst-32B-text", "wscore-uvloop", "uvicorn-sansio-uvloop", 0.15),
    Goal("burst8-64KiB-binary", "wscore-uvloop", "uvicorn-sansio-uvloop", 0.65),
    *(Goal(mode, "wscore-trio", "trio-websocket", limit) for mode, limit in _ON_TRIO.items()),
    Goal("memory", "wscore-asyncio", "", 9.0),
    Goal("memory", "wscore-trio", "", 11.5),
    *(Goal("broadcast", ours, ours, 0.5, in_mode="sends") for ours in ("wscore-asyncio", "wscore-trio")),
    Goal("client-one", "wscore-asyncio", "websockets-asyncio", 0.5),
    Goal("client-one", "wscore-asyncio", "aiohttp-asyncio", 0.8),
    Goal("rate-10000", "wscore-asyncio", "picows-asyncio", LEVEL),
)


def judge(results: Results) -> list[Verdict]:
    """Compare what was measured with the goals; those for memory hold at their number of connections only."""
    return [Verdict(goal, _reached(goal, results)) for goal in GOALS]


def _reached(goal: Goal, results: Results) -> Quartiles | None:
    if goal.against:
        return results.ratio(goal.mode, goal.ours, goal.against, against_mode=goal.in_mode)
    figure = results.figure(goal.mode, goal.ours)
    return figure.quartiles if figure is not None and results.idle.get(goal.mode) == MEMORY.idle else None
