from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from aggregate import collect
from aggregate.dataset import read_table
from aggregate.merge import merge
from aggregate.rows import read_rows
from matrix.errors import FleetError
from matrix.waves import part_of
from tests.act.api import Api, serve
from tests.aggregate.sweeps import (
    NIGHT,
    PLAN,
    POINTS,
    SHA,
    SINCE,
    a_night,
    a_sweep,
    add_sweep,
    github,
    publish_all,
    store,
)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serve(Api(tmp_path / "github")) as serving:
        yield serving


def outcomes(tmp_path: Path) -> list[str]:
    return sorted(read_table(tmp_path / "home")["outcome"].to_pylist())


def test_a_night_is_published_sweep_by_sweep_as_they_finish(api: Api, tmp_path: Path) -> None:
    a_night(api)
    a_sweep(api, tmp_path, 201, slice(0, 1))
    a_sweep(api, tmp_path, 202, slice(1, 3), status="in_progress")
    publish_all(api, tmp_path, "first")
    assert outcomes(tmp_path) == ["ok"] * 2
    api.runs[-1]["status"] = "completed"
    publish_all(api, tmp_path, "second")
    assert outcomes(tmp_path) == ["ok"] * POINTS
    assert publish_all(api, tmp_path, "third") == [f"run {NIGHT}: {PLAN.run_id} is published whole"]
    assert not (tmp_path / "third").exists()


@pytest.mark.fault(73)
def test_what_no_sweep_speaks_of_is_missing_once_all_have_ended_and_arrives_late_all_the_same(
    api: Api, tmp_path: Path
) -> None:
    a_night(api)
    a_sweep(api, tmp_path, 201, slice(0, 2))
    publish_all(api, tmp_path, "first")
    assert outcomes(tmp_path) == ["missing"] * 2 + ["ok"] * 4
    a_sweep(api, tmp_path, 203, slice(2, 3))
    publish_all(api, tmp_path, "second")
    assert outcomes(tmp_path) == ["ok"] * POINTS


@pytest.mark.parametrize("coverage", [b"{}", b'{"run_id": "\xff"}'])
def test_a_sweep_that_cannot_be_read_is_named_and_costs_the_others_nothing(
    api: Api, tmp_path: Path, coverage: bytes
) -> None:
    a_night(api)
    a_sweep(api, tmp_path, 201, slice(0, 2))
    a_sweep(api, tmp_path, 202, slice(2, 3))
    store(api, 202, "merged", {"rows.ndjson": b"not rows", "coverage.json": coverage})
    (said,) = publish_all(api, tmp_path, "first")
    assert "sweep-00.yml: coverage.json: " in said
    assert outcomes(tmp_path) == ["missing"] * 2 + ["ok"] * 4


def test_a_night_that_cannot_be_read_does_not_keep_another_from_being_published(api: Api, tmp_path: Path) -> None:
    api.add_run(100, "nightly.yml", "nightly", sha=SHA)  # its plan job failed: no artifact
    a_night(api)
    a_sweep(api, tmp_path, 201, slice(0, 3))
    said = publish_all(api, tmp_path, "first")
    assert said[0] == "run 100: not collected: run 100 (nightly.yml) has no artifact `plan`"
    assert outcomes(tmp_path) == ["ok"] * POINTS


@pytest.mark.parametrize(
    "other",
    [{"head_branch": "patch-1"}, {"event": "pull_request"}, {"path": ".github/workflows/evil.yml"}],
    ids=["another branch", "a pull request", "another workflow"],
)
def test_a_plan_from_anything_but_a_night_on_main_is_refused(
    api: Api, tmp_path: Path, other: dict[str, object]
) -> None:
    a_night(api, other=other)
    with pytest.raises(FleetError, match="not a night on main"):
        collect.fetch_plan(github(api), NIGHT)
    assert collect.collect(github(api), tmp_path / "home", SINCE, tmp_path / "out") == []


def test_a_sweep_started_twice_does_not_replace_a_number_by_nothing(api: Api, tmp_path: Path) -> None:
    a_night(api)
    a_sweep(api, tmp_path, 201, slice(0, 3))
    nothing = merge(PLAN, _folder(tmp_path / "empty"), "00")
    rows = b"".join(msgspec.json.encode(row) + b"\n" for row in nothing.rows)
    store(api, 202, "merged", {"rows.ndjson": rows, "coverage.json": msgspec.json.encode(nothing.coverage)})
    add_sweep(api, 202, part_of(PLAN, ()))
    publish_all(api, tmp_path, "first")
    assert outcomes(tmp_path) == ["ok"] * POINTS


def test_rows_that_contradict_the_plan_stop_at_publishing(api: Api, tmp_path: Path) -> None:
    a_night(api, msgspec.structs.replace(PLAN, seed=PLAN.seed + 1))
    a_sweep(api, tmp_path, 201, slice(0, 3))
    with pytest.raises(FleetError, match="seed is not what the plan says"):
        publish_all(api, tmp_path, "first")


def test_the_rows_of_a_night_are_in_order_and_name_their_sweep(api: Api, tmp_path: Path) -> None:
    a_night(api)
    a_sweep(api, tmp_path, 202, slice(0, 2))
    a_sweep(api, tmp_path, 201, slice(2, 3))
    collect.collect(github(api), tmp_path / "home", SINCE, tmp_path / "out")
    rows = read_rows(tmp_path / "out" / PLAN.run_id / "rows.ndjson")
    assert [row.point_id for row in rows] == sorted(row.point_id for row in rows)
    assert {row.shard for row in rows} == {"00"}


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
