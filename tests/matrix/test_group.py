from __future__ import annotations

from collections import Counter
from pathlib import Path

from matrix.expand import Dropped, expand
from matrix.fleet import Fleet, load_fleet
from matrix.group import group
from matrix.point import Point, point_id
from tests.fleets import MODEL, RECIPE, write_fleet


def points_of(fleet: Fleet) -> list[Point]:
    return [item for item in expand(fleet) if isinstance(item, Point)]


def test_points_with_equal_server_arguments_share_one_start(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path))
    groups = group(fleet, points_of(fleet))
    assert [len(found.points) for found in groups] == [2, 2]
    batched, slots = groups
    assert batched.args[batched.args.index("--parallel") + 1] == "4"
    assert slots.args[slots.args.index("--parallel") + 1] == "2"


def test_every_slot_holds_the_longest_request_of_the_group(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path))
    slots = group(fleet, points_of(fleet))[1]
    assert slots.args[slots.args.index("--ctx-size") + 1] == str((128 + 32 + 64) * 2)


def test_more_slots_than_requests_still_hold_the_longest_each(tmp_path: Path) -> None:
    """llama.cpp divides its context by the number of slots, not by the requests that come."""
    fleet = load_fleet(write_fleet(tmp_path, recipe=RECIPE.replace("{parallel: 2}", "{parallel: 8}")))
    slots = group(fleet, points_of(fleet))[1]
    assert slots.args[slots.args.index("--ctx-size") + 1] == str((128 + 32 + 64) * 8)


def test_steps_split_a_group(tmp_path: Path) -> None:
    recipe = RECIPE.replace("{parallel: concurrency}", "{parallel: {steps: [[1, 1], [4, 4]]}}")
    fleet = load_fleet(write_fleet(tmp_path, recipe=recipe))
    batched = [found for found in group(fleet, points_of(fleet)) if ".batched." in found.job_id]
    assert [len(found.points) for found in batched] == [1, 1]
    assert len({found.job_id for found in batched}) == 2


def test_every_point_is_in_exactly_one_group(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path))
    points = points_of(fleet)
    grouped = Counter(point_id(point) for found in group(fleet, points) for point in found.points)
    assert grouped == Counter(point_id(point) for point in points)


def test_asking_for_one_more_concurrency_keeps_the_job_ids(tmp_path: Path) -> None:
    before = load_fleet(write_fleet(tmp_path / "a"))
    after = load_fleet(write_fleet(tmp_path / "b", recipe=RECIPE.replace("[1, 4]", "[1, 4, 16]")))
    assert [g.job_id for g in group(before, points_of(before))] == [g.job_id for g in group(after, points_of(after))]
    assert group(before, points_of(before))[0].args != group(after, points_of(after))[0].args


def test_what_cannot_fit_is_dropped_with_its_reason(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path, model=MODEL.replace("max_context: 4096", "max_context: 200")))
    dropped = [item for item in expand(fleet) if isinstance(item, Dropped)]
    assert [item.id for item in dropped] == ["tiny-cpu.slots2.long.c2"]
    assert "needs a context of 224 tokens; tiny holds 200" in dropped[0].why
