"""A search in a run: its parent is what was planned, its measurements are rows beside it, both held to the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from aggregate import dataset
from aggregate.collect import _Found
from aggregate.coverage import coverage_of
from aggregate.frontiers import frontiers
from aggregate.history import history_of
from aggregate.manifest import load, verify
from aggregate.merge import merge
from aggregate.publish import publish
from aggregate.rows import Row
from aggregate.second_wave import again
from aggregate.site.adapter import page_of
from aggregate.site.render import render
from aggregate.terminal import frontier_text
from matrix.errors import FleetError
from matrix.finding import Finding, Stop
from matrix.parent import child_key, search_of
from matrix.search import Refine
from matrix.words import Reason
from tests.aggregate.builders import a_result
from tests.aggregate.search_runs import (
    FOUND,
    LOADS,
    a_search_plan,
    child_result,
    parent_result,
    search_artifact,
    search_files,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aggregate.merge import Merged

PLAN, JOB, PARENT = a_search_plan()
FILES = search_files(PLAN, JOB, PARENT)
POINT = JOB.points[0]


def merged_of(tmp_path: Path, **results: object) -> Merged:
    search_artifact(tmp_path / "in", FILES, JOB, **results)  # type: ignore[arg-type]
    return merge(PLAN, tmp_path / "in")


def by_id(merged: Merged) -> dict[str, Row]:
    return {row.point_id: row for row in merged.rows}


def test_a_search_is_one_planned_row_with_its_finding_and_a_row_for_each_measurement(tmp_path: Path) -> None:
    merged = merged_of(tmp_path)
    rows = by_id(merged)
    assert list(rows) == sorted([POINT.id, PARENT.id, *(f"{PARENT.id}.c{load}" for load in LOADS)])
    parent = rows[PARENT.id]
    assert parent.search_parent is None
    assert (parent.outcome, parent.search_method) == ("ok", "ramp")
    found = (parent.found_stop, parent.found_size, parent.found_break_size, parent.found_measurements)
    assert found == ("throughput_fell", 2.0, 4.0, 4)
    assert parent.duration_s is None
    assert (parent.found_minutes, parent.found_detail) == (8.0, "highest at 2, then lower")
    search = search_of(PARENT.point)
    assert search is not None
    for streams in LOADS:
        row = rows[f"{PARENT.id}.c{streams}"]
        assert (row.outcome, row.search_method, row.search_parent, row.search_replicate) == ("ok", "ramp", PARENT.id, 1)
        assert (row.concurrency, row.point_key, row.found_stop) == (streams, child_key(search, streams), None)
        assert row.output_tok_per_s == 100.0 * streams
    assert rows[f"{PARENT.id}.c8"].exempt == "request_errors"
    assert rows[f"{PARENT.id}.c4"].exempt == ""
    assert rows[POINT.id].search_method is None


def test_coverage_counts_the_search_and_not_its_measurements(tmp_path: Path) -> None:
    coverage = merged_of(tmp_path).coverage
    assert (coverage.planned, coverage.published, coverage.refused) == (2, (POINT.id, PARENT.id), ())
    assert coverage.outcomes == {"ok": 2}


def test_a_search_that_was_cut_off_keeps_what_it_had_found(tmp_path: Path) -> None:
    so_far = msgspec.structs.replace(FOUND, stop=Stop.UNFINISHED, break_size=None, measurements=2)
    killed = msgspec.structs.replace(parent_result(PLAN, JOB, PARENT, so_far), outcome=None, ended_at=None)
    running = msgspec.structs.replace(child_result(PLAN, JOB, PARENT, 4), outcome=None, ended_at=None)
    merged = merged_of(tmp_path, parent=killed, c4=running, c8=None)
    rows = by_id(merged)
    parent = rows[PARENT.id]
    assert (parent.outcome, parent.reasons, parent.found_stop) == ("infra_failed", "killed", "unfinished")
    assert (parent.found_size, parent.found_measurements) == (2, 2)
    assert [rows[f"{PARENT.id}.c{load}"].outcome for load in (1, 2, 4)] == ["ok", "ok", "infra_failed"]
    assert merged.coverage.refused == ()
    retried = again(PLAN, merged.rows)
    assert [point.id for point in retried.jobs[0].points] == [PARENT.id]


A_CHILD_OF_ITSELF = msgspec.structs.replace(
    parent_result(PLAN, JOB, PARENT), child=child_result(PLAN, JOB, PARENT, 1).child
)


@pytest.mark.parametrize(
    ("parent", "words"),
    [
        (msgspec.structs.replace(parent_result(PLAN, JOB, PARENT), finding=None, metrics=None), "no finding"),
        (parent_result(PLAN, JOB, PARENT, msgspec.structs.replace(FOUND, stop=Stop.UNFINISHED)), "is unfinished"),
        (parent_result(PLAN, JOB, PARENT, msgspec.structs.replace(FOUND, measurements=7)), "it may make 6"),
        (parent_result(PLAN, JOB, PARENT, msgspec.structs.replace(FOUND, break_size=65)), "outside of 1 to 64"),
        (parent_result(PLAN, JOB, PARENT, msgspec.structs.replace(FOUND, measurements=5)), "of which 4 came"),
        (A_CHILD_OF_ITSELF, "is planned"),
    ],
)
def test_a_finding_that_its_search_cannot_have_is_quarantined(tmp_path: Path, parent: object, words: str) -> None:
    merged = merged_of(tmp_path, parent=parent)
    row = by_id(merged)[PARENT.id]
    assert row.outcome == "quarantined"
    assert words in row.detail or "without metrics" in row.detail
    assert row.found_stop is None
    assert [named.point_id for named in merged.coverage.quarantined] == [PARENT.id]
    assert sum(row.outcome == "ok" for row in merged.rows) == 5


def test_a_measurement_that_contradicts_its_search_takes_the_finding_with_it(tmp_path: Path) -> None:
    of_another = child_result(PLAN, JOB, PARENT, 2)
    four = msgspec.structs.replace(of_another, point_id=f"{PARENT.id}.c4")
    merged = merged_of(tmp_path, c4=four)
    rows = by_id(merged)
    assert rows[f"{PARENT.id}.c4"].outcome == "quarantined"
    assert rows[PARENT.id].outcome == "quarantined"
    assert "of which 3 came" in rows[PARENT.id].detail
    assert len(merged.coverage.refused) == 2


def test_a_measurement_outside_the_bounds_or_beyond_the_count_is_no_part_of_the_search(tmp_path: Path) -> None:
    far = {f"points/{PARENT.id}.c128.json": msgspec.json.encode(child_result(PLAN, JOB, PARENT, 128))}
    search_artifact(tmp_path / "far", FILES | far, JOB)
    merged = merge(PLAN, tmp_path / "far")
    assert [one.reason for one in merged.coverage.refused] == ["unplanned"]
    assert by_id(merged)[PARENT.id].outcome == "ok"
    more = {
        f"points/{PARENT.id}.c{n}.json": msgspec.json.encode(child_result(PLAN, JOB, PARENT, n)) for n in (16, 32, 64)
    }
    search_artifact(tmp_path / "many", FILES | more, JOB)
    merged = merge(PLAN, tmp_path / "many")
    assert [row.point_id for row in merged.rows] == [POINT.id, PARENT.id]
    assert "7 measurements of a search that may make 6" in by_id(merged)[PARENT.id].detail


def test_a_point_has_no_finding_and_only_a_ramp_is_spared_its_errors(tmp_path: Path) -> None:
    plain = msgspec.structs.replace(a_result(PLAN, JOB, POINT), finding=FOUND)
    files = FILES | {f"points/{POINT.id}.json": msgspec.json.encode(plain)}
    search_artifact(tmp_path / "in", files, JOB)
    assert by_id(merge(PLAN, tmp_path / "in"))[POINT.id].outcome == "quarantined"
    plan, job, parent = a_search_plan(Refine())
    child = child_result(plan, job, parent, 4)
    assert child.child is not None
    spared = msgspec.structs.replace(child.child, exempt=(Reason.REQUEST_ERRORS,))
    found = Finding(stop=Stop.GAP, size=4, gap=0.01, certified_gap=0.02, measurements=1, minutes=1.0)
    results = [parent_result(plan, job, parent, found), msgspec.structs.replace(child, child=spared)]
    files = {f"points/{result.point_id}.json": msgspec.json.encode(result) for result in results}
    search_artifact(tmp_path / "refine", files, job)
    assert by_id(merge(plan, tmp_path / "refine"))[child.point_id].outcome == "quarantined"


def test_the_measurements_are_those_of_the_attempt_that_counts(tmp_path: Path) -> None:
    failed = parent_result(
        PLAN, JOB, PARENT, msgspec.structs.replace(FOUND, stop=Stop.UNFINISHED), (Reason.SERVER_EXITED,)
    )
    search_artifact(tmp_path / "in", FILES, JOB, parent=failed)
    second = search_files(PLAN, JOB, PARENT, attempt=2)
    fewer = msgspec.structs.replace(FOUND, measurements=3)
    result = parent_result(PLAN, JOB, PARENT, fewer, attempt=2)
    search_artifact(tmp_path / "in", second, JOB, attempt=2, parent=result, c8=None)
    merged = merge(PLAN, tmp_path / "in")
    rows = by_id(merged)
    assert (rows[PARENT.id].attempt, rows[PARENT.id].found_measurements) == (2, 3)
    assert {row.attempt for row in merged.rows if row.search_parent} == {2}
    assert f"{PARENT.id}.c8" not in rows


def test_a_run_with_a_search_is_published_once_and_verifies(tmp_path: Path) -> None:
    merged, home = merged_of(tmp_path), tmp_path / "home"
    assert publish(merged, PLAN, home).appended == 6
    assert publish(merged, PLAN, home).appended == 0
    (run,) = verify(home).runs
    assert (run.planned, run.ok, run.failed) == (2, 2, 0)
    manifest = load(home)
    assert manifest is not None
    table = dataset.read_table(home)
    assert coverage_of(dataset.to_rows(table)).published == (POINT.id, PARENT.id)
    history = history_of(table)
    assert set(history.points) == {POINT.key, PARENT.key}


def test_merged_rows_that_have_changed_on_their_way_are_not_published(tmp_path: Path) -> None:
    merged = merged_of(tmp_path)
    for name, change in (
        (f"{PARENT.id}.c4", {"search_parent": "r0.tp1.1k1k.ramp2"}),
        (f"{PARENT.id}.c4", {"concurrency": 5}),
        (f"{PARENT.id}.c4", {"search_replicate": 2}),
        (f"{PARENT.id}.c4", {"found_stop": "bound"}),
        (PARENT.id, {"found_stop": None}),
        (PARENT.id, {"search_method": "refine"}),
        (POINT.id, {"found_stop": "bound"}),
    ):
        rows = tuple(msgspec.structs.replace(row, **change) if row.point_id == name else row for row in merged.rows)
        with pytest.raises(FleetError):
            publish(msgspec.structs.replace(merged, rows=rows), PLAN, tmp_path / "home")


def test_collecting_a_night_keeps_the_measurements_of_its_searches(tmp_path: Path) -> None:
    merged = merged_of(tmp_path)
    collected = _Found(PLAN, rows=by_id(merged)).assemble(closed=True)
    assert collected is not None
    assert collected.rows == merged.rows
    assert collected.coverage.planned == 2


def test_a_ramps_steps_stand_on_no_frontier_and_a_refinements_do(tmp_path: Path) -> None:
    publish(merged_of(tmp_path), PLAN, tmp_path / "ramp")
    (group,) = frontiers(dataset.read_table(tmp_path / "ramp"))
    assert [point.point_id for curve in group.curves for point in curve.points] == [POINT.id]
    assert (group.planned, group.ok) == (2, 2)
    plan, job, parent = a_search_plan(Refine())
    found = Finding(stop=Stop.GAP, size=4, gap=0.01, certified_gap=0.02, measurements=2, minutes=1.0)
    results = [
        a_result(plan, job, POINT),
        parent_result(plan, job, parent, found),
        child_result(plan, job, parent, 2),
        child_result(plan, job, parent, 4),
    ]
    files = {f"points/{result.point_id}.json": msgspec.json.encode(result) for result in results}
    search_artifact(tmp_path / "refine-in", files, job)
    publish(merge(plan, tmp_path / "refine-in"), plan, tmp_path / "refine")
    (group,) = frontiers(dataset.read_table(tmp_path / "refine"))
    assert {point.point_id for curve in group.curves for point in curve.points} == {
        POINT.id,
        f"{parent.id}.c2",
        f"{parent.id}.c4",
    }
    assert "frontier known within 1.0% (at most 2.0%); most throughput at 4 streams" in frontier_text([group])


def test_the_tables_say_where_a_server_breaks(tmp_path: Path) -> None:
    publish(merged_of(tmp_path), PLAN, tmp_path / "home")
    (group,) = frontiers(dataset.read_table(tmp_path / "home"))
    (found,) = group.searches
    assert (found.point_id, found.size, found.break_size, found.night) == (PARENT.id, 2, 4, "2026-10-01")
    text = frontier_text([group])
    assert "r0 tp1: breaks at 4 streams: throughput falls" in text


def test_the_page_says_where_a_server_breaks_and_counts_the_search_once(tmp_path: Path) -> None:
    publish(merged_of(tmp_path), PLAN, tmp_path / "home")
    html = render(page_of(dataset.read_table(tmp_path / "home"), (), {}))["index.html"]
    assert "Found by searching" in html
    assert '<td class="strong">breaks at 4 streams: throughput falls; no surely higher throughput above 2</td>' in html
    assert "<strong>r0 · tp1</strong> breaks at 4 streams" in html
    assert "Every planned point of this run gave a usable number." in html
