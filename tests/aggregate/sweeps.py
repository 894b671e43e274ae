"""A night on the loopback GitHub: its plan, its sweeps with their jobs and artifacts, and publishing what they left."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from aggregate import collect
from aggregate.commands import publish
from aggregate.merge import merge
from matrix.github import GitHub
from matrix.plan import Plan
from matrix.waves import part_of
from tests.act.api import REPOSITORY, TOKEN, Api
from tests.aggregate.builders import WHEN, a_plan, artifacts_of, point_files, zip_bytes

SINCE = datetime(2026, 11, 20, tzinfo=UTC)
SHA = "a" * 40
NIGHT = 101
PLAN = a_plan(jobs=3)
POINTS = 6
MINUTE = timedelta(minutes=1)


def github(api: Api) -> GitHub:
    return GitHub(api=api.url, repository=REPOSITORY, token=TOKEN)


def store(api: Api, run_id: int, name: str, files: dict[str, bytes]) -> None:
    folder = api.artifacts / str(run_id) / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.zip"
    path.write_bytes(zip_bytes(files))
    os.utime(path, (WHEN.timestamp(), WHEN.timestamp()))


def a_night(api: Api, plan: Plan = PLAN, other: dict[str, object] | None = None) -> None:
    store(api, NIGHT, "plan", {"plan.json": msgspec.json.encode(plan)})
    api.add_run(NIGHT, "nightly.yml", "nightly", sha=SHA, **{"event": "schedule", **(other or {})})


def a_sweep(api: Api, tmp_path: Path, run_id: int, jobs: slice, *, night: int = NIGHT, **other: object) -> None:
    """A sweep of some of the plan's jobs, all of them ok, and its artifact `merged`."""
    part = part_of(PLAN, PLAN.jobs[jobs])
    found = merge(part, artifacts_of(tmp_path / f"in-{run_id}", part), "00")
    rows = b"".join(msgspec.json.encode(row) + b"\n" for row in found.rows)
    store(api, run_id, "merged", {"rows.ndjson": rows, "coverage.json": msgspec.json.encode(found.coverage)})
    add_sweep(api, run_id, part, night=night, **other)


def add_sweep(api: Api, run_id: int, part: Plan, *, night: int = NIGHT, **other: object) -> None:
    """GitHub's records of a sweep: its run, its jobs and what they uploaded."""
    api.add_run(run_id, "sweep-00.yml", f"sweep 00, planned by run {night}", sha=SHA, **other)
    for job in part.jobs:
        api.add_job(run_id, job.id, WHEN - MINUTE, WHEN + MINUTE)
        store(api, run_id, f"job-{job.id}-a1", point_files(part, job))
    api.add_job(run_id, "merge", WHEN - MINUTE, WHEN + MINUTE, labels=["ubuntu-24.04"], runner_name="GitHub Actions 7")


def publish_all(api: Api, tmp_path: Path, name: str) -> list[str]:
    """One run of the publish workflow; what `collect` said."""
    home, out = tmp_path / "home", tmp_path / name
    said = collect.collect(github(api), home, SINCE, out)
    for folder in sorted(out.glob("*")):
        publish(folder / "plan.json", folder, home)
    return said
