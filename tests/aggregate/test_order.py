from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregate import dataset
from aggregate.columns import filled, missing_row
from aggregate.history import history_of
from aggregate.merge import merge
from aggregate.order import MAX_DIFFERENCE, UNJUDGED, order_effect, with_order_effects
from aggregate.publish import publish
from aggregate.second_wave import again as second_wave
from aggregate.series import representatives
from matrix.errors import FleetError
from matrix.jobs import repeat_of
from matrix.plan import Plan, planned_points
from matrix.result import Interval, Metrics, Steady
from matrix.words import Missing, Reason
from tests.aggregate.builders import a_plan, a_result, artifact_of, point_files, some_metrics, write_folder

if TYPE_CHECKING:
    from pathlib import Path

    from aggregate.rows import Row

FIRST, AGAIN = "r0.tp1.1k1k.c1", "r0.tp1.1k1k.c1.repeat"


def repeating(plan: Plan) -> Plan:
    """Each job's first point once more."""
    jobs = [
        msgspec.structs.replace(job, points=(*job.points, repeat_of(job.points[0].point, 1.0))) for job in plan.jobs
    ]
    return msgspec.structs.replace(plan, jobs=tuple(jobs))


PLAN = repeating(a_plan())
JOB = PLAN.jobs[0]


def metrics(tok_per_s: float, interactivity: float = 20.0, width: float = 0.01) -> Metrics:
    """Both estimates with intervals `width` of their value to either side."""
    found = some_metrics(tok_per_s=tok_per_s, interactivity=interactivity)
    steady = Steady(
        start_s=1.0,
        duration_s=50.0,
        requests=50,
        ttft_s_p50=0.2,
        ttft_s_p90=0.2,
        ttft_trend="plateau",
        tpot_s_p50=1 / interactivity,
        tpot_s_p90=1 / interactivity,
        tpot_trend="plateau",
        interactivity_tok_per_s=interactivity,
        output_tok_per_s=tok_per_s,
        total_tok_per_s=3 * tok_per_s,
        output_tok_per_s_per_gpu=tok_per_s,
        total_tok_per_s_per_gpu=3 * tok_per_s,
        total_tok_per_s_interval=around(3 * tok_per_s, width),
    )
    return msgspec.structs.replace(found, steady=steady, tpot_s_p50_interval=around(1 / interactivity, width))


def around(value: float, width: float) -> Interval:
    return Interval(low=value * (1 - width), high=value * (1 + width))


def row(name: str, found: Metrics | None = None, *reasons: Reason, **changes: Any) -> Row:
    job, point = planned_points(PLAN)[name]
    result = a_result(PLAN, job, point, reasons=reasons, metrics=found)
    made = filled(missing_row(PLAN, job, point, "all", Missing.NO_ARTIFACT), result, None)
    return msgspec.structs.replace(made, **changes)


def pair(first: Metrics, again: Metrics) -> list[Row]:
    return [row(FIRST, first), row(AGAIN, again)]


@pytest.mark.parametrize(
    ("again", "said"),
    [
        (metrics(100.0), None),
        (metrics(104.9), None),  # beyond its intervals, within what two nights differ by
        (metrics(90.0, width=0.1), None),  # 10 %, and neither run knows its own number that well
        (metrics(90.0), "tok/s 300 first, 270 -10.0% last"),
        (metrics(100.0, interactivity=18.0), "TPOT s 0.05 first, 0.05556 +11.1% last"),
        (some_metrics(tok_per_s=50.0, interactivity=10.0), None),  # no interval, no verdict
    ],
)
def test_an_order_effect_is_more_than_noise_by_both_its_size_and_its_intervals(
    again: Metrics, said: str | None
) -> None:
    assert order_effect(*pair(metrics(100.0), again)) == said


def test_both_rows_carry_it_and_no_other() -> None:
    other = row("r1.tp1.1k1k.c1", metrics(1.0))
    first, again, untouched = with_order_effects([*pair(metrics(100.0), metrics(80.0)), other])
    assert [(one.outcome, one.reasons) for one in (first, again)] == [("invalid", "order_effect")] * 2
    assert first.detail == again.detail == "tok/s 300 first, 240 -20.0% last"
    assert first.output_tok_per_s == 100.0
    assert untouched == other


def test_a_repeat_without_intervals_says_that_it_was_not_judged() -> None:
    rows = with_order_effects(pair(some_metrics(tok_per_s=100.0), some_metrics(tok_per_s=50.0)))
    assert [(one.outcome, one.detail) for one in rows] == [("ok", ""), ("ok", UNJUDGED)]
    assert with_order_effects(rows) == rows


