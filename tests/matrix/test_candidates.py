from __future__ import annotations

from pathlib import Path

import pytest

from matrix.candidates import matrix_of, memory_of, ordinal
from matrix.fleet import DATA, Fleet, load_fleet
from matrix.history import History, PointHistory
from matrix.identity import served
from tests.fleets import MODEL, RECIPE, write_fleet


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return load_fleet(write_fleet(tmp_path_factory.mktemp("fleet")))


def test_a_candidate_says_where_with_whom_and_how_long(fleet: Fleet) -> None:
    found = [member.candidate for member in matrix_of(fleet).members.values()]
    assert {(one.label, one.gpu, one.machines, one.gpus) for one in found} == {("local", "cpu", 1, 1)}
    assert [one.load for one in found] == [1.0, 4.0, 2.0, 1.0]
    assert found[0].job == found[1].job != found[2].job == found[3].job
    assert {one.curve for one in found} == {"tiny-cpu/short/none", "tiny-cpu/long/none"}


def test_what_the_model_cannot_hold_is_impossible_for_a_stated_reason(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path, model=MODEL.replace("max_context: 4096", "max_context: 200")))
    (gone,) = matrix_of(fleet).impossible
    assert "needs a context of 224 tokens" in gone.why


def test_the_shipped_agentic_workload_is_measured_once_in_seven_nights() -> None:
    assert load_fleet(DATA).workloads["agentic-coding"].run_length.every_nights == 7


def test_memory_is_history_with_nights_as_numbers() -> None:
    past = PointHistory(recipe_digest="r", args_digest="a", seen="2026-02-01", ok="2026-01-31", failures=1, x=2.0)
    found = memory_of(History(points={"k": past}))["k"]
    assert (found.served, found.failures, found.x, found.certified) == (served("r", "a", None), 1, 2.0, None)
    assert found.seen == (found.ok or 0) + 1 == ordinal("2026-02-01")


def test_a_new_image_changes_what_a_point_is_served_with_and_not_its_key(fleet: Fleet, tmp_path: Path) -> None:
    bumped = load_fleet(write_fleet(tmp_path, recipe=RECIPE.replace("  layouts:", "  image: x:1\n  layouts:")))
    before, after = ([member.candidate for member in matrix_of(one).members.values()] for one in (fleet, bumped))
    assert [one.key for one in before] == [one.key for one in after]
    assert all(old.served != new.served for old, new in zip(before, after, strict=True))
