"""Rows with what GitHub says of their jobs: confirmed, put aside, or explained where there is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from aggregate import absent
from aggregate.artifacts import plain
from aggregate.columns import missing_row
from aggregate.evidence import of_row, of_sweep
from matrix.github_records import JobRecord
from matrix.plan import planned_points
from matrix.words import Missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aggregate.evidence import Evidence, Fault
    from aggregate.rows import Row
    from matrix.plan import Job, Plan, PlannedPoint


def judge(plan: Plan, rows: Iterable[Row], evidence: Evidence) -> list[Row]:
    """The rows of one sweep that are of planned points. What GitHub contradicts is quarantined, with its sentence."""
    planned = planned_points(plan)
    sweep = of_sweep(evidence)
    return [_judged(plan, *planned[row.point_id], row, evidence, sweep) for row in rows if row.point_id in planned]


def _judged(plan: Plan, job: Job, point: PlannedPoint, row: Row, evidence: Evidence, sweep: Fault | None) -> Row:
    blank = msgspec.structs.replace(row, job_verified=None, github_job=None, runner=None, runner_group=None)
    if row.outcome in ("missing", "quarantined"):
        return blank
    found = sweep or of_row(row, job, evidence)
    if isinstance(found, JobRecord):
        return msgspec.structs.replace(
            blank,
            job_verified=True,
            github_job=found.id,
            runner=plain(found.runner_name or ""),
            runner_group=plain(found.runner_group_name or ""),
        )
    return doubted(plan, job, point, row, found)


def doubted(plan: Plan, job: Job, point: PlannedPoint, row: Row, fault: Fault) -> Row:
    """What the plan knows of a point, and why its row is put aside."""
    nothing = missing_row(plan, job, point, row.shard, Missing.NO_ARTIFACT)
    return msgspec.structs.replace(
        nothing,
        attempt=row.attempt,
        outcome="quarantined",
        reasons=fault[0].value,
        detail=plain(fault[1]),
        job_verified=False,
    )


def explained(row: Row, night: Sequence[Evidence]) -> Row:
    """A row without a result, with what GitHub says became of its job."""
    if row.outcome != "missing":
        return row
    word, detail = absent.why(row.job_id, night)
    return msgspec.structs.replace(row, reasons=word.value, detail=plain(detail))
