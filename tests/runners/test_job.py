from __future__ import annotations

import dataclasses
import fcntl
import gzip
import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.records import RequestRecord
from launch.leftovers import find, remove
from matrix.plan import Plan
from matrix.point import point_id, point_key
from matrix.result import HostFacts, PointResult
from matrix.slo import Slo
from matrix.words import Outcome, Reason
from runners import job as job_module
from runners.job import JobOptions, run_job
from runners.measure import Measured, measure
from runners.preflight import label_of
from runners.progress import Progress
from tests.runners.conftest import WORKLOAD, PlanOf


def run(plan: Plan, tmp_path: Path, **changes: Any) -> dict[str, PointResult]:
    """Run the plan's one job and read back every point file, as a collector would."""
    options = dataclasses.replace(JobOptions(out=tmp_path / "out", state=tmp_path / "state"), **changes)
    progress = Progress.of(plan, (plan.jobs[0].id,))
    progress.stream = io.StringIO()
    run_job(plan, plan.jobs[0], options, progress)
    assert find(label_of(tmp_path / "state")) == ()
    return results(tmp_path / "out")


def results(out: Path) -> dict[str, PointResult]:
    files = (out / "points").glob("*.json")
    return {path.stem: msgspec.json.decode(path.read_bytes(), type=PointResult) for path in files}


def reasons(found: dict[str, PointResult]) -> set[tuple[Reason, ...]]:
    return {result.reasons for result in found.values()}


