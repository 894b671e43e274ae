"""Starting `run one` from a terminal: what its first job would refuse is refused here, and costs no run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matrix.fleet import load_fleet
from matrix.jobs import Night
from matrix.planner import build_plan
from matrix.waves import only, without_unpinned

if TYPE_CHECKING:
    from matrix.fleet import Fleet
    from matrix.github import GitHub

WORKFLOW = "run-one.yml"
_NO_NIGHT = Night(run_id="run-one", date="2000-01-01", seed=0, git_sha="")


def run_one(
    github: GitHub, name: str, host: str, hours: float, *, unpinned: bool = False, fleet: Fleet | None = None
) -> str:
    """Dispatch it; what was started, in words. Raises `FleetError` for what this host cannot run."""
    plan = build_plan(fleet or load_fleet(), host, _NO_NIGHT)
    chosen = only(plan if unpinned else without_unpinned(plan), [name])
    jobs = [job for job in chosen.jobs if job.blocked is None]
    minutes = sum(job.expected_minutes for job in jobs)
    inputs = {"name": name, "host": host, "hours": f"{hours:g}", "unpinned": str(unpinned).lower()}
    github.dispatch(WORKFLOW, inputs)
    points = sum(len(job.points) for job in jobs)
    where = f"on a runner with the label {jobs[0].label}"
    return f"started {where}: {len(jobs)} server starts, {points} points, about {minutes:.0f} minutes"
