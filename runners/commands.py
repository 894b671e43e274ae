"""What `inferfleet run` does: signals, the state folder, and the exit code around one job."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.reference.sets import SHIPPED
from launch.backends import BACKENDS
from launch.engines import ENGINES
from matrix.blocked import why_unpinned
from matrix.errors import FleetError
from matrix.planfile import find_job, read_plan
from matrix.select import EVERYTHING, select
from matrix.traits import planned_traits
from matrix.words import Outcome
from runners.cancel import Cancel, CancelledError
from runners.job import JobOptions, run_job
from runners.progress import Progress

if TYPE_CHECKING:
    from matrix.plan import Job, Plan
    from matrix.select import Selector

ALL_OK, NOT_ALL_OK, INTERRUPTED = 0, 4, 130
"""Exit codes: 4 means the artifact is whole, and some of its points are not `ok`."""


def run(
    plan_path: Path,
    job_id: str,
    out: Path,
    attempt: int,
    not_after: str | None,
    *,
    unpinned: bool = False,
    prompts: Path = SHIPPED,
) -> int:
    """Run one job of a plan; the exit code says whether every point ended `ok`."""
    plan = read_plan(plan_path)
    job = find_job(plan, job_id)
    if why := _why_not(job, unpinned=unpinned):
        raise FleetError(f"job {job_id} is planned and must not be launched: {why}")
    _require_empty(out)
    cancel = Cancel()
    until = _instant(not_after)
    options = JobOptions(
        out=out, state=state_folder(), cancel=cancel, attempt=attempt, not_after=until, prompts=prompts
    )
    try:
        with cancel.by_signals():
            outcomes = run_job(plan, job, options, Progress.of(plan, (job_id,)))
    except CancelledError:
        click.echo(f"cancelled: the points that had not ended are `cancelled` rows in {out}", err=True)
        return INTERRUPTED
    return ALL_OK if set(outcomes.values()) <= {Outcome.OK} else NOT_ALL_OK


def run_all(
    plan_path: Path,
    artifacts: Path,
    selector: Selector = EVERYTHING,
    attempt: int = 1,
    not_after: str | None = None,
    *,
    unpinned: bool = False,
    prompts: Path = SHIPPED,
) -> int:
    """Run every launchable job that holds a selected point, one after the other, each whole and into its own artifact.

    A job is never cut to a selection: its other points would look lost. A signal ends them all.
    """
    plan = read_plan(plan_path)
    until = _instant(not_after)
    jobs = {artifacts / f"job-{job.id}-a{attempt}": job for job in _launchable(plan, selector, unpinned=unpinned)}
    for out in jobs:
        _require_empty(out)
    progress = Progress.of(plan, tuple(job.id for job in jobs.values()))
    outcomes: set[Outcome] = set()
    cancel, state = Cancel(), state_folder()
    try:
        with cancel.by_signals():
            for out, job in jobs.items():
                options = JobOptions(
                    out=out, state=state, cancel=cancel, attempt=attempt, not_after=until, prompts=prompts
                )
                outcomes |= set(run_job(plan, job, options, progress).values())
    except CancelledError:
        click.echo("cancelled: what was measured is kept, the rest are `cancelled` or missing rows", err=True)
        return INTERRUPTED
    return ALL_OK if outcomes <= {Outcome.OK} else NOT_ALL_OK


def _require_empty(out: Path) -> None:
    if out.exists() and any(out.iterdir()):
        raise FleetError(f"{out}: is not empty. An artifact is written once: choose a new folder")


def _why_not(job: Job, *, unpinned: bool) -> str | None:
    """Why a job may not be launched: something of it is unknown, or not fixed and nobody said that is all right."""
    if job.blocked is not None:
        return job.blocked
    for what, name, known in (("backend", job.backend, BACKENDS), ("engine", job.server.engine, ENGINES)):
        if name not in known:
            return f"this version has no {what} {name!r}; it has {', '.join(sorted(known))}"
    why = None if unpinned else why_unpinned(job.server)
    return f"{why}; `inferfleet pin` fixes it, --unpinned runs it all the same" if why else None


def _launchable(plan: Plan, selector: Selector, *, unpinned: bool) -> list[Job]:
    """The jobs with a selected point that may be launched; a `FleetError` where all that are meant may not."""
    having = [(job, planned_traits(job, point)) for job in plan.jobs for point in job.points]
    meant = {job.id for job, _ in select(selector, having, lambda pair: pair[1])}
    jobs = [job for job in plan.jobs if job.id in meant]
    if not jobs:
        raise FleetError("the plan has no jobs: nothing to run")
    refused = [(job.id, why) for job in jobs if (why := _why_not(job, unpinned=unpinned)) is not None]
    if len(refused) == len(jobs):
        job_id, why = refused[0]
        raise FleetError(f"none of these {len(jobs)} jobs may be launched; {job_id}: {why}")
    for job_id, why in refused:
        click.echo(f"{job_id}: not run: {why}", err=True)
    not_run = {job_id for job_id, _ in refused}
    return [job for job in jobs if job.id not in not_run]


def state_folder() -> Path:
    """Where this user's host lock lives: one per user and machine, in a folder nobody else can enter."""
    folder = Path(tempfile.gettempdir()) / f"inferfleet-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or folder.is_symlink():
        raise FleetError(f"{folder}: belongs to somebody else. Remove it, or set TMPDIR to a folder of your own")
    return folder


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise FleetError(f"--not-after {text!r} is not a time: write it as 2026-01-31T06:00:00Z") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