def test_a_good_server_gives_an_ok_row_for_every_point(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of("--itl-ms", "20")
    found = run(plan, tmp_path)
    assert sorted(found) == ["fake-recipe.tp1.tiny.c1", "fake-recipe.tp1.tiny.c2"]
    for order, planned in enumerate(plan.jobs[0].points):
        result = found[planned.id]
        assert (result.outcome, result.reasons, result.point_key) == (Outcome.OK, (), planned.key)
        assert result.metrics is not None
        assert result.metrics.requests_ok >= 4
        assert result.provenance.order == order
        assert result.provenance.engine_version == "fake 1"
        assert result.provenance.server_start_s > 0
        assert result.quality.length_ratio == 1.0


def test_what_a_workload_calls_good_enough_becomes_goodput(plan_of: PlanOf, tmp_path: Path) -> None:
    """Four tokens 20 ms apart: every request keeps ten seconds, none keeps a millisecond."""
    plan = plan_of("--itl-ms", "20")
    limits = (Slo(e2e_s=10.0), Slo(e2e_s=0.001))
    points = [
        msgspec.structs.replace(
            planned,
            point=msgspec.structs.replace(planned.point, workload=msgspec.structs.replace(WORKLOAD, slo=slo)),
        )
        for planned, slo in zip(plan.jobs[0].points, limits, strict=True)
    ]
    plan = msgspec.structs.replace(plan, jobs=(msgspec.structs.replace(plan.jobs[0], points=tuple(points)),))
    found = [run(plan, tmp_path)[planned.id].metrics for planned in plan.jobs[0].points]
    said = [metrics.goodput for metrics in found if metrics is not None]
    assert [(one.limits, one.share) for one in said if one] == [("e2e <= 10 s", 1.0), ("e2e <= 0.001 s", 0.0)]
    assert all(planned.key == point_key(planned.point) for planned in points)


def test_the_artifact_holds_the_requests_the_host_and_the_log(plan_of: PlanOf, tmp_path: Path) -> None:
    run(plan_of("--itl-ms", "20", streams=(1,)), tmp_path)
    out = tmp_path / "out"
    lines = gzip.decompress((out / "requests" / "fake-recipe.tp1.tiny.c1.jsonl.gz").read_bytes()).splitlines()
    records = [msgspec.json.decode(line, type=RequestRecord) for line in lines]
    assert [record.index for record in records] == list(range(len(records)))
    assert records[0].chunk_ns
    assert not any(record.chunk_ns for record in records[1:])
    assert msgspec.json.decode((out / "host.json").read_bytes(), type=HostFacts).cores >= 1
    assert (out / "server.log").exists()


def test_every_prompt_of_a_night_is_new(plan_of: PlanOf, tmp_path: Path) -> None:
    """Warm-up and measurement of two points draw from four different streams."""
    from benchmarks.prompts import point_seed, random_prompts

    plan = plan_of()
    drawn = [
        next(iter(random_prompts(WORKLOAD, (10, 1000), point_seed(plan.seed, planned.key, purpose))))
        for planned in plan.jobs[0].points
        for purpose in ("warmup", "measure")
    ]
    assert len({prompt.token_ids for prompt in drawn}) == 4


@pytest.mark.fault(1)
def test_a_server_that_never_listens_fails_the_recipe(plan_of: PlanOf, tmp_path: Path) -> None:
    found = run(plan_of("--scenario", "never_listen"), tmp_path, ready_deadline_s=1.0)
    assert reasons(found) == {(Reason.SERVER_NOT_READY,)}


@pytest.mark.fault(2)
def test_a_server_that_exits_is_not_waited_for(plan_of: PlanOf, tmp_path: Path) -> None:
    found = run(plan_of("--scenario", "exit_early", "--exit-code", "7"), tmp_path)
    assert reasons(found) == {(Reason.SERVER_EXITED,)}
    assert all("7" in result.detail for result in found.values())


@pytest.mark.fault(6)
def test_a_server_that_dies_is_started_once_more_and_its_point_has_no_throughput(
    plan_of: PlanOf, tmp_path: Path
) -> None:
    found = run(plan_of("--scenario", "crash_after", "--after", "4", streams=(1, 2)), tmp_path)
    assert reasons(found) == {(Reason.SERVER_EXITED,)}
    assert all(result.outcome is Outcome.RECIPE_FAILED for result in found.values())
    assert all(result.metrics is None for result in found.values())
    assert {path.name for path in (tmp_path / "out").glob("*.log")} == {"server.log", "server-2.log"}


@pytest.mark.fault(6)
def test_a_server_found_dead_after_a_good_window_still_gives_no_number(
    plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too few requests may have seen it die to fail the window."""

    def measure_then_kill(*args: Any) -> Measured:
        measured = dataclasses.replace(measure(*args), reasons=())
        assert measured.metrics is not None
        assert remove(label_of(tmp_path / "state")) == ()
        return measured

    monkeypatch.setattr(job_module, "measure", measure_then_kill)
    found = run(plan_of("--itl-ms", "5"), tmp_path)
    assert reasons(found) == {(Reason.SERVER_EXITED,)}
    assert all(result.metrics is None for result in found.values())


@pytest.mark.fault(19)
def test_short_answers_make_a_point_invalid_and_leave_its_sibling_its_own_verdict(
    plan_of: PlanOf, tmp_path: Path
) -> None:
    found = run(plan_of("--scenario", "short_output"), tmp_path)
    assert all(result.reasons[0] is Reason.SHORT_OUTPUT for result in found.values())
    assert all(result.outcome is Outcome.INVALID for result in found.values())


@pytest.mark.fault(45)
def test_a_host_that_another_job_holds_is_an_infra_failure(plan_of: PlanOf, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with (tmp_path / "state" / "host.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        found = run(plan_of(), tmp_path, lock_wait_s=0.2)
    assert reasons(found) == {(Reason.HOST_LOCKED,)}


@pytest.mark.fault(32)
def test_a_full_disk_is_found_before_anything_starts(plan_of: PlanOf, tmp_path: Path) -> None:
    found = run(plan_of(), tmp_path, disk_floor_bytes=1 << 60)
    assert reasons(found) == {(Reason.DISK_FULL,)}
    assert not (tmp_path / "out" / "server.log").exists()


@pytest.mark.fault(46)
def test_missing_weights_are_an_infra_failure(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of()
    (tmp_path / "weights").unlink()
    assert reasons(run(plan, tmp_path)) == {(Reason.MODEL_MISSING,)}


def test_past_the_window_no_point_is_begun(plan_of: PlanOf, tmp_path: Path) -> None:
    found = run(plan_of(), tmp_path, not_after=datetime.now(UTC) - timedelta(seconds=1))
    assert reasons(found) == {(Reason.WINDOW_CLOSED,)}
    assert {result.outcome for result in found.values()} == {Outcome.CANCELLED}


def test_a_bug_of_ours_leaves_rows_that_say_so_and_no_server(
    plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(job_module, "measure", broken)
    with pytest.raises(ZeroDivisionError):
        run(plan_of(), tmp_path)
    assert reasons(results(tmp_path / "out")) == {(Reason.INTERNAL_ERROR,)}
    assert find(label_of(tmp_path / "state")) == ()


@pytest.mark.fault(26)
def test_too_few_file_descriptors_are_found_before_anything_starts(
    plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runners.preflight.required_fds", lambda _: 1 << 40)
    assert reasons(run(plan_of(), tmp_path)) == {(Reason.FD_LIMIT,)}


def test_what_a_server_prints_cannot_command_the_job_log() -> None:
    stream = io.StringIO()
    Progress(total_points=1, expected_minutes=1, stream=stream).quote("::error::x\n  ::add-mask::y\n##[group]z ##[x]")
    assert "::" not in stream.getvalue()
    assert "##[" not in stream.getvalue()


def test_two_jobs_have_labels_of_their_own_state(tmp_path: Path) -> None:
    assert label_of(tmp_path / "a") != label_of(tmp_path / "b")
    assert str(os.getuid()) in label_of(tmp_path / "a")


def test_a_point_that_is_to_be_alone_gets_a_server_of_its_own(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of("--itl-ms", "5")
    (job,) = plan.jobs
    twin = msgspec.structs.replace(job.points[0].point, alone=True)
    alone = msgspec.structs.replace(job.points[0], id=point_id(twin), key=point_key(twin), point=twin)
    job = msgspec.structs.replace(job, points=(*job.points, alone))
    found = run(msgspec.structs.replace(plan, jobs=(job,)), tmp_path)
    assert {result.outcome for result in found.values()} == {Outcome.OK}
    assert [path.name for path in sorted((tmp_path / "out").glob("*.log"))] == ["server-alone1.log", "server.log"]
    starts = {name: result.provenance.server_start_s for name, result in found.items()}
    assert starts[job.points[0].id] == starts[job.points[1].id] != starts[alone.id]
    assert found[alone.id].provenance.server_age_s < found[job.points[1].id].provenance.server_age_s
