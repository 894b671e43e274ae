"""Rows with what GitHub says of their jobs: confirmed, put aside, or explained where there is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from aggregate import absent
from aggregate.artifacts import plain
from aggregate.evidence import of_row, of_sweep
from aggregate.publish import without_result
from matrix.github_records import JobRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aggregate.evidence import Evidence, Fault
    from aggregate.rows import Row
    from matrix.plan import Job, Plan


def judge(plan: Plan, rows: Iterable[Row], evidence: Evidence) -> list[Row]:
    """The rows of one sweep that are of planned jobs. What GitHub contradicts is quarantined, with its sentence."""
    jobs = {job.id: job for job in plan.jobs}
    sweep = of_sweep(evidence)
    return [_judged(row, jobs[row.job_id], evidence, sweep) for row in rows if row.job_id in jobs]


def _judged(row: Row, job: Job, evidence: Evidence, sweep: Fault | None) -> Row:
    if row.outcome in ("missing", "quarantined"):
        return msgspec.structs.replace(row, job_verified=None, github_job=None, runner=None, runner_group=None)
    found = sweep or of_row(row, job, evidence)
    if not isinstance(found, JobRecord):
        return doubted(row, found)
    return msgspec.structs.replace(
        row,
        job_verified=True,
        github_job=found.id,
        runner=plain(found.runner_name or ""),
        runner_group=plain(found.runner_group_name or ""),
    )


def doubted(row: Row, fault: Fault) -> Row:
    """What the plan knows of a point, and why its row is put aside."""
    reason, detail = fault
    return msgspec.structs.replace(
        without_result(row), outcome="quarantined", reasons=reason.value, detail=plain(detail), job_verified=False
    )


def explained(row: Row, night: Sequence[Evidence]) -> Row:
    """A row without a result, with what GitHub says became of its job."""
    if row.outcome != "missing":
        return row
    word, detail = absent.why(row.job_id, night)
    return msgspec.structs.replace(row, reasons=word.value, detail=plain(detail))
