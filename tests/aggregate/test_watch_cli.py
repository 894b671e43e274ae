"""`github watch --night`: from the plan in the nightly run to the last sweep that lists one of its jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from aggregate.workflow_cli import github_group
from matrix.errors import FleetError
from matrix.watch import EXIT_CODES, Verdict
from tests.act.api import REPOSITORY, TOKEN, Api, serve
from tests.aggregate.sweeps import NIGHT, PLAN, a_night, a_sweep


def watch(api: Api, root: Path) -> tuple[int, list[str]]:
    options = ("--api", api.url, "--repository", REPOSITORY, "--token", TOKEN)
    asked = ("watch", "--night", str(NIGHT), "--root", str(root), "--hours", "1")
    done = CliRunner().invoke(github_group, [*options, *asked], catch_exceptions=False)
    return done.exit_code, done.output.splitlines()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout in which sweep 00 lists the plan's jobs."""
    workflows = tmp_path / "root" / ".github" / "workflows"
    workflows.mkdir(parents=True)
    jobs = "".join(f"{' ' * 12}{job.id}\n" for job in PLAN.jobs)
    (workflows / "sweep-00.yml").write_text(f"{' ' * 10}SHARD_JOBS: >-\n{jobs}")
    return tmp_path / "root"


@pytest.mark.parametrize(("conclusion", "verdict"), [("success", Verdict.SUCCESS), ("failure", Verdict.FAILED)])
def test_a_night_is_its_nightly_run_and_the_sweeps_of_its_plan(
    tmp_path: Path, root: Path, conclusion: str, verdict: Verdict
) -> None:
    with serve(Api(tmp_path / "github", with_etags=True)) as api:
        a_night(api)
        a_sweep(api, tmp_path, 201, slice(0, 3), conclusion=conclusion)
        code, lines = watch(api, root)
    assert code == EXIT_CODES[verdict]
    assert [line.partition(" ")[2] for line in lines[:2]] == [
        "run 101: completed, success (run 101, attempt 1)",
        f"sweep 00: completed, {conclusion} (run 201, attempt 1)",
    ]
    assert lines[2].startswith(f"{verdict}: ")


def test_a_night_without_a_plan_says_so(tmp_path: Path, root: Path) -> None:
    with serve(Api(tmp_path / "github")) as api:
        api.add_run(NIGHT, "nightly.yml", "nightly", sha=PLAN.git_sha, conclusion="failure")
        with pytest.raises(FleetError, match="has no artifact `plan`"):
            watch(api, root)


def test_a_plan_whose_jobs_no_sweep_of_this_checkout_lists_says_what_to_do(tmp_path: Path) -> None:
    with serve(Api(tmp_path / "github")) as api:
        a_night(api)
        with pytest.raises(FleetError, match=r"no sweep lists job r0\.tp1"):
            watch(api, tmp_path)
