"""The plan of one host: every server group it can run, all selected points. For a fleet: `matrix.nightplan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matrix.blocked import why_blocked
from matrix.candidates import why_host_blocks
from matrix.check import check
from matrix.errors import DataProblems, FleetError, nearest
from matrix.estimate import Estimator
from matrix.expand import Dropped, expand, point_of
from matrix.group import group
from matrix.history import NO_HISTORY
from matrix.jobs import in_order, job_of, repeat_of, repeated_first, runners_of, with_repeat
from matrix.places import why_not_on
from matrix.plan import LeftOut, Plan, PlannedPoint
from matrix.point import Point, point_id, point_key
from matrix.rota import REPEAT_FROM_POINTS
from matrix.select import EVERYTHING, require
from matrix.traits import traits_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matrix.fleet import Fleet
    from matrix.group import ServerGroup
    from matrix.history import History
    from matrix.jobs import Night
    from matrix.plan import Job
    from matrix.select import Selector


NOT_ASKED_FOR = "not asked for: "
"""How the reason of a point begins that the selection leaves out."""


def build_plan(
    fleet: Fleet, host_id: str, night: Night, selector: Selector = EVERYTHING, history: History = NO_HISTORY
) -> Plan:
    """All selected points whose recipes ask for the GPU of `host_id`, on servers as the whole matrix groups them.

    Raises `DataProblems` when the fleet does not check, `FleetError` for an unknown host or an empty selection.
    """
    if problems := check(fleet):
        raise DataProblems(problems)
    if host_id not in fleet.hosts:
        raise FleetError(f"there is no host {host_id!r}: {nearest(host_id, fleet.hosts)}")
    left_out: dict[str, LeftOut] = {}
    for item, unasked in with_selection(fleet, selector):
        point = point_of(item)
        why = unasked or (item.why if isinstance(item, Dropped) else why_not_on(fleet, host_id, point))
        if why is not None:
            elsewhere = fleet.recipes[point.recipe].gpu != fleet.hosts[host_id].gpu
            left_out[point_id(point)] = LeftOut(id=point_id(point), why=why, elsewhere=elsewhere)
    estimator = Estimator(fleet=fleet, history=history)
    jobs = [
        _job(estimator, host_id, found, members, night)
        for found in group(fleet, (item for item in expand(fleet) if isinstance(item, Point)))
        if (members := [point for point in found.points if point_id(point) not in left_out])
    ]
    return Plan(
        run_id=night.run_id,
        night=night.date,
        seed=night.seed,
        git_sha=night.git_sha,
        jobs=tuple(jobs),
        left_out=tuple(left_out.values()),
        runners=runners_of(fleet, jobs),
    )


def with_selection(fleet: Fleet, selector: Selector) -> Iterator[tuple[Point | Dropped, str | None]]:
    """Every item of the matrix, and the option that leaves it out; null where it is asked for."""
    if not selector.conditions:
        yield from ((item, None) for item in expand(fleet))
        return
    traits = traits_of(fleet)
    having = [(item, traits(point_of(item))) for item in expand(fleet)]
    require(selector, [one for _, one in having])
    for item, one in having:
        missed = selector.missed(one)
        yield item, None if missed is None else f"{NOT_ASKED_FOR}{missed}"


def _job(estimator: Estimator, host_id: str, found: ServerGroup, members: list[Point], night: Night) -> Job:
    fleet, host = estimator.fleet, estimator.fleet.hosts[host_id]
    planned = [
        PlannedPoint(
            id=point_id(point), key=point_key(point), point=point, expected_minutes=estimator.point(point).whole
        )
        for point in members
    ]
    ordered = in_order(planned, frozenset(), found.job_id, night.seed)
    if first := repeated_first(ordered, REPEAT_FROM_POINTS):
        ordered = with_repeat(ordered, repeat_of(first.point, first.expected_minutes))
    minutes = estimator.start(found) + sum(point.expected_minutes for point in ordered)
    return job_of(fleet, host, found, ordered, minutes, why_blocked(fleet, found.points[0]) or why_host_blocks(host))
