"""A search on a server that is ready: it says which load comes next, that is measured, until it has found something.

Every measurement is a result of its own, written as it ends; the parent's file always holds what is known so far, so
that a signal, a dead server or a closed window costs what was being measured and nothing else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from benchmarks.search.decide import decide, found
from benchmarks.search.observe import is_data, observe
from benchmarks.search.steps import Measure
from matrix.finding import ChildOf, Stop
from matrix.parent import planned_child, search_of
from matrix.search import Ramp, Reach
from matrix.words import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.search.steps import Observation
    from matrix.parent import Search
    from matrix.plan import PlannedPoint
    from matrix.result import PointResult
    from matrix.slo import Slo
    from runners.ledger import Ledger
    from runners.measure import Measured
    from runners.preflight import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What a search needs of the job it is part of. `load` returns what is wrong with the host where it fails;
    `why_stop` says between two measurements why no further one may begin.
    """

    load: Callable[[PlannedPoint], Measured | Refusal]
    server_age_s: Callable[[], float]
    why_stop: Callable[[], str | None]
    ledger: Ledger
    on_child: Callable[[PointResult], None]


def conduct(parent: PlannedPoint, hands: Hands) -> PointResult:
    """Measure until the search, its bounds, the window or the server's end stops it; the parent's result."""
    search = search_of(parent.point)
    if search is None:
        raise ValueError(f"{parent.id} is no search")
    seen: list[Observation] = []
    while isinstance(said := decide(search, seen), Measure):
        if late := hands.why_stop():
            return _cut_off(parent, search, seen, hands, (Reason.WINDOW_CLOSED,), late)
        began = time.perf_counter()
        result, measured = _measure(parent, search, said, hands)
        if measured is None or not is_data(measured.reasons):
            detail = f"{result.point_id}: {result.detail}"
            return _cut_off(parent, search, seen, hands, result.reasons, detail)
        minutes = (time.perf_counter() - began) / 60
        seen.append(observe(measured.window, said.size, minutes, _slo(search)))
        hands.ledger.note(parent, found(search, seen, Stop.UNFINISHED))
    return hands.ledger.finish_search(parent, said, (), "")


def _measure(parent: PlannedPoint, search: Search, said: Measure, hands: Hands) -> tuple[PointResult, Measured | None]:
    """One child, from its file to its verdict; null for the measurement that this host could not make."""
    planned = planned_child(parent, said.size, said.replicate, said.min_requests)
    hands.ledger.start_child(
        planned, ChildOf(parent=parent.id, size=said.size, replicate=said.replicate), hands.server_age_s()
    )
    measured = hands.load(_drawn(planned, said.replicate))
    if isinstance(measured, tuple):
        result = hands.ledger.close(planned.id, *measured)
    else:
        exempt = exempt_of(search, measured)
        kept = replace(measured, reasons=tuple(reason for reason in measured.reasons if reason not in exempt))
        result = hands.ledger.finish(planned, kept, exempt)
    hands.on_child(result)
    return result, None if isinstance(measured, tuple) else measured


def _drawn(planned: PlannedPoint, replicate: int) -> PlannedPoint:
    """Prompts are drawn by the key: a load that is measured again must not meet its own prompts in a cache."""
    return planned if replicate == 1 else msgspec.structs.replace(planned, key=f"{planned.key}-r{replicate}")


def exempt_of(search: Search, measured: Measured) -> tuple[Reason, ...]:
    """A ramp goes on until requests fail, so there that is no fault of the measurement, as long as some went well."""
    failed = Reason.REQUEST_ERRORS in measured.reasons and measured.metrics is not None
    return (Reason.REQUEST_ERRORS,) if failed and isinstance(search.method, Ramp) else ()


def _cut_off(
    parent: PlannedPoint,
    search: Search,
    seen: list[Observation],
    hands: Hands,
    reasons: tuple[Reason, ...],
    detail: str,
) -> PointResult:
    so_far = found(search, seen, Stop.UNFINISHED)
    return hands.ledger.finish_search(parent, so_far, reasons, detail)


def _slo(search: Search) -> Slo | None:
    return search.method.slo if isinstance(search.method, Reach) else None
