from __future__ import annotations

from pathlib import Path

import pytest

from matrix.errors import FleetError
from matrix.explain import explain
from matrix.fleet import Fleet, load_fleet
from matrix.jobs import Night
from matrix.planner import build_plan
from matrix.select import parse_selector
from tests.fleets import MODEL, RECIPE, write_fleet

NIGHT = Night(run_id="r1", date="2026-01-31", seed=7, git_sha="unknown")


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """`slots2.long.c2` needs 224 tokens of context, which the model has not."""
    return load_fleet(write_fleet(tmp_path, model=MODEL.replace("max_context: 4096", "max_context: 200")))


def test_a_point_names_the_line_that_asks_for_it_and_the_server_it_shares(fleet: Fleet) -> None:
    text = explain(fleet, "tiny-cpu.batched.short.c4")
    assert "recipes/test.yaml:10: layout batched, workload short" in text
    assert "one of 2 points on one server start, job tiny-cpu.batched." in text
    assert "runs on a host with cpu" in text


def test_a_dropped_point_says_why(fleet: Fleet) -> None:
    assert "dropped: needs a context of 224 tokens; tiny holds 200" in explain(fleet, "tiny-cpu.slots2.long.c2")


def test_a_recipe_tells_the_fates_of_its_points(fleet: Fleet) -> None:
    text = explain(fleet, "tiny-cpu", parse_selector({"conc": ["4"]}))
    assert "asks for 4 points; 3 can be measured, on 2 server starts" in text
    assert "2 x not selected: --conc 4 (e.g. tiny-cpu.batched.short.c1)" in text
    assert "1 x dropped: needs a context" in text


def test_a_plan_says_where_a_point_is_planned_or_why_it_is_left_out(fleet: Fleet) -> None:
    plan = build_plan(fleet, "this-machine", NIGHT, parse_selector({"layout": ["batched"]}))
    assert "planned on local" in explain(fleet, "tiny-cpu.batched.short.c1", plan=plan)
    assert "left out: not asked for: --layout batched" in explain(fleet, "tiny-cpu.slots2.short.c1", plan=plan)
    assert "dropped: needs a context" in explain(fleet, "tiny-cpu.slots2.long.c2", plan=plan)


def test_a_point_that_may_not_be_launched_says_so(tmp_path: Path) -> None:
    recipe = RECIPE.replace("  layouts:", "  flags_unknown: nobody told us\n  layouts:")
    fleet = load_fleet(write_fleet(tmp_path, recipe=recipe))
    assert "never launched: its server flags are unknown: nobody told us" in explain(fleet, "tiny-cpu.slots2.short.c1")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tiny-cpu.batched.short.c5", "batched: short 1, 4"),
        ("tiny-cpuu", "did you mean 'tiny-cpu'?"),
        ("quite-another", "known: tiny-cpu"),
    ],
)
def test_a_name_nobody_knows_says_what_there_is(fleet: Fleet, name: str, words: str) -> None:
    with pytest.raises(FleetError) as caught:
        explain(fleet, name)
    assert words in str(caught.value)


def test_a_recipe_that_sharing_changes_says_so_where_it_shares(fleet: Fleet) -> None:
    hint = "sharing changes its numbers: by 4 %"
    for name, shares in (("tiny-cpu", True), ("tiny-cpu.batched.short.c4", True), ("tiny-cpu.slots2.short.c1", False)):
        assert (hint in explain(fleet, name, to_split={"tiny-cpu": "by 4 %"})) == shares
        assert hint not in explain(fleet, name, to_split={"another": "by 4 %"})
