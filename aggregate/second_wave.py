"""The second wave of a run: what the infrastructure failed, once more, within a share of the points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from matrix.limits import RETRY_JOBS, RETRY_SHARE
from matrix.waves import part_of
from matrix.words import Missing, Outcome, Quarantine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aggregate.rows import Row
    from matrix.plan import Job, Plan


def again(plan: Plan, rows: Iterable[Row], *, share: float = RETRY_SHARE, max_jobs: int = RETRY_JOBS) -> Plan:
    """The part of `plan` that is worth another try, given the rows of the first.

    Lost runners come first, then the plan's own order. One job is always allowed: of a small shard 5 % is nothing.
    """
    worth = {row.point_id: row for row in rows if _is_worth(row)}
    lost = {row.job_id for row in worth.values() if row.reasons == Missing.NO_ARTIFACT}
    candidates = [cut for job in plan.jobs if (cut := _cut(job, worth)) is not None]
    left = int(share * sum(len(job.points) for job in plan.jobs if job.blocked is None))
    chosen: list[Job] = []
    for job in sorted(candidates, key=lambda job: job.id not in lost):
        if len(chosen) < max_jobs and (not chosen or len(job.points) <= left):
            chosen.append(job)
            left -= len(job.points)
    return part_of(plan, chosen)


def _is_worth(row: Row) -> bool:
    """The host's or the transport's fault, never the recipe's, and nobody's wish. A repeat belongs to the first try."""
    if row.repeat:
        return False
    return row.outcome in ("missing", Outcome.INFRA_FAILED) or row.reasons == Quarantine.UNREADABLE


def _cut(job: Job, worth: dict[str, Row]) -> Job | None:
    points = tuple(point for point in job.points if point.id in worth)
    if job.blocked is not None or not points:
        return None
    return msgspec.structs.replace(job, points=points)
