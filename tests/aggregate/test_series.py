"""A series is represented by the median of its last nights, not by a lucky one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec
import pytest

from aggregate import dataset
from aggregate.columns import filled, missing_row
from aggregate.frontiers import FrontierGroup, FrontierPoint, frontiers
from aggregate.series import newest_night, representatives
from matrix.plan import planned_points
from matrix.words import Missing, Reason
from tests.aggregate.builders import a_plan, a_result, some_metrics

if TYPE_CHECKING:
    import pyarrow as pa

    from aggregate.rows import Row

Measured = dict[str, tuple[float, float]]


def night_rows(day: int, measured: Measured, *, rev: int = 0, run_id: str = "") -> list[Row]:
    """One night of the plan: `measured` is (interactivity, tok/s) by point id; other points failed."""
    plan = a_plan(run_id=run_id or f"run-{day:02}", night=f"2026-10-{day:02}", rev=rev)
    rows = []
    for point_id, (job, point) in planned_points(plan).items():
        if point_id in measured:
            interactivity, tok_per_s = measured[point_id]
            metrics = some_metrics(tok_per_s=tok_per_s, interactivity=interactivity)
            result = a_result(plan, job, point, metrics=metrics)
        else:
            result = a_result(plan, job, point, reasons=(Reason.SERVER_EXITED,))
        rows.append(filled(missing_row(plan, job, point, "all", Missing.NO_ARTIFACT), result, None))
    return rows


P = "r0.tp1.1k1k.c1"
ALL = ("r0.tp1.1k1k.c1", "r0.tp1.1k1k.c4", "r1.tp1.1k1k.c1", "r1.tp1.1k1k.c4")


def history(nights: dict[int, float], point: str = P) -> pa.Table:
    return dataset.to_table(row for day, speed in nights.items() for row in night_rows(day, {point: (20.0, speed)}))


@pytest.mark.parametrize(
    ("nights", "k", "max_age_days", "median", "n_nights"),
    [
        ({1: 100, 2: 300, 3: 110}, 3, 28, 110, 3),
        ({1: 100, 2: 300, 3: 110, 4: 120}, 3, 28, 120, 3),
        ({1: 100, 2: 300}, 3, 28, 200, 2),
        ({1: 100, 2: 300, 3: 110}, 1, 28, 110, 1),
        ({1: 100, 20: 300}, 3, 7, 300, 1),
    ],
)
def test_a_series_stands_for_the_median_of_its_last_nights(
    nights: dict[int, float], k: int, max_age_days: int, median: float, n_nights: int
) -> None:
    frame = representatives(history(nights), k=k, max_age_days=max_age_days)
    assert len(frame) == 1
    row = frame.iloc[0]
    assert row["output_tok_per_s_per_gpu"] == median
    assert row["n_nights"] == n_nights
    assert (row["point_id"], row["night"]) == (P, f"2026-10-{max(nights):02}")


def test_spread_is_the_range_over_the_median() -> None:
    assert representatives(history({1: 100, 2: 150, 3: 110})).iloc[0]["spread"] == pytest.approx(50 / 110)
    assert representatives(history({1: 100})).iloc[0]["spread"] == 0


def test_nights_that_failed_do_not_count_and_a_night_run_twice_counts_once() -> None:
    rows = [*night_rows(1, {P: (20, 100)}), *night_rows(2, {}), *night_rows(3, {P: (20, 200)})]
    rows += night_rows(3, {P: (20, 400)}, run_id="again")
    row = representatives(dataset.to_table(rows)).iloc[0]
    assert (row["n_nights"], row["output_tok_per_s_per_gpu"]) == (2, 200)


def test_what_is_too_old_or_after_the_day_asked_for_does_not_count() -> None:
    table = history({1: 100, 9: 200})
    assert representatives(table, as_of=dt.date(2026, 10, 8)).iloc[0]["output_tok_per_s_per_gpu"] == 100
    assert representatives(table, as_of=dt.date(2026, 10, 8), max_age_days=7).empty
    assert representatives(table, as_of=dt.date(2026, 10, 7), max_age_days=7).iloc[0]["n_nights"] == 1


def test_an_empty_dataset_has_no_representatives_and_no_frontier() -> None:
    empty = dataset.to_table([])
    assert newest_night(empty) is None
    assert representatives(empty).empty
    assert frontiers(empty) == ()


def the_group(rows: list[Row]) -> tuple[FrontierGroup, dict[str, FrontierPoint]]:
    (group,) = frontiers(dataset.to_table(rows))
    return group, {point.point_id: point for curve in group.curves for point in curve.points}


def test_a_group_has_a_curve_per_recipe_and_one_frontier_over_all() -> None:
    measured = dict(zip(ALL, [(30.0, 100.0), (10.0, 400.0), (40.0, 90.0), (9.0, 300.0)], strict=True))
    group, points = the_group(night_rows(1, measured))
    assert (group.model, group.workload, group.isl, group.planned, group.ok, group.partial) == (
        "tiny",
        "1k1k",
        1024,
        4,
        4,
        False,
    )
    assert [(curve.recipe, [point.point_id for point in curve.points]) for curve in group.curves] == [
        ("r0", [ALL[1], ALL[0]]),
        ("r1", [ALL[3], ALL[2]]),
    ]
    assert {name: (point.on_curve, point.on_frontier) for name, point in points.items()} == {
        ALL[0]: (True, True),
        ALL[1]: (True, True),
        ALL[2]: (True, True),
        ALL[3]: (True, False),
    }


@pytest.mark.fault(72)
def test_a_group_with_fewer_than_nine_tenths_of_tonights_points_is_partial() -> None:
    group, points = the_group([*night_rows(1, dict.fromkeys(ALL, (20.0, 100.0))), *night_rows(2, {P: (20.0, 100.0)})])
    assert (group.night, group.planned, group.ok, group.partial) == ("2026-10-02", 4, 1, True)
    assert {name: point.n_nights for name, point in points.items()} == {P: 2, ALL[1]: 1, ALL[2]: 1, ALL[3]: 1}


def test_a_recipe_that_changed_leaves_its_old_numbers_in_history_only() -> None:
    rows = [*night_rows(1, dict.fromkeys(ALL, (50.0, 500.0))), *night_rows(2, {P: (20.0, 100.0)}, rev=1)]
    _, points = the_group(rows)
    assert {name: point.y for name, point in points.items()} == {P: 100.0}


@pytest.mark.fault(76)
def test_equal_points_are_all_on_the_frontier_in_order_of_id() -> None:
    group, points = the_group(night_rows(1, dict.fromkeys(ALL, (20.0, 100.0))))
    assert all(point.on_frontier and point.on_curve for point in points.values())
    assert [point.point_id for curve in group.curves for point in curve.points] == list(ALL)
    assert msgspec.json.decode(msgspec.json.encode(group), type=FrontierGroup) == group


def test_a_group_where_nothing_is_ok_has_no_curves_and_says_so() -> None:
    group, points = the_group(night_rows(1, {}))
    assert (group.ok, group.planned, group.partial, points) == (0, 4, True, {})
