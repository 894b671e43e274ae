"""Frontier refinement: climb to the stop, then split where the frontier is least known, until it is known enough."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.certainty import Z_TWO_SIDED_95
from benchmarks.search.climb import RUN_TO_RUN, errs, next_size
from benchmarks.search.curve import log_y_at
from benchmarks.search.steps import Measure
from matrix.finding import Finding, Stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.search.steps import Observation
    from matrix.search import Bounds, Refine


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """All measurements of one load: means of the logarithms of its axes, and their standard errors."""

    size: float
    log_x: float
    log_y: float
    x_se: float
    y_se: float
    replicates: int


def step(refine: Refine, bounds: Bounds, seen: Sequence[Observation], *, whole: bool) -> Measure | Stop:
    """Climb; measure again what cannot be told apart; stop when known; else split the largest log-log rectangle."""
    if not seen:
        return Measure(size=bounds.first_load)
    levels = levels_of(seen)
    above = _climb(refine, bounds, seen, levels, whole=whole)
    if above is not None:
        return Measure(size=above)
    again = _unclear(levels, refine.max_replicates)
    if again is not None:
        return Measure(size=again.size, replicate=again.replicates + 1)
    if len(levels) > 1 and gap_of(levels) <= refine.max_gap:
        return Stop.GAP
    middle = _split(levels, whole=whole)
    return Stop.RESOLVED if middle is None else Measure(size=middle)


def finding(seen: Sequence[Observation], stop: Stop) -> Finding:
    """`size` is the load of the highest throughput: the end of the frontier."""
    levels = levels_of(seen)
    top = max(levels, key=lambda level: level.log_y) if levels else None
    known = len(levels) > 1
    return Finding(
        stop=stop,
        size=top.size if top else None,
        gap=gap_of(levels) if known else None,
        certified_gap=_mean(levels, _half_heights(levels)) if known else None,
        measurements=len(seen),
        minutes=sum(one.minutes for one in seen),
        detail=f"{len(levels)} loads from {levels[0].size:g} to {levels[-1].size:g}" if levels else "no output at all",
    )


def levels_of(seen: Sequence[Observation]) -> list[Level]:
    """Loads that brought output, ascending."""
    by_size: dict[float, list[Observation]] = {}
    for one in seen:
        if one.x > 0 and one.y > 0 and not errs(one):
            by_size.setdefault(one.size, []).append(one)
    return [_level(size, by_size[size]) for size in sorted(by_size)]


def _level(size: float, same: Sequence[Observation]) -> Level:
    count = len(same)
    return Level(
        size=size,
        log_x=sum(math.log(one.x) for one in same) / count,
        log_y=sum(math.log(one.y) for one in same) / count,
        x_se=_pooled([one.x_log_se for one in same]),
        y_se=_pooled([one.log_se for one in same]),
        replicates=count,
    )


def _pooled(errors: Sequence[float]) -> float:
    """Of a mean of runs, each with its error from within and the spread between runs; unknown errors count as none."""
    known = [error if math.isfinite(error) else 0.0 for error in errors]
    return math.sqrt(sum(error**2 + RUN_TO_RUN**2 for error in known)) / len(known)


def gap_of(levels: Sequence[Level]) -> float:
    """The mean error of throughput at equal interactivity to be expected of the frontier through these points."""
    return _mean(levels, _gaps(levels))


def _climb(
    refine: Refine, bounds: Bounds, seen: Sequence[Observation], levels: Sequence[Level], *, whole: bool
) -> float | None:
    """The next load up, until throughput no longer grows, requests fail, or the bound is reached."""
    top = max(seen, key=lambda one: one.size)
    if errs(top) or top.y <= 0 or (len(levels) > 1 and levels[-1].log_y <= max(one.log_y for one in levels[:-1])):
        return None
    return next_size(top.size, refine.factor, bounds, whole=whole)


def _unclear(levels: Sequence[Level], max_replicates: int) -> Level | None:
    """Of neighbours whose intervals overlap on both axes, the one measured less often."""
    for one, other in pairwise(levels):
        reach_x = Z_TWO_SIDED_95 * math.hypot(one.x_se, other.x_se)
        reach_y = Z_TWO_SIDED_95 * math.hypot(one.y_se, other.y_se)
        if abs(one.log_x - other.log_x) < reach_x and abs(one.log_y - other.log_y) < reach_y:
            fewer = min(one, other, key=lambda level: level.replicates)
            if fewer.replicates < max_replicates:
                return fewer
    return None


def _split(levels: Sequence[Level], *, whole: bool) -> float | None:
    """The geometric middle of the largest rectangle between neighbours that has a load in between."""
    rectangles = []
    for one, other in pairwise(levels):
        middle = math.sqrt(one.size * other.size)
        middle = float(round(middle)) if whole else middle
        if one.size < middle < other.size:
            rectangles.append((abs((one.log_x - other.log_x) * (one.log_y - other.log_y)), middle))
    return max(rectangles)[1] if rectangles else None


def _gaps(levels: Sequence[Level]) -> list[float]:
    """Between neighbours: half the rectangle's height, or less where a left-out point shows that less is enough.

    The error of a smooth curve falls with the square of the distance between its points; leaving one out says how
    large it is over the two segments around it. The larger claim of a segment's two ends counts.
    """
    errors = {place: _error_without(levels, place) for place in range(1, len(levels) - 1)}
    gaps = []
    for segment, half_height in enumerate(_half_heights(levels)):
        ends = [end for end in (segment, segment + 1) if end in errors]
        shown = max((errors[end] * _part(levels, segment, end) ** 2 for end in ends), default=math.inf)
        gaps.append(min(half_height, shown))
    return gaps


def _part(levels: Sequence[Level], segment: int, place: int) -> float:
    """A segment's share of the distance between the two neighbours of a place, in log load."""
    span = math.log(levels[place + 1].size / levels[place - 1].size)
    return math.log(levels[segment + 1].size / levels[segment].size) / span


def _error_without(levels: Sequence[Level], place: int) -> float:
    """How wrong the frontier would be at this point's interactivity had it not been measured, less what is noise."""
    rest = [level for at, level in enumerate(levels) if at != place]
    size, x, y = np.array([(math.log(level.size), level.log_x, level.log_y) for level in rest]).T
    level = levels[place]
    error = abs(float(log_y_at(size, x, y, np.array([level.log_x]))[0]) - level.log_y)
    return max(0.0, error - math.hypot(level.x_se, level.y_se))


def _half_heights(levels: Sequence[Level]) -> list[float]:
    """A monotone frontier stays in the rectangle between two points: its middle is wrong by half its height at most."""
    return [abs(one.log_y - other.log_y) / 2 for one, other in pairwise(levels)]


def _mean(levels: Sequence[Level], gaps: Sequence[float]) -> float:
    """Gaps weighted with the interactivity they span, on a log scale."""
    widths = [abs(one.log_x - other.log_x) for one, other in pairwise(levels)]
    return sum(gap * width for gap, width in zip(gaps, widths, strict=True)) / (sum(widths) or 1.0)
