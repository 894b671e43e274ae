"""What the dataset tells the next night's plan."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from aggregate import commands, dataset
from aggregate.columns import filled, missing_row
from aggregate.frontiers import frontiers
from aggregate.history import history_of
from matrix.history import History, read_history
from matrix.plan import planned_points
from matrix.planfile import write_plan
from matrix.words import Missing, Reason
from tests.aggregate.builders import WHEN, a_plan, a_result, artifacts_of, some_metrics

if TYPE_CHECKING:
    from pathlib import Path

    from aggregate.rows import Row

POINT = "r0.tp1.1k1k.c1"
OK: tuple[Reason, ...] = ()
FAILED = (Reason.SERVER_EXITED,)
HOST = (Reason.KILLED,)


def night(day: int, reasons: tuple[Reason, ...] = OK, *, rev: int = 0, minutes: float = 3.0, requests: int = 64) -> Row:
    """One point's row of one night."""
    plan = a_plan(run_id=f"run-{day:02}", night=f"2026-10-{day:02}", rev=rev)
    job, point = planned_points(plan)[POINT]
    metrics = msgspec.structs.replace(some_metrics(tok_per_s=100.0 + day), requests_ok=requests)
    result = a_result(plan, job, point, reasons=reasons, metrics=metrics)
    result = msgspec.structs.replace(result, ended_at=WHEN + timedelta(minutes=minutes))
    return filled(missing_row(plan, job, point, "all", Missing.NO_ARTIFACT), result, None)


def after(*rows: Row) -> History:
    return history_of(dataset.to_table(rows))


def test_an_ok_night_says_when_and_how_long_and_where_on_the_frontier() -> None:
    found = after(night(1, minutes=2.0), night(2, minutes=4.0), night(3, minutes=9.0))
    (point,) = found.points.values()
    assert (found.until, point.seen, point.ok, point.failures) == ("2026-10-03", "2026-10-03", "2026-10-03", 0)
    assert (point.minutes, point.measured_s) == (4.0, 60.0)
    assert (point.x, point.y) == (20.0, 102.0)
    assert point.certified is None
    assert found.starts == {"r0.tp1": pytest.approx(2.0 / 60)}


def test_the_hosts_fault_says_nothing_of_the_recipe() -> None:
    (point,) = after(night(1), night(2, HOST)).points.values()
    assert (point.seen, point.ok) == ("2026-10-01", "2026-10-01")
    assert after(night(1, HOST)).points == {}
    assert after(night(1, HOST)).until == "2026-10-01"


@pytest.mark.parametrize(
    ("nights", "failures", "ok"),
    [
        ([OK, FAILED, FAILED], 2, "2026-10-01"),
        ([FAILED, FAILED, OK], 0, "2026-10-03"),
        ([FAILED, FAILED], 2, None),
        ([FAILED, HOST, FAILED], 2, None),
    ],
)
def test_failures_are_nights_since_the_last_ok_one(
    nights: list[tuple[Reason, ...]], failures: int, ok: str | None
) -> None:
    (point,) = after(*(night(day, reasons) for day, reasons in enumerate(nights, start=1))).points.values()
    assert (point.failures, point.ok) == (failures, ok)


def test_a_new_image_goes_on_with_the_series_and_is_what_the_rota_remembers() -> None:
    old, new = night(1), msgspec.structs.replace(night(2, FAILED), image="x@sha256:2")
    assert old.series == new.series
    (point,) = after(old, new).points.values()
    assert (point.image, point.ok, point.failures) == ("x@sha256:2", None, 1)


def test_changed_arguments_begin_again() -> None:
    (point,) = after(night(1), night(2, FAILED, rev=1)).points.values()
    assert (point.ok, point.failures, point.minutes, point.seen) == (None, 1, None, "2026-10-02")


def test_a_certified_night_counts_as_such_and_not_for_how_long_a_point_takes() -> None:
    (point,) = after(night(1), night(2, requests=700, minutes=40.0), night(3)).points.values()
    assert (point.certified, point.minutes) == ("2026-10-02", 3.0)


def test_what_was_measured_alone_is_in_no_history_and_on_no_frontier() -> None:
    alone = msgspec.structs.replace(night(1), alone=True, point_key="b" * 64, series="b" * 64)
    assert after(night(1), alone) == after(night(1))
    groups = frontiers(dataset.to_table([night(1), alone]))
    assert [point.point_key for curve in groups[0].curves for point in curve.points] == [night(1).point_key]
    assert (groups[0].planned, groups[0].ok) == (1, 1)


def test_publishing_leaves_the_history_beside_the_dataset(tmp_path: Path) -> None:
    plan = a_plan()
    write_plan(plan, tmp_path / "plan.json")
    commands.merge(tmp_path / "plan.json", artifacts_of(tmp_path / "in", plan), tmp_path / "merged")
    commands.publish(tmp_path / "plan.json", tmp_path / "merged", tmp_path / "home")
    found = read_history(tmp_path / "home" / "published" / "history.json")
    assert set(found.points) == {point.key for _, point in planned_points(plan).values()}


def test_an_empty_dataset_has_an_empty_history() -> None:
    assert after() == History()
