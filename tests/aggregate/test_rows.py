"""Rows survive the way through a file, and a damaged file says where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aggregate.coverage import read_coverage, write_coverage
from aggregate.merge import merge
from aggregate.rows import read_rows, row_id, series_of, write_rows
from matrix.errors import FleetError
from tests.aggregate.builders import a_plan, artifact_of

if TYPE_CHECKING:
    from pathlib import Path

PLAN = a_plan()


def test_rows_and_coverage_read_back_as_written(tmp_path: Path) -> None:
    artifact_of(tmp_path / "in", PLAN, PLAN.jobs[0])
    merged = merge(PLAN, tmp_path / "in")
    write_rows(merged.rows, tmp_path / "out" / "rows.ndjson")
    write_coverage(merged.coverage, tmp_path / "out" / "coverage.json")
    assert read_rows(tmp_path / "out" / "rows.ndjson") == merged.rows
    assert read_coverage(tmp_path / "out" / "coverage.json") == merged.coverage
    assert len((tmp_path / "out" / "rows.ndjson").read_text().splitlines()) == 4


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    artifact_of(tmp_path / "in", PLAN, PLAN.jobs[0])
    path = tmp_path / "rows.ndjson"
    write_rows(merge(PLAN, tmp_path / "in").rows, path)
    lines = path.read_bytes().splitlines(keepends=True)
    for damaged in (
        lines[1][:-20],
        b'{"new_column":1,' + lines[1][1:],
        b"[" * 100_000,
        lines[1].replace(b"run-1", b"\xff"),
    ):
        path.write_bytes(lines[0] + damaged.strip() + b"\n")
        with pytest.raises(FleetError, match=r"rows\.ndjson:2"):
            read_rows(path)
    for damaged in (b"{}", b'{"run_id": "\xff"}'):
        path.write_bytes(damaged)
        with pytest.raises(FleetError, match="not a coverage file"):
            read_coverage(path)


def test_a_series_changes_with_the_point_the_recipe_and_the_server_arguments() -> None:
    assert (
        len({series_of("p", "r", "a"), series_of("q", "r", "a"), series_of("p", "s", "a"), series_of("p", "r", "b")})
        == 4
    )
    assert series_of("p", "r", "a") == series_of("p", "r", "a")


def test_the_series_of_a_point_outlives_the_night(tmp_path: Path) -> None:
    tonight, tomorrow = (
        merge(a_plan(run_id=run, night=night), tmp_path) for run, night in (("a", "2026-10-01"), ("b", "2026-10-02"))
    )
    assert [row.series for row in tonight.rows] == [row.series for row in tomorrow.rows]
    assert row_id(tonight.rows[0]) == f"a/{tonight.rows[0].point_id}/r0"
