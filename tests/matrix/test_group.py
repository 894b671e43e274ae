from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from matrix.expand import Dropped, expand
from matrix.fleet import Fleet, load_fleet
from matrix.group import group
from matrix.point import Point, point_id
from matrix.recipe import RecipeLayout, Steps
from matrix.serving import KvOffload, Pool, Serving
from matrix.workload import ConversationWorkload, TraceWorkload
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


layouts = st.lists(
    st.builds(
        RecipeLayout,
        tp=st.sampled_from([1, 2, 4]),
        points=st.dictionaries(
            st.sampled_from(["short", "long", "agentic-coding", "talk"]),
            st.lists(st.integers(1, 64), min_size=1, max_size=5, unique=True).map(tuple),
            min_size=1,
        ),
        serving=st.sampled_from([None, Serving(kv_offload=KvOffload(backend="b"))]),
        flags=st.dictionaries(
            st.sampled_from(["parallel", "batch-size"]),
            st.sampled_from([2, "concurrency", Steps(steps=((8, 4), (64, 8)))]),
        ),
    ),
    min_size=1,
    max_size=4,
)


@given(layouts)
def test_every_point_is_in_exactly_one_group_whatever_the_recipe(found: list[RecipeLayout]) -> None:
    named = tuple(msgspec.structs.replace(layout, name=f"l{index}") for index, layout in enumerate(found))
    fleet = replace(
        small_fleet(), recipes={"r": msgspec.structs.replace(small_fleet().recipes["tiny-cpu"], layouts=named)}
    )
    points = points_of(fleet)
    groups = group(fleet, points)
    grouped = Counter(point_id(point) for one in groups for point in one.points)
    assert grouped == Counter(point_id(point) for point in points)
    assert len({one.job_id for one in groups}) == len(groups)
    for one in groups:
        together = {(point.layout_name, point.serving) for point in one.points}
        assert len(together) == 1
        if one.points[0].serving.kv_offload or one.points[0].workload_id in ("agentic-coding", "talk"):
            assert len(one.points) == 1


@cache
def small_fleet() -> Fleet:
    with tempfile.TemporaryDirectory() as folder:
        fleet = load_fleet(write_fleet(Path(folder)))
    trace = TraceWorkload(name="t", trace="t", source="a test")
    talk = ConversationWorkload(name="c", turns=3, isl=9, added=9, osl=9)
    return replace(fleet, workloads={**fleet.workloads, "agentic-coding": trace, "talk": talk})


def test_pools_are_one_start_with_no_arguments_of_their_own() -> None:
    pools = RecipeLayout(name="p", prefill=Pool(tp=2), decode=Pool(tp=4), points={"short": (1, 4), "long": (2,)})
    fleet = replace(
        small_fleet(), recipes={"r": msgspec.structs.replace(small_fleet().recipes["tiny-cpu"], layouts=(pools,))}
    )
    (one,) = group(fleet, points_of(fleet))
    assert one.args == ()
    assert len(one.points) == 3
