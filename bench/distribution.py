"""What many measurements say: quartiles, percentiles, and ratios of rounds that were measured one after the other.

A ratio is taken within a round, where both sides saw the same machine, and the median of the rounds is what counts.
Best against best would be a lottery: a server whose rounds vary twofold is judged by its luckiest one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Quartiles", "paired_ratios", "percentile", "quartiles"]


class Quartiles(NamedTuple):
    """The middle of some measurements, and where the middle half of them lies."""

    lower: float
    median: float
    upper: float


def quartiles(values: Sequence[float]) -> Quartiles:
    """Give the quartiles of what was measured; all three are the same where there is one value."""
    if len(values) == 1:
        return Quartiles(values[0], values[0], values[0])
    return Quartiles(*statistics.quantiles(values, n=4, method="inclusive"))


def paired_ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Divide round by round; where one side has a round more, because the run was interrupted, that has no pair."""
    return [mine / other for mine, other in zip(ours, theirs, strict=False) if other > 0]


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that `share` of all (0.99: 99 of 100) do not exceed; always one that was measured."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
