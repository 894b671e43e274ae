"""From finished runs on GitHub to something to publish: the plan of a night, and the rows of its sweeps.

Read as untrusted bytes, although our own hosted jobs wrote them: GitHub's digest is compared, zips and rows are read
strictly, each row must agree with GitHub's record of its job (`evidence`), and what it says of its point must be what
the plan says (`publish` checks that). Every call is safe to repeat: what is published already is left alone.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from aggregate import manifest
from aggregate.bounded import Limits, read_zip
from aggregate.columns import missing_row
from aggregate.coverage import Coverage, coverage_of, in_order, write_coverage
from aggregate.earlier import restore
from aggregate.evidence import MERGED, gather
from aggregate.judged import explained, judge
from aggregate.recheck import recheck
from aggregate.rows import Row, parse_rows, write_rows
from matrix.dispatch import MAIN, sweeps_started_by
from matrix.errors import UNDECODABLE, FleetError, Unanswered
from matrix.plan import planned_points
from matrix.planfile import parse_plan, write_plan
from matrix.waves import part_of
from matrix.words import Missing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from aggregate.coverage import Refused
    from aggregate.evidence import Evidence
    from aggregate.manifest import RunEntry
    from matrix.github import GitHub
    from matrix.github_records import Artifact, Run
    from matrix.plan import Job, Plan, PlannedPoint

NIGHTLY = "nightly.yml"
ARTIFACT_BYTES = 64 << 20
_STARTS_NIGHTS = ("schedule", "workflow_dispatch")
_LIMITS = Limits(files=20, file_bytes=ARTIFACT_BYTES, total_bytes=2 * ARTIFACT_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What can be published of one night: the jobs whose sweep has ended, each with a row for every point."""

    plan: Plan
    rows: tuple[Row, ...]
    coverage: Coverage


def fetch_plan(github: GitHub, run_id: int) -> Plan:
    """The plan a nightly run made. A run of anything else, or not on main, is refused: plans hold server arguments."""
    run = github.run(run_id)
    if not _is_night(run):
        raise FleetError(f"run {run_id} is {run.workflow} on {run.head_branch} ({run.event}), not a night on {MAIN}")
    plan = parse_plan(_member(github, run, "plan", "plan.json"), f"run {run_id}")
    if plan.git_sha != run.head_sha:
        raise FleetError(f"run {run_id} is of commit {run.head_sha}, and its plan says {plan.git_sha}")
    return plan


def collect(github: GitHub, home: Path, since: datetime, out: Path) -> list[str]:
    """Write `out/<run id>/` for each night with news: `plan.json`, `rows.ndjson`, `coverage.json`. What was done."""
    runs = github.runs(branch=MAIN, since=since)
    known = manifest.load(home)
    whole = {entry.run_id: entry for entry in known.runs} if known else {}
    said = []
    for night in sorted((run for run in runs if _is_night(run) and run.status == "completed"), key=lambda run: run.id):
        try:
            said.append(_collect_night(github, night, sweeps_started_by(night.id, runs), whole, out))
        except FleetError as error:  # one night that cannot be read must not keep the others from being published
            said.append(f"run {night.id}: not collected: {error}")
    return said


def _is_night(run: Run) -> bool:
    return run.workflow == NIGHTLY and run.head_branch == MAIN and run.event in _STARTS_NIGHTS


def _collect_night(github: GitHub, night: Run, sweeps: list[Run], whole: dict[str, RunEntry], out: Path) -> str:
    plan = fetch_plan(github, night.id)
    points = sum(not planned.point.repeat for _, planned in planned_points(plan).values())
    entry = whole.get(plan.run_id)
    if entry is not None and entry.planned == points and not entry.missing:
        return f"run {night.id}: {plan.run_id} is published whole"
    found = _Found(plan)
    for sweep in sweeps:
        if sweep.status == "completed":
            found.read(github, sweep)
    collected = found.assemble(closed=all(sweep.status == "completed" for sweep in sweeps) and not found.unanswered)
    if collected is not None:
        _write(collected, out / plan.run_id)
    count = collected.coverage.planned if collected else 0
    said = f"run {night.id}: {plan.run_id}: {count} of {points} points, {found.rechecked} artifacts read again"
    return "; ".join([said, *found.said])


