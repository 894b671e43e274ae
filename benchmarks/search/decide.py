"""The one question a runner asks of a search: given all that was seen, what next?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from benchmarks.search import ramp, reach, refine
from benchmarks.search.steps import Measure
from matrix.finding import NOTHING_YET, Finding, Stop
from matrix.point import Concurrency
from matrix.search import Ramp, Reach, Refine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.search.steps import Observation
    from matrix.parent import Search


def decide(search: Search, seen: Sequence[Observation]) -> Measure | Finding:
    """The same observations give the same answer: a search that was interrupted goes on from its rows.

    `seen` is in the order of measuring. Every measurement stays within the search's bounds.
    """
    said = _step(search, seen)
    if isinstance(said, Measure):
        if seen and _spent(search, seen):
            return found(search, seen, Stop.BUDGET)
        return said
    return found(search, seen, said)


def found(search: Search, seen: Sequence[Observation], stop: Stop) -> Finding:
    """What is known, whatever ended the search."""
    if not seen:
        return msgspec.structs.replace(NOTHING_YET, stop=stop)
    match search.method:
        case Ramp():
            return ramp.finding(seen, stop)
        case Refine():
            return refine.finding(seen, stop)
        case Reach() as method:
            return reach.finding(method, seen, stop)


def _step(search: Search, seen: Sequence[Observation]) -> Measure | Stop:
    whole = isinstance(search.base.load, Concurrency)
    match search.method:
        case Ramp() as method:
            return ramp.step(method, search.bounds, seen, whole=whole)
        case Refine() as method:
            return refine.step(method, search.bounds, seen, whole=whole)
        case Reach() as method:
            return reach.step(method, search.bounds, seen, whole=whole)


def _spent(search: Search, seen: Sequence[Observation]) -> bool:
    minutes = sum(one.minutes for one in seen)
    return len(seen) >= search.bounds.max_measurements or minutes >= search.bounds.max_minutes
