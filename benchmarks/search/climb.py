"""Climbing a staircase of loads: the next step, and the signs that it was one too many."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from benchmarks.certainty import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.search.steps import Observation
    from matrix.search import Bounds

MAX_ERROR_SHARE = 0.10
RUN_TO_RUN = 0.01
"""Spread of log throughput between equal runs, which no interval from within a run holds."""


def next_size(size: float, factor: float, bounds: Bounds, *, whole: bool) -> float | None:
    """One step up, the last one cut to the bound; None on top. `whole`: sizes are streams."""
    if size >= bounds.last_load:
        return None
    above = min(size * factor, bounds.last_load)
    return float(max(round(above), round(size) + 1)) if whole else above


def errs(seen: Observation) -> bool:
    """Whether surely more than MAX_ERROR_SHARE of requests fail at this load (95 %, one-sided)."""
    return wilson(seen.failed, seen.requests).low > MAX_ERROR_SHARE


def is_below(one: Observation, other: Observation, looks: int) -> bool:
    """Whether the throughput of `one` is significantly below that of `other`: 95 %, one-sided, over all `looks`.

    `other` is the luckiest of several levels, and every level is compared with it: hence Bonferroni.
    """
    if one.tok_per_s <= 0 or other.tok_per_s <= 0:
        return one.tok_per_s < other.tok_per_s
    error = math.sqrt(one.log_se**2 + other.log_se**2 + 2 * RUN_TO_RUN**2)
    z = NormalDist().inv_cdf(1 - 0.05 / max(1, looks))
    return math.log(one.tok_per_s) - math.log(other.tok_per_s) + z * error < 0


def highest(seen: Sequence[Observation]) -> Observation:
    return max(seen, key=lambda one: one.tok_per_s)
