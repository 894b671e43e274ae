from __future__ import annotations

from pathlib import Path

import pytest

from matrix.dispatch import dispatch, sweeps_of, sweeps_started_by
from matrix.errors import FleetError
from matrix.github import GitHub
from matrix.shard import Shard
from tests.act.api import REPOSITORY, TOKEN, Api, serve
from tests.aggregate.builders import a_plan


def test_only_sweeps_that_list_a_job_of_the_plan_are_started() -> None:
    shards = [Shard(number=0, jobs=("r7.tp1",)), Shard(number=2, jobs=("r0.tp1", "r1.tp1"))]
    assert sweeps_of(a_plan(jobs=2), shards) == ["02"]


def test_a_job_in_no_sweep_stops_the_night_before_it_begins() -> None:
    with pytest.raises(FleetError, match=r"no sweep lists job r1.tp1: run `inferfleet render`"):
        sweeps_of(a_plan(jobs=2), [Shard(number=0, jobs=("r0.tp1",))])


def test_a_sweep_that_github_refuses_does_not_cost_the_others_their_night(tmp_path: Path) -> None:
    with serve(Api(tmp_path)) as api:
        good = GitHub(api=api.url, repository=REPOSITORY, token=TOKEN)
        assert dispatch(good, ["00", "01"], 7, "2026-01-31T06:00:00Z") == []
        inputs = {"plan_run": "7", "not_after": "2026-01-31T06:00:00Z"}
        assert api.dispatched == [("sweep-00.yml", inputs), ("sweep-01.yml", inputs)]
        refused = dispatch(GitHub(api=api.url, repository=REPOSITORY, token="other"), ["00"], 7, "x")
        assert refused == ["sweep 00: POST actions/workflows/sweep-00.yml/dispatches: GitHub answered 404: {}"]


def test_the_sweeps_of_a_night_are_known_by_their_file_their_branch_and_the_run_in_their_title(tmp_path: Path) -> None:
    api = Api(tmp_path)
    title = "sweep 00, planned by run 7"
    api.add_run(12, "sweep-00.yml", title, sha="a")
    api.add_run(11, "sweep-03.yml@refs/heads/main", "sweep 03, planned by run 7", sha="a")
    api.add_run(13, "sweep-00.yml", "sweep 00, planned by run 77", sha="a")
    api.add_run(14, "evil.yml", title, sha="a")
    api.add_run(15, "sweep-00.yml", title, sha="a", head_branch="patch-1")
    api.add_run(16, "sweep-00.yml", f"{title} or so", sha="a")
    with serve(api):
        runs = [GitHub(api=api.url, repository=REPOSITORY, token=TOKEN).run(number) for number in range(11, 17)]
    assert [run.id for run in sweeps_started_by(7, runs)] == [11, 12]
