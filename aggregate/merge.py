"""One folder of artifacts against the plan they were made for: every planned point ends in exactly one row.

A row depends only on the artifacts of its own job, never on the order in which they are found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from aggregate.artifacts import refusal, scan
from aggregate.columns import filled, missing_row
from aggregate.gates import arithmetic
from aggregate.order import with_order_effects
from aggregate.read import read_point
from aggregate.rows import Coverage, Refused, Row, coverage_of, in_order
from matrix.errors import ArtifactRefused, FleetError
from matrix.facts import Fact
from matrix.plan import planned_points
from matrix.words import Missing, Outcome, Quarantine

if TYPE_CHECKING:
    from pathlib import Path

    from aggregate.artifacts import Artifact
    from matrix.plan import Job, Plan, PlannedPoint
    from matrix.result import PointResult


class Merged(Fact, frozen=True, kw_only=True):
    """One row per planned point, ordered by point id, and the account of the run."""

    rows: tuple[Row, ...]
    coverage: Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """What one artifact says of one planned point: a result, or the `reason` why it cannot be believed."""

    name: str
    attempt: int
    data: bytes
    driver: str | None = None
    result: PointResult | None = None
    reason: Quarantine | None = None
    detail: str = ""


def merge(plan: Plan, artifacts: Path, shard: str = "all") -> Merged:
    """`artifacts` holds folders or zips named `job-<job id>-a<attempt>`; nothing else in it is opened."""
    planned = planned_points(plan)
    if not planned:
        raise FleetError("the plan has no points: nothing to merge")
    found, refused = scan(artifacts, {job.id for job in plan.jobs})
    by_job = {job.id: [artifact for artifact in found if artifact.job_id == job.id] for job in plan.jobs}
    for artifact in found:
        refused += _strangers(
            artifact, {point_id for point_id, (job, _) in planned.items() if job.id == artifact.job_id}
        )
    rows: list[Row] = []
    for _, (job, point) in sorted(planned.items()):
        copies = [copy for artifact in by_job[job.id] if (copy := _copy(plan, job, point, artifact))]
        judged = _conflicts(copies)
        refused += [refusal(copy.name, copy.reason, copy.detail) for copy in judged if copy.reason]
        rows.append(_decide(missing_row(plan, job, point, shard, _why_nothing(job, by_job[job.id])), judged))
    rows = with_order_effects(rows)
    return Merged(rows=tuple(rows), coverage=coverage_of(rows, in_order(refused)))


def _why_nothing(job: Job, artifacts: list[Artifact]) -> Missing:
    """A blocked job was planned, to be counted, and must not be launched: its plan says why."""
    if job.blocked is not None:
        return Missing.BLOCKED
    return Missing.NO_POINT_FILE if artifacts else Missing.NO_ARTIFACT


def _strangers(artifact: Artifact, mine: set[str]) -> list[Refused]:
    """Point files of an artifact that are no point of its job: reported, not read."""
    return [
        refusal(f"{artifact.name}/{name}", Quarantine.UNPLANNED, "not a point of this job")
        for name in artifact.files
        if name.startswith("points/") and name.removeprefix("points/").removesuffix(".json") not in mine
    ]


def _copy(plan: Plan, job: Job, point: PlannedPoint, artifact: Artifact) -> _Copy | None:
    """Null if the artifact says nothing of the point; a refused artifact says of each that it is unreadable."""
    data = artifact.files.get(f"points/{point.id}.json")
    if data is None and not artifact.problem:
        return None
    copy = _Copy(name=f"{artifact.name}/points/{point.id}.json", attempt=artifact.attempt, data=data or b"")
    if artifact.problem:
        return replace(copy, name=artifact.name, reason=Quarantine.UNREADABLE, detail=artifact.problem)
    try:
        result = read_point(copy.data)
    except ArtifactRefused as error:
        return replace(copy, reason=Quarantine.UNREADABLE, detail=str(error))
    if fault := _fault(result, plan, job, point, artifact.attempt):
        return replace(copy, reason=fault[0], detail=fault[1])
    return replace(copy, result=result, driver=artifact.driver)


def _fault(
    result: PointResult, plan: Plan, job: Job, point: PlannedPoint, attempt: int
) -> tuple[Quarantine, str] | None:
    """Is this the point, of this run, on this server, that the plan asked for; and do its numbers agree?"""
    seen = result.provenance
    for name, reason, found, wanted in (
        ("point_id", Quarantine.KEY_MISMATCH, result.point_id, point.id),
        ("point_key", Quarantine.KEY_MISMATCH, result.point_key, point.key),
        ("run_id", Quarantine.PLAN_MISMATCH, result.run_id, plan.run_id),
        ("job_id", Quarantine.PLAN_MISMATCH, result.job_id, job.id),
        ("attempt", Quarantine.PLAN_MISMATCH, str(result.attempt), str(attempt)),
        ("git_sha", Quarantine.PLAN_MISMATCH, seen.git_sha, plan.git_sha),
        ("seed", Quarantine.PLAN_MISMATCH, str(seen.seed), str(plan.seed)),
        ("recipe_digest", Quarantine.PLAN_MISMATCH, seen.recipe_digest, job.recipe_digest),
        ("server_args_digest", Quarantine.PLAN_MISMATCH, seen.server_args_digest, job.server.args_digest),
        ("image", Quarantine.PLAN_MISMATCH, seen.image, job.server.image),
    ):
        if found != wanted:
            return reason, f"{name} is {found}, expected {wanted}"
    broken = arithmetic(result, job.server.devices)
    return (Quarantine.ARITHMETIC, broken) if broken else None


def _conflicts(copies: list[_Copy]) -> list[_Copy]:
    """Copies of one attempt that differ in any byte are all put aside: which of them is true cannot be told."""
    contents: dict[int, set[bytes]] = {}
    for copy in copies:
        if copy.data:
            contents.setdefault(copy.attempt, set()).add(copy.data)
    detail = "another copy of this attempt has other bytes"
    return [
        replace(copy, result=None, reason=Quarantine.CONFLICTING_COPIES, detail=detail)
        if copy.data and len(contents[copy.attempt]) > 1
        else copy
        for copy in copies
    ]


def _decide(row: Row, copies: list[_Copy]) -> Row:
    """The newest complete ok attempt, else the newest complete, else the newest; else why none is believed."""
    good = [(copy, copy.result) for copy in copies if copy.result is not None]
    if good:
        copy, result = max(good, key=lambda pair: _rank(pair[1]))
        return filled(row, result, copy.driver)
    if not copies:
        return row
    attempt = max(copy.attempt for copy in copies)
    newest = [copy for copy in copies if copy.attempt == attempt]
    reasons = sorted({copy.reason.value for copy in newest if copy.reason})
    detail = refusal("", Quarantine.UNREADABLE, newest[0].detail).detail
    return msgspec.structs.replace(
        row, attempt=attempt, outcome="quarantined", reasons=",".join(reasons), detail=detail
    )


def _rank(result: PointResult) -> tuple[bool, bool, int]:
    return result.outcome is Outcome.OK, result.outcome is not None, result.attempt
