"""From finished runs on GitHub to something to publish: the plan of a night, and the rows of its sweeps.

Read as untrusted bytes, although our own hosted jobs wrote them: GitHub's digest is compared, zips and rows are read
strictly, and what a row says of its point must be what the plan says (`publish` checks that). Every call is safe to
repeat: what is published already is left alone.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from aggregate import manifest
from aggregate.bounded import Limits, read_zip
from aggregate.columns import missing_row
from aggregate.rows import Coverage, Row, coverage_of, in_order, parse_rows, write_coverage, write_rows
from matrix.errors import UNDECODABLE, FleetError
from matrix.plan import planned_points
from matrix.planfile import parse_plan, write_plan
from matrix.waves import part_of
from matrix.words import Missing

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from aggregate.manifest import RunEntry
    from aggregate.rows import Refused
    from matrix.github import GitHub, Run
    from matrix.plan import Plan

NIGHTLY = "nightly.yml"
MAIN = "main"
ARTIFACT_BYTES = 64 << 20
_STARTS_NIGHTS = ("schedule", "workflow_dispatch")
_SWEEP = re.compile(r"sweep-[0-9]{2}\.yml", re.ASCII)
_TITLE = re.compile(r"sweep [0-9]{2}, planned by run (?P<run>[0-9]{1,20})", re.ASCII)
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
    return parse_plan(_member(github, run, "plan", "plan.json"), f"run {run_id}")


def collect(github: GitHub, home: Path, since: datetime, out: Path) -> list[str]:
    """Write `out/<run id>/` for each night with news: `plan.json`, `rows.ndjson`, `coverage.json`. What was done."""
    runs = github.runs(branch=MAIN, since=since)
    known = manifest.load(home)
    whole = {entry.run_id: entry for entry in known.runs} if known else {}
    said = []
    for night in sorted((run for run in runs if _is_night(run) and run.status == "completed"), key=lambda run: run.id):
        try:
            said.append(_collect_night(github, night, _sweeps(runs, night), whole, out))
        except FleetError as error:  # one night that cannot be read must not keep the others from being published
            said.append(f"run {night.id}: not collected: {error}")
    return said


def _is_night(run: Run) -> bool:
    return run.workflow == NIGHTLY and run.head_branch == MAIN and run.event in _STARTS_NIGHTS


def _sweeps(runs: list[Run], night: Run) -> list[Run]:
    """The sweeps that a night started, by the title their workflow gives them."""
    found = []
    for run in runs:
        title = _TITLE.fullmatch(run.display_title)
        if title and _SWEEP.fullmatch(run.workflow) and run.head_branch == MAIN and int(title["run"]) == night.id:
            found.append(run)
    return sorted(found, key=lambda run: run.id)


def _collect_night(github: GitHub, night: Run, sweeps: list[Run], whole: dict[str, RunEntry], out: Path) -> str:
    plan = fetch_plan(github, night.id)
    points = len(planned_points(plan))
    entry = whole.get(plan.run_id)
    if entry is not None and entry.planned == points and not entry.missing:
        return f"run {night.id}: {plan.run_id} is published whole"
    rows: dict[str, Row] = {}
    refused: list[Refused] = []
    unread = []
    for sweep in sweeps:
        if sweep.status != "completed":
            continue
        try:
            found, account = _merged(github, sweep)
        except FleetError as error:
            unread.append(f"{sweep.workflow}: {error}")
            continue
        for row in found:
            rows[row.point_id] = max(rows.get(row.point_id, row), row, key=_rank)
        refused += account.refused
    collected = assemble(plan, rows, refused, closed=all(sweep.status == "completed" for sweep in sweeps))
    if collected is not None:
        _write(collected, out / plan.run_id)
    count = len(collected.rows) if collected else 0
    return "; ".join([f"run {night.id}: {plan.run_id}: {count} of {points} points", *unread])


def _rank(row: Row) -> tuple[bool, bool]:
    """A sweep that was started twice must not replace a number by nothing."""
    return row.outcome == "ok", row.outcome != "missing"


def assemble(plan: Plan, rows: dict[str, Row], refused: list[Refused], *, closed: bool) -> Collected | None:
    """Rows by point id, joined with the plan. Once a night is `closed`, points nobody speaks of are missing.

    Before that a job counts only when there is a row for each of its points. Rows of no point of the plan are left
    out here, and rows that contradict it stop `publish`.
    """
    jobs = [job for job in plan.jobs if closed or all(point.id in rows for point in job.points)]
    found = tuple(
        rows.get(point.id)
        or missing_row(plan, job, point, "none", Missing.NO_ARTIFACT if job.blocked is None else Missing.BLOCKED)
        for job in jobs
        for point in job.points
    )
    if not found:
        return None
    ordered = tuple(sorted(found, key=lambda row: row.point_id))
    coverage = coverage_of(ordered, in_order(refused))
    return Collected(plan=part_of(plan, jobs), rows=ordered, coverage=coverage)


def _merged(github: GitHub, sweep: Run) -> tuple[tuple[Row, ...], Coverage]:
    files = _files(github, sweep, "merged")
    for name in ("rows.ndjson", "coverage.json"):
        if name not in files:
            raise FleetError(f"its artifact `merged` has no {name}")
    try:
        account = msgspec.json.decode(files["coverage.json"], type=Coverage)
    except UNDECODABLE as error:
        raise FleetError(f"coverage.json: {error}") from error
    return parse_rows(files["rows.ndjson"], sweep.workflow), account


def _member(github: GitHub, run: Run, artifact: str, name: str) -> bytes:
    files = _files(github, run, artifact)
    if name not in files:
        raise FleetError(f"run {run.id}: its artifact `{artifact}` has no {name}")
    return files[name]


def _files(github: GitHub, run: Run, name: str) -> dict[str, bytes]:
    found = [artifact for artifact in github.artifacts(run.id) if artifact.name == name and not artifact.expired]
    if not found:
        raise FleetError(f"run {run.id} ({run.workflow}) has no artifact `{name}`")
    newest = max(found, key=lambda artifact: artifact.id)
    return read_zip(io.BytesIO(github.download(newest, ARTIFACT_BYTES)), _LIMITS)


def _write(collected: Collected, folder: Path) -> None:
    write_plan(collected.plan, folder / "plan.json")
    write_rows(collected.rows, folder / "rows.ndjson")
    write_coverage(collected.coverage, folder / "coverage.json")