@pytest.mark.parametrize(
    "changes",
    [
        {"attempt": 2},
        {"host": "h2"},
        {"outcome": "invalid", "reasons": "clock_jump"},
        {"job_id": "another"},
        {"server_start_s": 9.5},
    ],
)
def test_only_two_ok_rows_of_one_server_are_compared(changes: dict[str, Any]) -> None:
    rows = [row(FIRST, metrics(100.0)), row(AGAIN, metrics(80.0), **changes)]
    assert with_order_effects(rows) == rows
    assert with_order_effects(rows[1:]) == rows[1:]


@settings(deadline=None)
@given(one=st.floats(1, 1e4), other=st.floats(1, 1e4), width=st.floats(0, 0.5))
def test_a_verdict_needs_a_difference_beyond_the_threshold(one: float, other: float, width: float) -> None:
    found = order_effect(*pair(metrics(one, width=width), metrics(other, width=width)))
    if found:
        assert abs(other / one - 1) > MAX_DIFFERENCE
        assert one * (1 + width) < other * (1 - width) or other * (1 + width) < one * (1 - width)
    elif width == 0:
        assert abs(other / one - 1) <= MAX_DIFFERENCE + 1e-9


def merged_with(tmp_path: Path, first: float, again: float) -> Path:
    """The artifact of the first job, in which the first point and its repeat have these throughputs."""
    files = point_files(PLAN, JOB)
    for name, tok_per_s in ((FIRST, first), (AGAIN, again)):
        result = a_result(PLAN, JOB, planned_points(PLAN)[name][1], metrics=metrics(tok_per_s))
        files[f"points/{name}.json"] = msgspec.json.encode(result)
    write_folder(tmp_path / f"job-{JOB.id}-a1", files)
    return tmp_path


def test_merge_judges_and_counts_a_repeat_as_no_point(tmp_path: Path) -> None:
    found = merge(PLAN, merged_with(tmp_path, 100.0, 80.0))
    rows = {one.point_id: one for one in found.rows}
    assert (rows[FIRST].reasons, rows[AGAIN].reasons) == ("order_effect", "order_effect")
    assert (rows[AGAIN].repeat, rows[AGAIN].twin_of, rows[FIRST].repeat) == (True, FIRST, False)
    assert (found.coverage.planned, found.coverage.outcomes) == (4, {"invalid": 1, "ok": 1})
    assert found.coverage.repeats == {"invalid": 1, "missing": 1}
    assert len(found.rows) == 6
    assert AGAIN not in found.coverage.published


def test_rows_that_travelled_without_their_verdict_are_not_published(tmp_path: Path) -> None:
    merged = merge(PLAN, merged_with(tmp_path, 100.0, 80.0))
    unjudged = [
        msgspec.structs.replace(one, outcome="ok", reasons="") if one.reasons == "order_effect" else one
        for one in merged.rows
    ]
    with pytest.raises(FleetError, match=r"not ok, for tok/s 300 first, 240 -20\.0% last"):
        publish(msgspec.structs.replace(merged, rows=tuple(unjudged)), PLAN, tmp_path / "home")
    assert publish(merged, PLAN, tmp_path / "home").appended == 6


def test_a_repeat_is_in_the_dataset_and_in_no_frontier_history_or_second_wave(tmp_path: Path) -> None:
    merged = merge(PLAN, merged_with(tmp_path / "artifacts", 100.0, 98.0))
    publish(merged, PLAN, tmp_path / "home")
    table = dataset.read_table(tmp_path / "home")
    assert table.num_rows == 6
    keys = {planned.key for planned in JOB.points[:2]}
    assert set(representatives(table)["point_key"]) == keys
    assert set(history_of(table).points) == keys
    wave = second_wave(PLAN, merged.rows, share=1.0)
    assert [point.id for job in wave.jobs for point in job.points] == ["r1.tp1.1k1k.c1", "r1.tp1.1k1k.c4"]


def test_a_whole_run_with_repeats_is_known_to_be_whole(tmp_path: Path) -> None:
    from aggregate import manifest

    for job in PLAN.jobs:
        artifact_of(tmp_path / "artifacts", PLAN, job)
    publish(merge(PLAN, tmp_path / "artifacts"), PLAN, tmp_path / "home")
    (run,) = manifest.verify(tmp_path / "home").runs
    assert (run.planned, run.ok, run.missing) == (4, 4, 0)
