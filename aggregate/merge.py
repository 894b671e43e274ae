"""One folder of artifacts against the plan they were made for: every planned point ends in exactly one row.

The measurements of a planned search are rows beside it: those of the attempt that its own row is of.
A row depends only on the artifacts of its own job, never on the order in which they are found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from aggregate.artifacts import refusal, scan
from aggregate.columns import filled, missing_row
from aggregate.coverage import Coverage, Refused, coverage_of, in_order
from aggregate.gates import arithmetic
from aggregate.order import with_order_effects
from aggregate.read import read_point
from aggregate.rows import Row
from aggregate.searches import child_row, most_children, search_fault, steps_in, without_its_steps
from matrix.errors import ArtifactRefused, FleetError
from matrix.facts import Fact
from matrix.parent import planned_child
from matrix.plan import planned_points
from matrix.words import Missing, Outcome, Quarantine

if TYPE_CHECKING:
    from pathlib import Path

    from aggregate.artifacts import Artifact
    from matrix.plan import Job, Plan, PlannedPoint
    from matrix.result import PointResult


class Merged(Fact, frozen=True, kw_only=True):
    """One row per planned point and per measurement of a search, ordered by point id, and the account of the run."""

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
        refused += _strangers(artifact, [point for job, point in planned.values() if job.id == artifact.job_id])
    rows: list[Row] = []
    for _, (job, point) in sorted(planned.items()):
        artifacts_of = by_job[job.id]
        row = missing_row(plan, job, point, shard, _why_nothing(job, artifacts_of))
        row, doubts = _row(row, [copy for one in artifacts_of if (copy := _copy(plan, job, point, one))])
        if point.point.search is not None:
            row, children, more = _with_children(plan, job, point, row, artifacts_of)
            rows += children
            doubts += more
        rows.append(row)
        refused += doubts
    ordered = with_order_effects(sorted(rows, key=lambda row: row.point_id))
    return Merged(rows=tuple(ordered), coverage=coverage_of(ordered, in_order(refused)))


def _row(empty: Row, copies: list[_Copy]) -> tuple[Row, list[Refused]]:
    """One row from all copies there are, and the copies that are not believed."""
    judged = _conflicts(copies)
    return _decide(empty, judged), [refusal(copy.name, copy.reason, copy.detail) for copy in judged if copy.reason]


def _with_children(
    plan: Plan, job: Job, parent: PlannedPoint, row: Row, artifacts: list[Artifact]
) -> tuple[Row, list[Row], list[Refused]]:
    """The row of a search, those of its measurements, and what is not believed of either."""
    mine = [one for one in artifacts if row.attempt in (0, one.attempt)]
    steps = {step for one in mine for step in steps_in(parent, _point_ids(one))}
    if len(steps) > most_children(parent):
        detail = f"{len(steps)} measurements of a search that may make {most_children(parent)}"
        refused = [refusal(parent.id, Quarantine.UNPLANNED, detail)]
        return _quarantined(row, Quarantine.UNPLANNED, detail), [], refused
    children: list[Row] = []
    refused = []
    for step in sorted(steps):
        point = planned_child(parent, *step)
        copies = [copy for one in mine if (copy := _copy(plan, job, point, one, parent))]
        child, doubts = _row(child_row(plan, job, parent, step, row.shard), copies)
        children.append(child)
        refused += doubts
    if why := without_its_steps(row, children):
        refused.append(refusal(parent.id, Quarantine.ARITHMETIC, why))
        row = _quarantined(row, Quarantine.ARITHMETIC, why)
    return row, children, refused


def _quarantined(row: Row, reason: Quarantine, detail: str) -> Row:
    """A search whose measurements do not bear it out: what it says that it found is taken out."""
    gone = {field.name: field.default for field in msgspec.structs.fields(Row) if field.name.startswith("found_")}
    return msgspec.structs.replace(row, outcome="quarantined", reasons=reason.value, detail=detail, **gone)


def _point_ids(artifact: Artifact) -> list[str]:
    return [name[7:-5] for name in artifact.files if name.startswith("points/") and name.endswith(".json")]


def _why_nothing(job: Job, artifacts: list[Artifact]) -> Missing:
    """A blocked job was planned, to be counted, and must not be launched: its plan says why."""
    if job.blocked is not None:
        return Missing.BLOCKED
    return Missing.NO_POINT_FILE if artifacts else Missing.NO_ARTIFACT


def _strangers(artifact: Artifact, planned: list[PlannedPoint]) -> list[Refused]:
    """Point files of an artifact that are no point of its job, nor of a search in it: reported, not read."""
    names = _point_ids(artifact)
    mine = {point.id for point in planned}
    mine |= {name for point in planned for name in steps_in(point, names).values()}
    return [
        refusal(f"{artifact.name}/points/{name}.json", Quarantine.UNPLANNED, "not a point of this job")
        for name in names
        if name not in mine
    ]


def _copy(
    plan: Plan, job: Job, point: PlannedPoint, artifact: Artifact, parent: PlannedPoint | None = None
) -> _Copy | None:
    """Null if the artifact says nothing of the point; a refused artifact says of each that it is unreadable.

    `parent` is the search that the point is a measurement of.
    """
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
    if broken := search_fault(result, point, parent):
        return replace(copy, reason=Quarantine.PLAN_MISMATCH, detail=broken)
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
