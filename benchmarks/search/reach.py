"""Throughput at an SLO: the highest load whose certified percentiles keep it, by bisection on log load."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from benchmarks.certainty import floor_of, is_certified_beyond, is_certified_within
from benchmarks.search.climb import next_size
from benchmarks.search.steps import Measure
from matrix.errors import listed
from matrix.finding import Finding, Stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.search.steps import Observation
    from matrix.search import Bounds, Reach


class Verdict(Enum):
    """Whether a load keeps the SLO. Open: more requests could tell; unsure: as many as allowed did not."""

    KEEPS = "keeps"
    BREAKS = "breaks"
    UNSURE = "unsure"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """All that is known of one load, over all its measurements."""

    size: float
    verdict: Verdict
    requests: int
    replicates: int


def step(reach: Reach, bounds: Bounds, seen: Sequence[Observation], *, whole: bool) -> Measure | Stop:
    """Settle the load in hand; climb while it keeps the SLO; then halve the distance to the first that does not."""
    need = floor_of(reach.slo.percentile)
    if not seen:
        return Measure(size=bounds.first_load, min_requests=need)
    tried = tried_of(reach, seen)
    for one in tried:
        if one.verdict is Verdict.OPEN:
            more = min(max(need, one.requests), reach.max_requests_per_level - one.requests)
            return Measure(size=one.size, replicate=one.replicates + 1, min_requests=more)
    low, high = _bracket(tried)
    if low is None:
        return Stop.NOTHING_KEEPS_IT
    if high is None:
        above = next_size(low, reach.factor, bounds, whole=whole)
        return Stop.BOUND if above is None else Measure(size=above, min_requests=need)
    middle = math.sqrt(low * high)
    middle = float(round(middle)) if whole else middle
    if high / low <= 1 + reach.tolerance or not low < middle < high:
        return Stop.EDGE
    return Measure(size=middle, min_requests=need)


def finding(reach: Reach, seen: Sequence[Observation], stop: Stop) -> Finding:
    """`size` null where not even the first load keeps the SLO."""
    tried = tried_of(reach, seen)
    low, high = _bracket(tried)
    unsure = [one.size for one in tried if one.verdict in (Verdict.UNSURE, Verdict.OPEN)]
    doubt = "; not certified either way at " + listed([f"{size:g}" for size in unsure]) if unsure else ""
    return Finding(
        stop=stop,
        size=low,
        break_size=high,
        measurements=len(seen),
        minutes=sum(one.minutes for one in seen),
        detail=f"p{100 * reach.slo.percentile:g} certified up to {'nothing' if low is None else f'{low:g}'}{doubt}",
    )


def tried_of(reach: Reach, seen: Sequence[Observation]) -> list[Tried]:
    """By load, ascending. Requests of all measurements of a load count together."""
    by_size: dict[float, list[Observation]] = {}
    for one in seen:
        by_size.setdefault(one.size, []).append(one)
    return [_tried(reach, size, by_size[size]) for size in sorted(by_size)]


def _tried(reach: Reach, size: float, same: Sequence[Observation]) -> Tried:
    requests = sum(one.requests for one in same)
    return Tried(size=size, verdict=_verdict(reach, requests, same), requests=requests, replicates=len(same))


def _verdict(reach: Reach, requests: int, same: Sequence[Observation]) -> Verdict:
    """A looked-at load is looked at again only while it is open, so its confidence is that of its last look."""
    percentile = reach.slo.percentile
    over = [sum(one.over[name] for one in same) for name in same[0].over]
    if any(is_certified_beyond(count, requests, percentile) for count in over):
        return Verdict.BREAKS
    if over and all(is_certified_within(count, requests, percentile) for count in over):
        return Verdict.KEEPS
    return Verdict.OPEN if 0 < requests < reach.max_requests_per_level else Verdict.UNSURE


def _bracket(tried: Sequence[Tried]) -> tuple[float | None, float | None]:
    """(highest load that keeps it below every one that does not, lowest that does not). Unsure is not kept."""
    not_kept = [one.size for one in tried if one.verdict in (Verdict.BREAKS, Verdict.UNSURE)]
    high = min(not_kept, default=None)
    kept = [one.size for one in tried if one.verdict is Verdict.KEEPS and (high is None or one.size < high)]
    return max(kept, default=None), high
