"""What GitHub itself says of a sweep, held against what its rows say: who sent a result, when, and why one is missing.

A runner writes its artifact, and whoever holds its token can upload one under any name. GitHub's record of a job (its
name, attempt, labels, runner and times) is nothing a runner can write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from matrix.dispatch import MAIN
from matrix.waves import artifact_name, run_by
from matrix.words import Quarantine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from aggregate.rows import Row
    from matrix.github import GitHub
    from matrix.github_records import Artifact, JobRecord, Run
    from matrix.plan import Job, Plan

CLOCKS_APART = timedelta(seconds=60)
"""How far a host's clock may be from GitHub's."""
MERGE, MERGED = "merge", "merged"
SELF_HOSTED = "self-hosted"

Fault = tuple[Quarantine, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sweep with all its jobs, of every attempt, and all its artifacts.

    `jobs` are (attempt, record) by planned job id, in order of attempts; `artifacts` by name. `on_plan`: its commit is
    the plan's or a later one. `runners` are those that may take a label's jobs, where the plan names them.
    """

    run: Run
    jobs: Mapping[str, Sequence[tuple[int, JobRecord]]]
    artifacts: Mapping[str, Sequence[Artifact]]
    on_plan: bool
    runners: Mapping[str, tuple[str, ...]]

    def of(self, job_id: str) -> Sequence[tuple[int, JobRecord]]:
        return self.jobs.get(job_id, ())

    def named(self, name: str) -> Sequence[Artifact]:
        return self.artifacts.get(name, ())


def gather(github: GitHub, run: Run, plan: Plan) -> Evidence:
    """Complete lists or an error (`Unanswered`, where it may pass)."""
    jobs: dict[str, list[tuple[int, JobRecord]]] = {}
    for record in github.jobs(run.id):
        name, attempt = run_by(record.name, record.run_attempt)
        jobs.setdefault(name, []).append((attempt, record))
    artifacts: dict[str, list[Artifact]] = {}
    for artifact in github.artifacts(run.id):
        artifacts.setdefault(artifact.name, []).append(artifact)
    return Evidence(
        run=run,
        jobs={name: sorted(found, key=lambda pair: (pair[0], pair[1].id)) for name, found in jobs.items()},
        artifacts=artifacts,
        on_plan=run.head_sha == plan.git_sha or github.contains(run.head_sha, plan.git_sha),
        runners=plan.runners,
    )


def of_sweep(evidence: Evidence) -> Fault | None:
    """Was the sweep started as `nightly` starts them, and its `merged` uploaded by its own hosted job `merge`?"""
    run = evidence.run
    if run.event != "workflow_dispatch" or run.head_branch != MAIN:
        return _not_so(f"run {run.id} is {run.workflow} on {run.head_branch} by {run.event}, not dispatched on {MAIN}")
    if not evidence.on_plan:
        return _not_so(f"run {run.id} is of commit {run.head_sha[:12]}, which the plan's commit is no part of")
    hosted = [job for _, job in evidence.of(MERGE) if SELF_HOSTED not in job.labels]
    for merged in [one for one in evidence.named(MERGED) if not one.expired]:
        if foreign := _foreign(merged, run):
            return _not_so(foreign)
        if not any(_within(merged.created_at, job) for job in hosted):
            return _not_so(f"`{MERGED}` of run {run.id} was uploaded at {merged.created_at}, not by its job `{MERGE}`")
    return None


def of_row(row: Row, job: Job, evidence: Evidence) -> JobRecord | Fault:
    """GitHub's record of the job that sent a row; or what of its job, artifact or times GitHub says otherwise.

    SECURITY C19 and C20. Of an attempt there is one artifact. GitHub may list a job again in a re-run that left it as
    it was: any of its records will do, as no runner can write one.
    """
    name, run = artifact_name(job.id, row.attempt), evidence.run
    records = [record for attempt, record in evidence.of(job.id) if attempt == row.attempt]
    artifacts = evidence.named(name)
    if len(artifacts) != 1:
        return _not_so(f"run {run.id} has {len(artifacts)} artifacts {name}")
    found = _not_so(f"run {run.id} has no job that could have sent {name}")
    for record in records:
        fault = _by_job(row, job, artifacts[0], record, evidence)
        if fault is None:
            return record
        found = fault
    return found


def _by_job(row: Row, job: Job, artifact: Artifact, record: JobRecord, evidence: Evidence) -> Fault | None:
    if odd := _foreign(artifact, evidence.run) or _other_job(record, job, evidence):
        return _not_so(odd)
    if late := _outside(row, artifact, record):
        return Quarantine.OUTSIDE_JOB, late
    return None


def _other_job(record: JobRecord, job: Job, evidence: Evidence) -> str | None:
    what, run = f"job {record.id} ({record.name})", evidence.run
    if not {SELF_HOSTED, job.label} <= set(record.labels):
        return f"{what} ran on {', '.join(record.labels) or 'no label'}; the plan says {job.label}"
    if record.run_id != run.id or record.head_sha != run.head_sha:
        return f"{what} is of run {record.run_id} at {record.head_sha[:12]}, not of run {run.id} at {run.head_sha[:12]}"
    if not record.runner_name or record.status != "completed":
        return f"{what} is {record.status}, on runner {record.runner_name or '(none)'}"
    ours = evidence.runners.get(job.label)
    if ours is not None and not any(_is_runner(record.runner_name, name) for name in ours):
        return f"{what} ran on {record.runner_name}, which is no runner of {job.label}"
    return None


def _is_runner(name: str, host: str) -> bool:
    """A machine's own name, or one made of it for a single job: `NAME-...`."""
    return name == host or name.startswith(f"{host}-")


def _foreign(artifact: Artifact, run: Run) -> str | None:
    """Another run's upload, a fork's, or one GitHub knows nothing of."""
    by = artifact.workflow_run
    if by is None or (by.id, by.head_sha, by.head_branch) != (run.id, run.head_sha, run.head_branch):
        where = "no run" if by is None else f"run {by.id} at {by.head_sha[:12]} on {by.head_branch}"
        return f"{artifact.name} was uploaded by {where}, not by run {run.id} at {run.head_sha[:12]}"
    if by.repository_id != by.head_repository_id:
        return f"{artifact.name} was uploaded by a commit of repository {by.head_repository_id}, a fork"
    if not artifact.size_in_bytes:
        return f"{artifact.name} is empty"
    return None


def _outside(row: Row, artifact: Artifact, record: JobRecord) -> str | None:
    """The first of three times that is not within the job's own."""
    times: Sequence[tuple[str, datetime | None]] = (
        (f"{artifact.name} was uploaded", artifact.created_at),
        ("its point began", row.started_at),
        ("its point ended", row.ended_at or row.started_at),  # a killed one has no end
    )
    span = f"{record.started_at} to {record.completed_at}"
    return next(
        (f"{what} at {when}; its job ran from {span}" for what, when in times if not _within(when, record)), None
    )


def _within(when: datetime | None, record: JobRecord) -> bool:
    if when is None or record.started_at is None or record.completed_at is None:
        return False
    return record.started_at - CLOCKS_APART <= when <= record.completed_at + CLOCKS_APART


def _not_so(detail: str) -> Fault:
    return Quarantine.JOB_MISMATCH, detail
