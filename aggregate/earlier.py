"""What was put aside, from an earlier attempt that GitHub confirms.

A sweep's merge believes the newest attempt, and does not ask GitHub who made it. Without this, a runner that uploads
under another job's name would take back what that job had measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from aggregate.artifacts import refusal
from aggregate.judged import judge
from aggregate.recheck import merged_again, readable
from matrix.errors import FleetError, Unanswered
from matrix.waves import artifact_name, part_of
from matrix.words import Quarantine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aggregate.coverage import Refused
    from aggregate.evidence import Evidence
    from aggregate.rows import Row
    from matrix.github import GitHub
    from matrix.plan import Plan

MOST_READ = 20
"""Artifacts fetched for this in one sweep: whoever forges more than that has taken the night, and it says so."""
_FORGED = (Quarantine.JOB_MISMATCH, Quarantine.OUTSIDE_JOB)


def restore(github: GitHub, plan: Plan, rows: Sequence[Row], evidence: Evidence) -> tuple[list[Row], list[Refused]]:
    """The rows of one sweep, those put aside replaced where they can be; and what was refused in their favour."""
    jobs = {job.id: job for job in plan.jobs}
    found: dict[str, Row] = {}
    for job_id, attempt in _earlier(rows, evidence)[:MOST_READ]:
        found |= {
            row.point_id: row
            for row in _confirmed(github, part_of(plan, [jobs[job_id]]), attempt, evidence)
            if row.point_id not in found
        }
    put_aside = {row.point_id: row for row in rows if row.reasons in _FORGED and row.point_id in found}
    refused = [
        refusal(artifact_name(row.job_id, row.attempt), Quarantine(row.reasons), row.detail)
        for row in put_aside.values()
    ]
    restored = [
        msgspec.structs.replace(found[row.point_id], shard=row.shard) if row.point_id in put_aside else row
        for row in rows
    ]
    return restored, refused


def _earlier(rows: Iterable[Row], evidence: Evidence) -> list[tuple[str, int]]:
    """(job id, attempt) that may say more than what was put aside, the newest attempts of each job first."""
    newest = {row.job_id: row.attempt for row in rows if row.reasons in _FORGED}
    return [
        (job_id, attempt)
        for job_id, last in sorted(newest.items())
        for attempt in sorted({attempt for attempt, _ in evidence.of(job_id)}, reverse=True)
        if attempt < last
    ]


def _confirmed(github: GitHub, part: Plan, attempt: int, evidence: Evidence) -> list[Row]:
    """The rows of one attempt that GitHub confirms."""
    artifact = readable(evidence, part.jobs[0].id, attempt)
    if artifact is None:
        return []
    try:
        again = merged_again(github, part, artifact)
    except Unanswered:
        raise
    except FleetError:
        return []
    return [row for row in judge(part, again.values(), evidence) if row.job_verified]
