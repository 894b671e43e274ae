"""Which jobs a workflow run starts: a plan cut to one shard, and the matrix that GitHub makes of it.

The matrix is the only thing of a plan that GitHub itself interprets, so it holds ids and runner labels and nothing
else, each checked here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from matrix.blocked import why_unpinned
from matrix.errors import FleetError, nearest
from matrix.fleet import ID
from matrix.limits import JOB_OUTPUT_BYTES, SHARD_JOBS

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from matrix.plan import Job, Plan

AGAIN = " (again)"
"""What `templates/waves.yml` adds to a job's id to name its second wave."""
_SHA = re.compile(r"[0-9a-f]{40}", re.ASCII)


def part_of(plan: Plan, jobs: Iterable[Job]) -> Plan:
    """The same night with these jobs alone."""
    return msgspec.structs.replace(plan, jobs=tuple(jobs), left_out=())


def of_shard(plan: Plan, listed: Container[str]) -> Plan:
    """What a shard with these job ids runs of a plan."""
    return part_of(plan, (job for job in plan.jobs if listed_as(job.id, listed) is not None))


def without_unpinned(plan: Plan) -> Plan:
    """Jobs whose image or model could change under its name are blocked: no host would run them, and rows say why."""
    return msgspec.structs.replace(plan, jobs=tuple(_blocked_unless_pinned(job) for job in plan.jobs))


def _blocked_unless_pinned(job: Job) -> Job:
    why = why_unpinned(job.server)
    remedy = "`inferfleet pin` fixes it, run one with `unpinned` measures it all the same"
    return msgspec.structs.replace(job, blocked=job.blocked or (f"{why}; {remedy}" if why else None))


def listed_as(job_id: str, listed: Container[str]) -> str | None:
    """The id under which a shard lists a job: its own, or the one it is a part of (`ID.part`)."""
    name = job_id
    while name not in listed:
        name, dot, _ = name.rpartition(".")
        if not dot:
            return None
    return name


def run_by(name: str, run_attempt: int) -> tuple[str, int]:
    """The job id and the attempt of its artifact that GitHub's job of this name runs, in this attempt of its run.

    Attempts 1 and 2 are the two waves of a run, 3 and 4 those of its first re-run: as `templates/waves.yml` counts.
    """
    if name.endswith(AGAIN):
        return name.removesuffix(AGAIN), 2 * run_attempt
    return name, 2 * run_attempt - 1


def artifact_name(job_id: str, attempt: int) -> str:
    """What a job uploads."""
    return f"job-{job_id}-a{attempt}"


def only(plan: Plan, names: Sequence[str]) -> Plan:
    """The recipes, jobs and points of these names. A name that is none of them is a `FleetError`."""
    known = {name for job in plan.jobs for name in (job.recipe, job.id, *(point.id for point in job.points))}
    if not names:
        raise FleetError("name at least one recipe, job or point")
    for name in names:
        if name not in known:
            theirs = (left.why for left in plan.left_out if left.id == name or left.id.startswith(f"{name}."))
            why = next(theirs, nearest(name, known))
            raise FleetError(f"the plan has no recipe, job or point {name!r}: {why}")
    asked = frozenset(names)
    jobs = [cut for job in plan.jobs if (cut := _cut(job, asked)) is not None]
    if all(job.blocked is not None for job in jobs):
        raise FleetError(f"{jobs[0].id} is planned and must not be launched: {jobs[0].blocked}")
    return part_of(plan, jobs)


def _cut(job: Job, names: frozenset[str]) -> Job | None:
    if job.recipe in names or job.id in names:
        return job
    points = tuple(point for point in job.points if point.id in names)
    return msgspec.structs.replace(job, points=points) if points else None


def outputs(plan: Plan, labels: Container[str], *, max_jobs: int = SHARD_JOBS) -> dict[str, str]:
    """Step outputs that start every job of `plan` that may be launched: `jobs` (how many), `matrix` and `sha`.

    `labels` are the runner labels of the fleet's hosts: an unknown one would wait for a runner for a day.
    """
    jobs = [job for job in plan.jobs if job.blocked is None]
    if len(jobs) > max_jobs:
        raise FleetError(f"{len(jobs)} jobs are too many for one run, which holds {max_jobs}: name fewer of them")
    if not _SHA.fullmatch(plan.git_sha):
        raise FleetError(f"the plan does not say which commit made it ({plan.git_sha!r}): plan in a git checkout")
    include = [_cell(job, labels) for job in jobs]
    matrix = msgspec.json.encode({"include": include}).decode()
    if 2 * len(matrix) > JOB_OUTPUT_BYTES:  # GitHub counts UTF-16
        raise FleetError(f"the matrix has {len(matrix)} characters, more than a job's output holds: name fewer jobs")
    return {"jobs": str(len(jobs)), "matrix": matrix, "sha": plan.git_sha}


def _cell(job: Job, labels: Container[str]) -> dict[str, str]:
    for what, name in (("job id", job.id), ("runner label", job.label)):
        if not ID.fullmatch(name):
            raise FleetError(f"{name!r} is no {what}: nothing else may reach a workflow's matrix")
    if job.label not in labels:
        raise FleetError(f"job {job.id}: no host of the fleet has the runner label {job.label!r}")
    return {"id": job.id, "runner": job.label}


def as_lines(values: dict[str, str]) -> str:
    """`name=value` lines for `$GITHUB_OUTPUT`. A value with a line break could forge the next name."""
    if bad := [name for name, value in values.items() if not value.isprintable()]:
        raise ValueError(f"output {bad[0]!r} has characters that a line cannot hold")
    return "\n".join(f"{name}={value}" for name, value in values.items())
