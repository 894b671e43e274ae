from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from launch.leftovers import find, remove
from matrix.finding import Finding, Stop
from matrix.parent import Search, as_point, child_key
from matrix.plan import Plan, PlannedPoint
from matrix.point import point_id, point_key
from matrix.result import PointResult
from matrix.search import Bounds, Method, Ramp, Reach, Refine
from matrix.slo import Slo
from matrix.words import Outcome, Reason
from matrix.workload import RunLength
from runners import job as job_module
from runners.cancel import Cancel, CancelledError
from runners.job import JobOptions, run_job
from runners.measure import measure
from runners.preflight import label_of
from runners.progress import Progress
from tests.runners.conftest import PlanOf
from tests.runners.test_job import results, run

LENGTH = RunLength(min_s=0.5, max_s=20.0, min_requests=8)


def searching(plan: Plan, method: Method, length: RunLength = LENGTH, **bounds: Any) -> tuple[Plan, PlannedPoint]:
    """The plan with a search behind its points, and the search."""
    (job,) = plan.jobs
    point = job.points[0].point
    workload = msgspec.structs.replace(point.workload, run_length=length)
    base = msgspec.structs.replace(point, workload=workload)
    parent = as_point(Search(base=base, method=method, bounds=Bounds(**{"last_load": 64, **bounds})))
    planned = PlannedPoint(id=point_id(parent), key=point_key(parent), point=parent, expected_minutes=0.1)
    job = msgspec.structs.replace(job, points=(*job.points, planned))
    return msgspec.structs.replace(plan, jobs=(job,)), planned


def finding_of(result: PointResult) -> Finding:
    assert result.finding is not None
    return result.finding


def children_of(found: dict[str, PointResult], parent: PlannedPoint) -> list[PointResult]:
    """In the order of measuring."""
    mine = [one for one in found.values() if one.child is not None]
    assert all(one.child.parent == parent.id for one in mine if one.child)
    return sorted(mine, key=lambda one: one.started_at)


def sizes(children: list[PointResult]) -> list[float]:
    return [one.child.size for one in children if one.child]


def test_a_ramp_finds_the_knee_of_a_server_within_one_step(plan_of: PlanOf, tmp_path: Path) -> None:
    """It has room for eight requests; above that each token takes so much longer that less gets done."""
    length = RunLength(min_s=1.5, max_s=20.0, min_requests=48)
    fake = plan_of("--itl-ms", "15", "--capacity", "8", streams=(1,))
    plan, parent = searching(fake, Ramp(), length, first_load=2)
    found = run(plan, tmp_path)
    result = found[parent.id]
    assert (result.outcome, result.reasons, result.metrics) == (Outcome.OK, (), None)
    finding = finding_of(result)
    assert finding.stop is Stop.THROUGHPUT_FELL
    assert finding.size in (4, 8, 16)
    assert finding.break_size in (8, 16, 32)
    children = children_of(found, parent)
    assert finding.measurements == len(children) >= 4
    assert sizes(children) == [2.0 * 2**step for step in range(len(children))]
    search = Search(base=plan.jobs[0].points[0].point, method=Ramp())
    for one in children:
        assert one.outcome is Outcome.OK, one
        assert one.child is not None
        assert one.point_id == f"{parent.id}.c{one.child.size:g}"
        assert one.point_key == child_key(search, one.child.size)
        assert (tmp_path / "out" / "requests" / f"{one.point_id}.jsonl.gz").is_file()
        assert one.provenance.engine_version == "fake 1"
    assert found[plan.jobs[0].points[0].id].outcome is Outcome.OK


