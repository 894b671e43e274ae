"""The first point of a server once more as its last, on real processes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from matrix.words import Outcome, Reason
from runners import job as job_module
from runners.job import JobOptions, run_job
from runners.measure import Measured, measure
from runners.progress import Progress
from tests.runners.test_job import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from matrix.result import PointResult
    from tests.runners.conftest import PlanOf


def once_more(found: dict[str, PointResult]) -> PointResult:
    (result,) = [result for name, result in found.items() if name.endswith(".repeat")]
    return result


def test_a_repeat_is_measured_last_on_the_same_server_with_prompts_of_its_own(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of("--itl-ms", "5", repeat=True)
    found = run(plan, tmp_path)
    first, again = found[plan.jobs[0].points[0].id], once_more(found)
    assert {result.outcome for result in found.values()} == {Outcome.OK}
    assert again.point_id == f"{first.point_id}.repeat"
    assert again.point_key != first.point_key
    assert (first.provenance.order, again.provenance.order) == (0, 2)
    assert again.provenance.server_age_s > first.provenance.server_age_s
    assert again.provenance.server_start_s == first.provenance.server_start_s
    assert (tmp_path / "out" / "requests" / f"{again.point_id}.jsonl.gz").exists()


def test_a_repeat_is_no_outcome_of_the_job(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of("--itl-ms", "5", repeat=True)
    options = JobOptions(out=tmp_path / "out", state=tmp_path / "state")
    outcomes = run_job(plan, plan.jobs[0], options, Progress.of(plan, (plan.jobs[0].id,)))
    assert set(outcomes) == {point.id for point in plan.jobs[0].points if not point.point.repeat}


def test_where_the_first_failed_there_is_nothing_to_repeat(plan_of: PlanOf, tmp_path: Path) -> None:
    again = once_more(run(plan_of("--scenario", "short_output", repeat=True), tmp_path))
    assert (again.outcome, again.reasons) == (Outcome.CANCELLED, (Reason.NOTHING_TO_REPEAT,))


def test_on_another_server_there_is_nothing_to_repeat_and_none_is_started_for_it(
    plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server dies under the second of two points."""
    seen: list[str] = []

    def measure_and_end(*args: Any) -> Measured:
        seen.append(args[2].id)
        return measure(*args)

    monkeypatch.setattr(job_module, "measure", measure_and_end)
    plan = plan_of("--scenario", "crash_after", "--after", "18", "--itl-ms", "50", streams=(1, 8), repeat=True)
    found = run(plan, tmp_path)
    first, second, _ = plan.jobs[0].points
    assert found[first.id].outcome is Outcome.OK
    assert found[second.id].reasons == (Reason.SERVER_EXITED,)
    assert once_more(found).reasons == (Reason.NOTHING_TO_REPEAT,)
    assert seen == [first.id, second.id]
    assert [path.name for path in (tmp_path / "out").glob("*.log")] == ["server.log"]


def test_a_window_that_closes_before_the_repeat_costs_nothing_else(
    plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of("--itl-ms", "5", repeat=True)
    last = plan.jobs[0].points[1].id
    options = JobOptions(out=tmp_path / "out", state=tmp_path / "state")

    def measure_until(*args: Any) -> Measured:
        measured = measure(*args)
        if args[2].id == last:
            object.__setattr__(options, "not_after", datetime.now(UTC))
        return measured

    monkeypatch.setattr(job_module, "measure", measure_until)
    outcomes = run_job(plan, plan.jobs[0], options, Progress.of(plan, (plan.jobs[0].id,)))
    assert outcomes == dict.fromkeys((point.id for point in plan.jobs[0].points[:2]), Outcome.OK)
