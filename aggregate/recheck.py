"""A few jobs of each sweep once more, from the bytes GitHub keeps: does `merged` say what their artifacts say?

Fetching all of them would meet GitHub's limits on bursts. Which are fetched follows from the digest of `merged`: nobody
could know it while uploading, and every later look draws the same, so a row is never doubted in one hour only.
"""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

from aggregate.evidence import MERGED
from aggregate.judged import doubted
from aggregate.merge import merge
from matrix.errors import FleetError, Unanswered, listed
from matrix.waves import artifact_name, part_of
from matrix.words import Quarantine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aggregate.evidence import Evidence
    from aggregate.rows import Row
    from matrix.github import GitHub
    from matrix.github_records import Artifact
    from matrix.plan import Plan

JOBS_AGAIN = 2
LARGEST_BYTES = 64 << 20


def recheck(
    github: GitHub, plan: Plan, rows: Sequence[Row], evidence: Evidence, count: int = JOBS_AGAIN
) -> tuple[list[Row], int]:
    """The rows of one sweep, those put aside that their own artifact contradicts; and how many artifacts were read."""
    jobs = {job.id: job for job in plan.jobs}
    sent = sorted({(row.job_id, row.attempt) for row in rows if row.job_verified})
    faults: dict[str, str] = {}
    drawn = [artifact for one in _drawn(sent, evidence, count) if (artifact := readable(evidence, *one))]
    named = {artifact_name(*one): one for one in sent}
    for artifact in drawn:
        job_id, attempt = named[artifact.name]
        mine = [row for row in rows if (row.job_id, row.attempt) == (job_id, attempt) and row.job_verified]
        faults |= _contradicted(github, part_of(plan, [jobs[job_id]]), mine, artifact)
    checked = [
        doubted(row, (Quarantine.CONFLICTING_COPIES, faults[row.point_id])) if row.point_id in faults else row
        for row in rows
    ]
    return checked, len(drawn)


def _drawn(sent: Sequence[tuple[str, int]], evidence: Evidence, count: int) -> list[tuple[str, int]]:
    digests = [merged.digest for merged in evidence.named(MERGED)]
    chance = random.Random(f"{evidence.run.id} {digests}")  # noqa: S311 - must be the same at every look
    return chance.sample(sent, min(count, len(sent)))


def readable(evidence: Evidence, job_id: str, attempt: int) -> Artifact | None:
    """The artifact of an attempt, if it is there to be fetched: expired and very large ones are not."""
    artifacts = evidence.named(artifact_name(job_id, attempt))
    return next((one for one in artifacts if not one.expired and one.size_in_bytes <= LARGEST_BYTES), None)


def _contradicted(github: GitHub, part: Plan, rows: Sequence[Row], artifact: Artifact) -> dict[str, str]:
    """What is wrong with each point of one job, by point id."""
    try:
        again = merged_again(github, part, artifact)
    except Unanswered:
        raise
    except FleetError as error:
        return {row.point_id: str(error) for row in rows}
    return {row.point_id: why for row in rows if (why := _differs(row, again.get(row.point_id)))}


def merged_again(github: GitHub, part: Plan, artifact: Artifact) -> Mapping[str, Row]:
    """What one artifact alone says of the points of its job, by point id."""
    data = github.download(artifact, LARGEST_BYTES)
    with TemporaryDirectory() as folder:
        (Path(folder) / f"{artifact.name}.zip").write_bytes(data)
        return {row.point_id: row for row in merge(part, Path(folder)).rows}


def _differs(row: Row, again: Row | None) -> str | None:
    """A column that `merged` leaves null says nothing: the commit that planned the night may not have known it."""
    name = artifact_name(row.job_id, row.attempt)
    if again is None:
        return f"{name} says nothing of it"
    unsaid = {"shard": again.shard, "job_verified": None, "github_job": None, "runner": None, "runner_group": None}
    ours = msgspec.structs.replace(row, **unsaid)
    pairs = ((column, getattr(ours, column), getattr(again, column)) for column in row.__struct_fields__)
    columns = [column for column, said, found in pairs if said is not None and said != found]
    return f"{name} says otherwise of {listed(columns)}" if columns else None
