from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from launch.leftovers import find
from matrix.planfile import write_plan
from matrix.result import PointResult
from matrix.words import Outcome, Reason
from tests.fleets import RECIPE, WORKLOADS
from tests.night import Night, make_night

LONG = WORKLOADS.replace("min_s: 0.2", "min_s: 60").replace("max_s: 20", "max_s: 100")


def rows(night: Night, job_id: str) -> dict[str, PointResult]:
    files = (night.artifacts / f"job-{job_id}-a1" / "points").glob("*.json")
    return {path.stem: msgspec.json.decode(path.read_bytes(), type=PointResult) for path in files}


def servers(night: Night) -> int:
    return len(find(night.label))


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert true()


def test_a_job_on_the_real_engine_ends_ok_and_leaves_no_server(tmp_path: Path) -> None:
    night = make_night(tmp_path)
    job = night.plan().jobs[0]
    ended = night.call(*night.run_args(job.id))
    found = rows(night, job.id)
    # requests of a few milliseconds on a busy machine may honestly saturate the client; nothing else may be wrong
    assert {reason for result in found.values() for reason in result.reasons} <= {Reason.CLIENT_SATURATED}
    assert all(result.metrics and result.metrics.requests_failed == 0 for result in found.values())
    assert ended.returncode == (0 if {result.outcome for result in found.values()} == {Outcome.OK} else 4)
    assert servers(night) == 0
    assert "[2/2]" in ended.stderr


def test_a_job_that_is_planned_and_not_to_be_launched_is_refused_before_anything_starts(tmp_path: Path) -> None:
    recipe = RECIPE.replace("  layouts:\n", "  flags_unknown: nobody wrote them down\n  layouts:\n")
    night = make_night(tmp_path, recipe=recipe)
    ended = night.call(*night.run_args(night.plan().jobs[0].id))
    assert ended.returncode == 1
    assert "must not be launched: its server flags are unknown: nobody wrote them down" in ended.stderr
    assert not night.artifacts.exists()


@pytest.mark.fault(27)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_in_cancelled_rows_and_no_orphan(tmp_path: Path, number: signal.Signals) -> None:
    night = make_night(tmp_path, workloads=LONG)
    job = night.plan().jobs[0]
    runner = night.start(*night.run_args(job.id))
    wait_until(lambda: servers(night) == 1)
    time.sleep(1.0)  # somewhere inside start, warm-up or measurement
    runner.send_signal(number)
    assert runner.wait(20) == 130
    found = rows(night, job.id)
    assert set(found) == {point.id for point in job.points}
    assert {result.reasons for result in found.values()} == {(Reason.INTERRUPTED,)}
    assert servers(night) == 0


