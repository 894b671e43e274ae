"""Starting a night: which sweeps have a job in the plan, and the runs that start them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from matrix.errors import FleetError
from matrix.waves import listed_as

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matrix.github import GitHub
    from matrix.github_records import Run
    from matrix.plan import Plan
    from matrix.shard import Shard

MAIN = "main"
_SWEEP = re.compile(r"sweep-(?P<number>[0-9]{2})\.yml", re.ASCII)
_TITLE = re.compile(r"sweep [0-9]{2}, planned by run (?P<run>[0-9]{1,20})", re.ASCII)


def sweep_number(run: Run) -> str | None:
    """Which sweep (`03`) a run is of, by its workflow's file."""
    match = _SWEEP.fullmatch(run.workflow)
    return match["number"] if match else None


def sweeps_started_by(night: int, runs: Iterable[Run]) -> list[Run]:
    """The sweeps that a nightly run started, oldest first, by the title that their workflow gives them."""
    found = []
    for run in runs:
        title = _TITLE.fullmatch(run.display_title)
        if title and sweep_number(run) and run.head_branch == MAIN and int(title["run"]) == night:
            found.append(run)
    return sorted(found, key=lambda run: run.id)


def sweeps_of(plan: Plan, shards: Iterable[Shard]) -> list[str]:
    """Numbers (`03`) of the shards that list a job of the plan. A job that none lists is a `FleetError`."""
    number = {job: f"{shard.number:02d}" for shard in shards for job in shard.jobs}
    found: set[str] = set()
    for job in plan.jobs:
        listed = listed_as(job.id, number)
        if listed is None:
            raise FleetError(f"no sweep lists job {job.id}: run `inferfleet render` and commit what it writes")
        found.add(number[listed])
    return sorted(found)


def dispatch(github: GitHub, sweeps: Iterable[str], plan_run: int, not_after: str) -> list[str]:
    """Start each sweep; the numbers of those that GitHub refused. One refusal must not cost the others their night."""
    refused = []
    for number in sweeps:
        try:
            github.dispatch(f"sweep-{number}.yml", {"plan_run": str(plan_run), "not_after": not_after})
        except FleetError as error:
            refused.append(f"sweep {number}: {error}")
    return refused