@pytest.mark.fault(11)
def test_a_ramp_goes_on_until_requests_fail_and_that_is_no_fault_of_its_steps(plan_of: PlanOf, tmp_path: Path) -> None:
    """One failed request in twelve would make a point invalid; here it is the data, and the row says so."""
    fake = plan_of("--itl-ms", "10", "--refuses-above", "6", streams=(1,))
    plan, parent = searching(fake, Ramp(), RunLength(min_s=1.0, max_s=20.0, min_requests=64))
    found = run(plan, tmp_path)
    finding = finding_of(found[parent.id])
    assert (found[parent.id].outcome, finding.stop) == (Outcome.OK, Stop.ERRORS)
    assert finding.break_size in (8, 16)  # a stream that was turned away waits before it asks again
    last = children_of(found, parent)[-1]
    assert last.child is not None
    assert last.child.exempt == (Reason.REQUEST_ERRORS,)
    assert "503" in last.detail
    assert Reason.REQUEST_ERRORS not in last.reasons
    assert last.metrics is not None
    assert last.metrics.requests_failed > 0


def test_a_refinement_measures_between_its_loads_and_draws_new_prompts_each_time(
    plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def watched(target: Any, server: Any, planned: PlannedPoint, *rest: Any) -> Any:
        drawn.append(planned.key)
        return measure(target, server, planned, *rest)

    monkeypatch.setattr(job_module, "measure", watched)
    plan, parent = searching(plan_of("--itl-ms", "5", streams=(1,)), Refine(), last_load=8, max_measurements=6)
    found = run(plan, tmp_path)
    assert found[parent.id].outcome is Outcome.OK
    finding = finding_of(found[parent.id])
    assert finding.gap is not None
    assert finding.certified_gap is not None
    children = children_of(found, parent)
    assert 3 <= len(children) <= 6
    assert len({one.point_id for one in children}) == len(children)
    assert len(set(drawn)) == len(drawn) == len(children) + 1


def test_throughput_at_an_slo_says_between_which_loads_it_is(plan_of: PlanOf, tmp_path: Path) -> None:
    slo = Slo(e2e_s=0.25, percentile=0.5)
    fake = plan_of("--itl-ms", "20", "--capacity", "4", streams=(1,))
    plan, parent = searching(fake, Reach(slo=slo, tolerance=0.3, max_requests_per_level=200), max_measurements=12)
    found = run(plan, tmp_path)
    finding = finding_of(found[parent.id])
    assert found[parent.id].outcome is Outcome.OK
    assert finding.size is not None
    assert finding.break_size is not None
    assert 1 <= finding.size < finding.break_size <= 32
    goodputs = [one.metrics.goodput for one in children_of(found, parent) if one.metrics]
    assert all(one is not None and one.limits == "e2e <= 0.25 s" for one in goodputs)


def test_a_search_ends_at_its_budget_of_measurements(plan_of: PlanOf, tmp_path: Path) -> None:
    plan, parent = searching(plan_of("--itl-ms", "5", streams=(1,)), Ramp(), max_measurements=2)
    found = run(plan, tmp_path)
    assert finding_of(found[parent.id]).stop is Stop.BUDGET
    assert sizes(children_of(found, parent)) == [1, 2]


def test_a_window_that_closes_between_two_measurements_keeps_what_was_found(
    plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def counted(*args: Any) -> Any:
        measured.append(args[2].id)
        return measure(*args)

    closes = datetime.now(UTC) + timedelta(hours=1)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return closes if len(measured) >= 3 else datetime.now(tz)

    monkeypatch.setattr(job_module, "measure", counted)
    monkeypatch.setattr(job_module, "datetime", Clock)
    plan, parent = searching(plan_of("--itl-ms", "5", streams=(1,)), Ramp())
    found = run(plan, tmp_path, not_after=closes)
    result = found[parent.id]
    assert (result.outcome, result.reasons) == (Outcome.CANCELLED, (Reason.WINDOW_CLOSED,))
    finding = finding_of(result)
    assert (finding.stop, finding.measurements) == (Stop.UNFINISHED, 2)
    assert finding.minutes > 0
    assert len(children_of(found, parent)) == 2


@pytest.mark.fault(6)
def test_a_server_that_dies_under_a_search_ends_it_with_what_was_found(
    plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The siblings that are still to come get the second server."""

    def dies_at_four(*args: Any) -> Any:
        measured = measure(*args)
        if args[2].id.endswith(".ramp.c4"):
            assert remove(label_of(tmp_path / "state")) == ()
        return measured

    monkeypatch.setattr(job_module, "measure", dies_at_four)
    plan, parent = searching(plan_of("--itl-ms", "5", streams=(1, 2)), Ramp())
    (job,) = plan.jobs
    first, second, search = job.points
    plan = msgspec.structs.replace(plan, jobs=(msgspec.structs.replace(job, points=(first, search, second)),))
    found = run(plan, tmp_path)
    result = found[parent.id]
    assert (result.outcome, result.reasons) == (Outcome.RECIPE_FAILED, (Reason.SERVER_EXITED,))
    assert (finding_of(result).stop, finding_of(result).measurements) == (Stop.UNFINISHED, 2)
    children = children_of(found, parent)
    assert [one.outcome for one in children] == [Outcome.OK, Outcome.OK, Outcome.RECIPE_FAILED]
    assert children[-1].metrics is None
    assert found[second.id].outcome is Outcome.OK


def test_a_signal_in_a_search_leaves_every_row_and_what_was_found(
    plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = Cancel()

    def signalled(target: Any, server: Any, planned: PlannedPoint, *rest: Any) -> Any:
        if planned.id.endswith(".ramp.c4"):
            cancel._asked = True
        return measure(target, server, planned, *rest)

    monkeypatch.setattr(job_module, "measure", signalled)
    plan, parent = searching(plan_of("--itl-ms", "5", streams=(1,)), Ramp())
    progress = Progress(total_points=2, expected_minutes=1, stream=io.StringIO())
    options = JobOptions(out=tmp_path / "out", state=tmp_path / "state", cancel=cancel)
    with pytest.raises(CancelledError):
        run_job(plan, plan.jobs[0], options, progress)
    assert find(label_of(tmp_path / "state")) == ()
    found = results(tmp_path / "out")
    result = found[parent.id]
    assert (result.outcome, result.reasons) == (Outcome.CANCELLED, (Reason.INTERRUPTED,))
    assert (finding_of(result).stop, finding_of(result).measurements) == (Stop.UNFINISHED, 2)
    last = children_of(found, parent)[-1]
    assert (last.outcome, last.reasons) == (Outcome.CANCELLED, (Reason.INTERRUPTED,))


def test_a_measurement_that_would_mislead_ends_the_search(plan_of: PlanOf, tmp_path: Path) -> None:
    plan, parent = searching(plan_of("--scenario", "short_output", streams=(1,)), Ramp())
    found = run(plan, tmp_path)
    result = found[parent.id]
    assert result.outcome is Outcome.INVALID
    assert result.reasons[0] is Reason.SHORT_OUTPUT
    assert finding_of(result) == Finding(stop=Stop.UNFINISHED, size=None, measurements=0, minutes=0.0)
    assert len(children_of(found, parent)) == 1


def test_a_killed_runner_leaves_what_its_search_knew(
    plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are read while the third measurement runs, as if the runner had been killed there."""
    seen: dict[str, PointResult] = {}

    def looking(*args: Any) -> Any:
        if args[2].id.endswith(".ramp.c4"):
            seen.update(results(tmp_path / "out"))
        return measure(*args)

    monkeypatch.setattr(job_module, "measure", looking)
    plan, parent = searching(plan_of("--itl-ms", "5", streams=(1,)), Ramp(), max_measurements=3)
    run(plan, tmp_path)
    assert (seen[parent.id].outcome, finding_of(seen[parent.id]).measurements) == (None, 2)
    assert seen[f"{parent.id}.c4"].outcome is None
    assert seen[f"{parent.id}.c2"].outcome is Outcome.OK
