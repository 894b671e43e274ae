from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregate.columns import missing_row
from aggregate.merge import merge
from aggregate.rows import Row
from aggregate.second_wave import again
from matrix.limits import RETRY_JOBS, RETRY_SHARE
from matrix.plan import Plan
from matrix.waves import part_of
from matrix.words import OUTCOME_OF, Missing, Outcome, Reason
from tests.aggregate.builders import a_plan, artifact_of, artifacts_of

STREAMS = (1, 4, 16, 64)
PLAN = a_plan(jobs=40, concurrency=STREAMS)
EMPTY = {
    point.id: missing_row(PLAN, job, point, "00", Missing.NO_POINT_FILE) for job in PLAN.jobs for point in job.points
}
ALLOWED = int(RETRY_SHARE * 160)


def rows_of(tmp_path: Path, plan: Plan, failed: dict[str, Reason | None]) -> tuple[Row, ...]:
    """Rows of a first wave; `failed` by job id: a reason for its points, or null for no artifact at all."""
    for job in plan.jobs:
        if (reason := failed.get(job.id)) is not None:
            artifact_of(tmp_path, plan, job, outcome=OUTCOME_OF[reason], reasons=(reason,), metrics=None, client=None)
        elif job.id not in failed:
            artifact_of(tmp_path, plan, job)
    return merge(plan, tmp_path).rows


def test_lost_runners_come_first_and_then_what_infrastructure_failed(tmp_path: Path) -> None:
    failed = {"r1.tp1": Reason.KILLED, "r2.tp1": None, "r3.tp1": Reason.DISK_FULL}
    found = again(PLAN, rows_of(tmp_path, PLAN, failed))
    assert [job.id for job in found.jobs] == ["r2.tp1", "r1.tp1"]  # 5 % of 160 points are two jobs of four
    assert sum(len(job.points) for job in found.jobs) == ALLOWED


@pytest.mark.parametrize("reason", [r for r, outcome in OUTCOME_OF.items() if outcome is not Outcome.INFRA_FAILED])
def test_what_would_fail_again_and_what_somebody_wished_is_left_alone(tmp_path: Path, reason: Reason) -> None:
    plan = part_of(PLAN, PLAN.jobs[:1])
    assert again(plan, rows_of(tmp_path, plan, {"r0.tp1": reason})).jobs == ()


def test_only_the_points_that_failed_are_measured_again(tmp_path: Path) -> None:
    job = PLAN.jobs[5]
    artifacts_of(tmp_path, PLAN)
    (tmp_path / f"job-{job.id}-a1" / "points" / f"{job.points[2].id}.json").unlink()
    (found,) = again(PLAN, merge(PLAN, tmp_path).rows).jobs
    assert [point.id for point in found.points] == [job.points[2].id]
    assert found.server == job.server


def test_one_job_is_allowed_however_small_the_shard(tmp_path: Path) -> None:
    plan = part_of(PLAN, PLAN.jobs[:2])
    found = again(plan, rows_of(tmp_path, plan, {"r0.tp1": None, "r1.tp1": None}))
    assert [job.id for job in found.jobs] == ["r0.tp1"]


def test_a_job_that_must_not_be_launched_is_not_lost(tmp_path: Path) -> None:
    job = msgspec.structs.replace(PLAN.jobs[0], blocked="a test")
    plan = part_of(PLAN, (job, *PLAN.jobs[1:3]))
    found = again(plan, rows_of(tmp_path, plan, {job.id: None, "r1.tp1": None}))
    assert [job.id for job in found.jobs] == ["r1.tp1"]


@given(st.dictionaries(st.integers(0, 39), st.sampled_from(["missing", "infra_failed", "ok"])), st.integers(1, 20))
def test_the_wave_never_exceeds_its_share_nor_its_jobs(outcomes: dict[int, str], max_jobs: int) -> None:
    rows = [
        msgspec.structs.replace(EMPTY[point.id], outcome=outcomes.get(number, "ok"))
        for number, job in enumerate(PLAN.jobs)
        for point in job.points
    ]
    found = again(PLAN, rows, max_jobs=max_jobs)
    assert len(found.jobs) <= max_jobs <= RETRY_JOBS + 4
    assert sum(len(job.points) for job in found.jobs) <= ALLOWED
    assert {job.id for job in found.jobs} <= {f"r{n}.tp1" for n, outcome in outcomes.items() if outcome != "ok"}
    assert bool(found.jobs) == any(outcome != "ok" for outcome in outcomes.values())


def _empty_rows() -> dict[str, Row]:
    from aggregate.columns import missing_row
    from matrix.words import Missing

    return {
        point.id: missing_row(PLAN, job, point, "00", Missing.NO_POINT_FILE)
        for job in PLAN.jobs
        for point in job.points
    }


EMPTY = _empty_rows()