@pytest.mark.fault(28)
def test_after_a_kill_every_point_has_its_file_and_the_next_run_removes_the_server(tmp_path: Path) -> None:
    night = make_night(tmp_path, workloads=LONG)
    killed, following = night.plan().jobs
    runner = night.start(*night.run_args(killed.id))
    wait_until(lambda: servers(night) == 1)
    runner.kill()
    runner.wait(10)
    found = rows(night, killed.id)
    assert set(found) == {point.id for point in killed.points}
    assert {result.outcome for result in found.values()} == {None}
    left = [leftover.pid for leftover in find(night.label)]
    assert left
    runner = night.start(*night.run_args(following.id))
    wait_until(lambda: not any(psutil.pid_exists(pid) and _alive(pid) for pid in left))
    runner.terminate()
    runner.wait(20)
    assert servers(night) == 0


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_artifact_is_never_written_over(tmp_path: Path) -> None:
    night = make_night(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").touch()
    job = night.plan().jobs[0].id
    refused = night.call("run", "--plan", night.plan_path, "--job", job, "--out", out)
    assert refused.returncode == 1
    assert "is not empty" in refused.stderr
    assert [path.name for path in out.iterdir()] == ["precious"]


def test_a_time_that_is_none_says_how_to_write_one(tmp_path: Path) -> None:
    night = make_night(tmp_path)
    refused = night.call(*night.run_args(night.plan().jobs[0].id), "--not-after", "soon")
    assert refused.returncode == 1
    assert "2026-01-31T06:00:00Z" in refused.stderr


def test_not_after_in_the_past_cancels_every_point(tmp_path: Path) -> None:
    night = make_night(tmp_path)
    job = night.plan().jobs[0].id
    ended = night.call(*night.run_args(job), "--not-after", "2020-01-01T00:00:00Z")
    assert ended.returncode == 4
    assert {result.reasons for result in rows(night, job).values()} == {(Reason.WINDOW_CLOSED,)}


def test_a_selection_runs_the_whole_jobs_that_hold_it(tmp_path: Path) -> None:
    night = make_night(tmp_path)
    past = ("--not-after", "2020-01-01T00:00:00Z")
    ended = night.call("run", "--plan", night.plan_path, "--out", night.artifacts, "--conc", "4", *past)
    (job,) = (job for job in night.plan().jobs if ".batched." in job.id)
    assert ended.returncode == 4
    assert [path.name for path in night.artifacts.iterdir()] == [f"job-{job.id}-a1"]
    assert set(rows(night, job.id)) == {point.id for point in job.points}
    again = night.call("run", "--plan", night.plan_path, "--out", night.artifacts, *past)
    assert (again.returncode, "is not empty" in again.stderr) == (1, True)


def test_a_selection_that_means_nothing_runs_nothing(tmp_path: Path) -> None:
    night = make_night(tmp_path)
    refused = night.call("run", "--plan", night.plan_path, "--out", night.artifacts, "--recipe", "tiny-cpuu")
    assert refused.returncode == 1
    assert "did you mean 'tiny-cpu'?" in refused.stderr
    both = night.call(*night.run_args("any"), "--recipe", "tiny-cpu")
    assert (both.returncode, "--job names one job" in both.stderr) == (2, True)
    assert not night.artifacts.exists()


def test_jobs_that_may_not_be_launched_are_not(tmp_path: Path) -> None:
    night = make_night(tmp_path, recipe=RECIPE.replace("  layouts:", "  flags_unknown: nobody knows\n  layouts:"))
    refused = night.call("run", "--plan", night.plan_path, "--out", night.artifacts)
    assert refused.returncode == 1
    assert "none of these 2 jobs may be launched" in refused.stderr


def test_what_is_not_run_is_said_with_its_reason(tmp_path: Path) -> None:
    night = make_night(tmp_path)
    first, second = night.plan().jobs
    jobs = (msgspec.structs.replace(first, blocked="nobody knows its flags"), second)
    write_plan(msgspec.structs.replace(night.plan(), jobs=jobs), night.plan_path)
    ended = night.call("run", "--plan", night.plan_path, "--out", night.artifacts, "--not-after", "2020-01-01")
    assert ended.returncode == 4
    assert f"{first.id}: not run: nobody knows its flags" in ended.stderr
    assert not (night.artifacts / f"job-{first.id}-a1").exists()
    write_plan(msgspec.structs.replace(night.plan(), jobs=()), night.plan_path)
    nothing = night.call("run", "--plan", night.plan_path, "--out", night.artifacts)
    assert nothing.returncode == 1
    assert "the plan has no jobs: nothing to run" in nothing.stderr


def test_an_image_without_a_digest_runs_only_when_asked_for_outright(tmp_path: Path) -> None:
    night = make_night(tmp_path)
    plan = night.plan()
    job = plan.jobs[0]
    loose = msgspec.structs.replace(job, server=msgspec.structs.replace(job.server, image="vllm/vllm-openai:v0.11.2"))
    write_plan(msgspec.structs.replace(plan, jobs=(loose,)), night.plan_path)
    refused = night.call(*night.run_args(job.id))
    assert refused.returncode == 1
    assert "the image vllm/vllm-openai:v0.11.2 has no digest" in refused.stderr
    assert "--unpinned" in refused.stderr
    ended = night.call(*night.run_args(job.id), "--unpinned", "--not-after", "2020-01-01T00:00:00Z")
    assert ended.returncode == 4, ended.stderr


@pytest.mark.parametrize("what", ["backend", "engine"])
def test_a_plan_of_another_version_is_refused_by_what_this_one_lacks(tmp_path: Path, what: str) -> None:
    night = make_night(tmp_path)
    plan = night.plan()
    job = plan.jobs[0]
    server = msgspec.structs.replace(job.server, engine="warp") if what == "engine" else job.server
    other = msgspec.structs.replace(job, server=server, backend="warp" if what == "backend" else job.backend)
    write_plan(msgspec.structs.replace(plan, jobs=(other,)), night.plan_path)
    refused = night.call(*night.run_args(job.id))
    assert refused.returncode == 1
    assert f"this version has no {what} 'warp'" in refused.stderr