@dataclass(slots=True)
class _Found:
    """What the finished sweeps of one night have sent, each row held against GitHub's record of its job."""

    plan: Plan
    rows: dict[str, Row] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    night: list[Evidence] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    unanswered: bool = False
    rechecked: int = 0

    def read(self, github: GitHub, sweep: Run) -> None:
        """Add one sweep. Rows that cannot be checked now wait for the next time: they are neither so nor not so."""
        try:
            evidence = gather(github, sweep, self.plan)
            self.night.append(evidence)
            rows, account = _merged(github, evidence)
            judged, refused = restore(github, self.plan, judge(self.plan, rows, evidence), evidence)
            judged, again = recheck(github, self.plan, judged, evidence)
        except FleetError as error:
            self.unanswered |= isinstance(error, Unanswered)
            self.said.append(f"{sweep.workflow}: {error}")
            return
        self.refused += [*account.refused, *refused]
        for row in judged:
            self.rows[row.point_id] = max(self.rows.get(row.point_id, row), row, key=_rank)
        self.rechecked += again
        if doubted := sum(row.job_verified is False for row in judged):
            self.said.append(f"{sweep.workflow}: {doubted} rows contradict what GitHub has of their jobs")

    def assemble(self, *, closed: bool) -> Collected | None:
        """Rows by point id, joined with the plan. Once a night is `closed`, points nobody speaks of are missing.

        Before that a job counts only when there is a row for each of its points. Rows of no point of the plan are
        left out here, and rows that contradict it stop `publish`.
        """
        jobs = [job for job in self.plan.jobs if closed or all(point.id in self.rows for point in job.points)]
        found = [self._row(job, point) for job in jobs for point in job.points]
        if not found:
            return None
        names = {row.point_id for row in found}
        children = [row for row in self.rows.values() if row.search_parent in names]
        ordered = tuple(sorted((*found, *children), key=lambda row: row.point_id))
        coverage = coverage_of(ordered, in_order(self.refused))
        return Collected(plan=part_of(self.plan, jobs), rows=ordered, coverage=coverage)

    def _row(self, job: Job, point: PlannedPoint) -> Row:
        blank = missing_row(
            self.plan, job, point, "none", Missing.NO_ARTIFACT if job.blocked is None else Missing.BLOCKED
        )
        row = self.rows.get(point.id, blank)
        return explained(row, self.night) if row.reasons == Missing.NO_ARTIFACT else row


def _rank(row: Row) -> tuple[bool, bool]:
    """A sweep that was started twice must not replace a number by nothing."""
    return row.outcome == "ok", row.outcome != "missing"


def _merged(github: GitHub, evidence: Evidence) -> tuple[tuple[Row, ...], Coverage]:
    sweep = evidence.run
    files = _files(github, sweep, MERGED, evidence.named(MERGED))
    for name in ("rows.ndjson", "coverage.json"):
        if name not in files:
            raise FleetError(f"its artifact `merged` has no {name}")
    try:
        account = msgspec.json.decode(files["coverage.json"], type=Coverage)
    except UNDECODABLE as error:
        raise FleetError(f"coverage.json: {error}") from error
    return parse_rows(files["rows.ndjson"], sweep.workflow), account


def _member(github: GitHub, run: Run, artifact: str, name: str) -> bytes:
    files = _files(github, run, artifact, github.artifacts(run.id))
    if name not in files:
        raise FleetError(f"run {run.id}: its artifact `{artifact}` has no {name}")
    return files[name]


def _files(github: GitHub, run: Run, name: str, listed: Sequence[Artifact]) -> dict[str, bytes]:
    found = [artifact for artifact in listed if artifact.name == name and not artifact.expired]
    if not found:
        raise FleetError(f"run {run.id} ({run.workflow}) has no artifact `{name}`")
    newest = max(found, key=lambda artifact: artifact.id)
    return read_zip(io.BytesIO(github.download(newest, ARTIFACT_BYTES)), _LIMITS)


def _write(collected: Collected, folder: Path) -> None:
    write_plan(collected.plan, folder / "plan.json")
    write_rows(collected.rows, folder / "rows.ndjson")
    write_coverage(collected.coverage, folder / "coverage.json")
