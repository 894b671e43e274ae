"""Searches in artifacts: which files are measurements of a planned search, and what must be true of them.

The plan names the parent and its bounds; a child's id and key are made again from parent and load, never believed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from aggregate.columns import missing_row
from matrix.finding import Stop
from matrix.parent import child_of_name, planned_child, search_of
from matrix.search import Ramp, kind_of
from matrix.words import Missing, Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aggregate.rows import Row
    from matrix.finding import ChildOf, Finding
    from matrix.parent import Search
    from matrix.plan import Job, Plan, PlannedPoint
    from matrix.result import PointResult

Step = tuple[float, int]
"""A child's load, and which time it was measured at it."""


def steps_in(parent: PlannedPoint, names: Iterable[str]) -> dict[Step, str]:
    """The point ids among `names` that this search could have given its children, by load."""
    search = search_of(parent.point)
    if search is None:
        return {}
    bounds, found = search.bounds, {}
    for name in names:
        step = child_of_name(search, name)
        if step is not None and bounds.first_load <= step[0] <= bounds.last_load:
            found[step] = name
    return found


def most_children(parent: PlannedPoint) -> int:
    """How many measurements the search may make."""
    return parent.point.search.bounds.max_measurements if parent.point.search else 0


def child_row(plan: Plan, job: Job, parent: PlannedPoint, step: Step, shard: str) -> Row:
    """The row of one measurement of a search before anything is known of it."""
    size, replicate = step
    row = missing_row(plan, job, planned_child(parent, size, replicate), shard, Missing.NO_POINT_FILE)
    method = kind_of(parent.point.search.method) if parent.point.search else None
    return msgspec.structs.replace(row, search_method=method, search_parent=parent.id, search_replicate=replicate)


def step_of(row: Row) -> Step:
    """The load and replicate of a child's row."""
    return (float(row.concurrency) if row.rate_per_s is None else row.rate_per_s), row.search_replicate or 1


def search_fault(result: PointResult, planned: PlannedPoint, parent: PlannedPoint | None) -> str | None:
    """What of a result cannot come from its place in a search; `parent` null for what the plan names itself."""
    if parent is not None:
        return _child_fault(result, parent)
    if result.child is not None:
        return "says that it is a measurement of a search, and is planned"
    search = search_of(planned.point)
    if search is None:
        return "has the finding of a search, and is none" if result.finding is not None else None
    if result.finding is None or result.metrics is not None:
        return "is a search, and has metrics of its own or no finding"
    if result.outcome is Outcome.OK and result.finding.stop is Stop.UNFINISHED:
        return "outcome ok, and the search is unfinished"
    return _bounds_fault(result.finding, search)


def _child_fault(result: PointResult, parent: PlannedPoint) -> str | None:
    child = result.child
    if child is None or result.finding is not None:
        return f"does not say that it is a measurement of {parent.id}"
    step = steps_in(parent, [result.point_id])
    if (child.size, child.replicate) not in step or child.parent != parent.id:
        return f"says that it is {child.parent} at {child.size:g}, for the {child.replicate}. time"
    return _exempt_fault(child, parent)


def _exempt_fault(child: ChildOf, parent: PlannedPoint) -> str | None:
    search = parent.point.search
    allowed = {Reason.REQUEST_ERRORS} if search is not None and isinstance(search.method, Ramp) else set()
    odd = [reason.value for reason in child.exempt if reason not in allowed]
    return f"exempt from {odd[0]}, which this search is not" if odd else None


def _bounds_fault(finding: Finding, search: Search) -> str | None:
    bounds = search.bounds
    if finding.measurements > bounds.max_measurements:
        return f"{finding.measurements} measurements; it may make {bounds.max_measurements}"
    for name, size in (("size", finding.size), ("break_size", finding.break_size)):
        if size is not None and not bounds.first_load <= size <= bounds.last_load:
            return f"{name} is {size:g}, outside of {bounds.first_load:g} to {bounds.last_load:g}"
    return None


def without_its_steps(parent: Row, children: Iterable[Row]) -> str | None:
    """Why a finding is not borne out by the measurements that came with it."""
    came = sum(row.outcome != "quarantined" and row.ended_at is not None for row in children)
    counted = parent.found_measurements or 0
    return f"it was found by {counted} measurements, of which {came} came" if came < counted else None
