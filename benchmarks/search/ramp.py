"""The staircase ramp: up by a factor until the server breaks, and where that was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.search.climb import MAX_ERROR_SHARE, errs, highest, is_below, next_size
from benchmarks.search.steps import Measure
from matrix.finding import Finding, Stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.search.steps import Observation
    from matrix.search import Bounds, Ramp


def step(ramp: Ramp, bounds: Bounds, seen: Sequence[Observation], *, whole: bool) -> Measure | Stop:
    """One level is enough for errors; a fall must show on two successive levels, for one may be bad luck."""
    if not seen:
        return Measure(size=bounds.first_load)
    if errs(seen[-1]):
        return Stop.ERRORS
    if _fell(seen):
        return Stop.THROUGHPUT_FELL
    above = next_size(seen[-1].size, ramp.factor, bounds, whole=whole)
    return Stop.BOUND if above is None else Measure(size=above)


def finding(seen: Sequence[Observation], stop: Stop) -> Finding:
    """The knee, and the load that broke it with the numbers that say so."""
    top = highest(seen)
    knee = next(one for one in seen if not is_below(one, top, len(seen)))
    broke = {Stop.ERRORS: 1, Stop.THROUGHPUT_FELL: 2}.get(stop)
    broken = seen[-broke] if broke else None
    return Finding(
        stop=stop,
        size=knee.size if knee.tok_per_s else None,
        break_size=broken.size if broken else None,
        measurements=len(seen),
        minutes=sum(one.minutes for one in seen),
        detail=_detail(stop, seen, top),
    )


def _fell(seen: Sequence[Observation]) -> bool:
    if len(seen) < 3:
        return False
    top = highest(seen[:-2])
    return all(is_below(one, top, len(seen)) for one in seen[-2:])


def _detail(stop: Stop, seen: Sequence[Observation], top: Observation) -> str:
    peak = f"highest throughput {top.tok_per_s:.6g} tokens/s at {top.size:g}"
    last = seen[-1]
    if stop is Stop.ERRORS:
        return f"{last.failed} of {last.requests} requests failed at {last.size:g}: over {MAX_ERROR_SHARE:.0%}; {peak}"
    if stop is Stop.THROUGHPUT_FELL:
        falls = " and ".join(f"{one.tok_per_s / top.tok_per_s - 1:+.1%} at {one.size:g}" for one in seen[-2:])
        return f"{peak}, then {falls}"
    return f"{peak}; not broken at {last.size:g}"
