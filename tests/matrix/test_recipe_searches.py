"""A recipe asks for searches: what the matrix makes of that, from the file to the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from matrix.check import check
from matrix.commands import check_fleet, diff_recipes, list_jobs, list_points, show
from matrix.errors import DataProblems
from matrix.estimate import Estimator
from matrix.expand import Dropped, expand
from matrix.explain import explain
from matrix.fleet import Fleet, load_fleet
from matrix.group import group
from matrix.jobs import Night
from matrix.nightplan import Asked, build_night
from matrix.parent import Search, search_of
from matrix.planfile import read_plan, write_plan
from matrix.planner import build_plan
from matrix.point import Concurrency, Point, point_id
from matrix.rota import Policy, Tier, rota
from matrix.schema import schemas
from matrix.search import Bounds, Ramp
from matrix.select import parse_selector
from matrix.traits import planned_traits
from tests.fleets import SEARCHES, write_fleet
from tests.matrix.nights import POLICY, TODAY, a_candidate, a_curve, seen

if TYPE_CHECKING:
    from pathlib import Path

NIGHT = Night(run_id="run-1", date="2026-10-01", seed=7, git_sha="unknown")
RAMP = "tiny-search.slots2.short.ramp"
REACH = "tiny-search.slots2.short.reach-ttft0p5-p99"
POINT = "tiny-search.slots2.short.c1"
ASK = "- {method: {kind: ramp}, loads: [1, 8]}"


def a_fleet(tmp_path: Path, recipe: str = SEARCHES) -> Fleet:
    return load_fleet(write_fleet(tmp_path, recipe=recipe))


def points(fleet: Fleet) -> dict[str, Point]:
    return {point_id(item): item for item in expand(fleet) if isinstance(item, Point)}


def dropped(fleet: Fleet) -> dict[str, str]:
    return {item.id: item.why for item in expand(fleet) if isinstance(item, Dropped)}


def test_a_search_is_one_planned_point_with_the_bounds_of_its_workload(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path)
    assert check(fleet) == []
    found = points(fleet)
    assert list(found) == [POINT, RAMP, REACH]
    bounds = Bounds(first_load=1, last_load=8, max_measurements=24, max_minutes=120)
    search = search_of(found[RAMP])
    assert search is not None
    assert (search.method, search.bounds) == (Ramp(), bounds)
    assert isinstance(search, Search)
    assert search_of(found[POINT]) is None


def test_a_search_shares_the_server_of_the_points_beside_it(tmp_path: Path) -> None:
    (job,) = group(a_fleet(tmp_path), points(a_fleet(tmp_path)).values())
    assert {point_id(point) for point in job.points} == {POINT, RAMP, REACH}


def test_a_flag_that_scales_covers_the_largest_load_of_a_search(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path, SEARCHES.replace("parallel: 2", "parallel: concurrency"))
    (job,) = group(fleet, points(fleet).values())
    assert job.args[job.args.index("--parallel") + 1] == "8"


STEPPED = SEARCHES.replace("{parallel: 2}", "{parallel: 2, ubatch-size: {steps: [[4, 256], [64, 512]]}}")


def test_a_search_across_the_steps_of_a_flag_is_dropped_and_one_within_a_step_is_not(tmp_path: Path) -> None:
    engine = write_fleet(tmp_path, recipe=STEPPED) / "engines" / "llamacpp.yaml"
    text = engine.read_text()
    assert "    ubatch-size:\n" in text
    engine.write_text(text.replace("    ubatch-size:\n", "    ubatch-size:\n      depends_on_concurrency: steps\n"))
    fleet = load_fleet(tmp_path)
    assert check(fleet) == []
    why = "a search has one server, and flag 'ubatch-size' changes above 4 streams: end it there"
    assert dropped(fleet) == {RAMP: why}
    assert list(points(fleet)) == [POINT, REACH]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("        short:\n          - {method", "        shrt:\n          - {method", "unknown workload 'shrt'"),
        ("loads: [1, 8]", "loads: [8, 1]", "the loads end before they begin: 8 to 1"),
        ("loads: [1, 8]", "loads: [1, 4096]", "workload short allows 1024"),
        ("loads: [1, 8]", "loads: [1, 8], minutes: 900", "unknown key 'minutes'"),
        ("{kind: ramp}", "{kind: ramp, fator: 3}", "unknown key 'fator'"),
        ("{kind: ramp}", "{kind: climb}", "'climb' is none of the words it may be"),
        ("{kind: reach, slo: {ttft_s: 0.5}}", "{kind: ramp}", f"are both called '{RAMP}'"),
    ],
)
def test_a_mistake_in_a_search_is_named_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in SEARCHES
    with pytest.raises(DataProblems) as raised:
        check_fleet(write_fleet(tmp_path, recipe=SEARCHES.replace(old, new)))
    (problem,) = raised.value.problems
    assert words in problem.message
    if "both called" not in words:
        text = SEARCHES.replace(old, new).splitlines()[problem.line - 1]
        assert any(part in text for part in ("searches", "shrt", "loads", "kind")), text


def test_the_words_for_people_know_searches(tmp_path: Path) -> None:
    root = write_fleet(tmp_path, recipe=SEARCHES)
    fleet = load_fleet(root)
    assert check_fleet(root) == "ok: 1 recipes, 1 points and 2 searches, 1 server starts"
    assert f"{RAMP}  (ramp from 1 to 8 streams: at most 24 measurements or 120 minutes)" in list(list_points(root))
    assert [line.partition("  ")[2] for line in list_jobs(root)] == ["(1 points and 2 searches on one server)"]
    assert '"kind": "ramp"' in show(root, RAMP)
    told = explain(fleet, RAMP)
    assert "asked for at" in told
    assert "ramp from 1 to 8 streams" in told
    line = int(told.split("recipes/test.yaml:")[1].partition(":")[0])
    assert SEARCHES.splitlines()[line - 1].strip() == "short:"
    assert line > SEARCHES.splitlines().index("      searches:")
    assert "asks for 1 points and 2 searches" in explain(fleet, "tiny-search")
    assert b'"AskedSearch"' in schemas(fleet)["recipes.schema.json"]


def test_searches_are_selected_by_what_they_look_for(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path)
    for words, names in (("ramp", [RAMP]), ("ramp,reach", [RAMP, REACH]), ("none", [POINT])):
        plan = build_plan(fleet, "this-machine", NIGHT, parse_selector({"search": [words]}))
        assert sorted(one.id for job in plan.jobs for one in job.points) == sorted(names)
        assert [planned_traits(job, one).search for job in plan.jobs for one in job.points]


def test_a_search_watches_no_frontier_and_comes_round_at_its_own_pace() -> None:
    points = [*a_curve("c", 6), a_candidate("s", job="job-c", curve="c", load=9.0, every_nights=14, search=True)]
    for nights_ago, due in ((6, False), (14, True)):
        memory = {one.key: seen(6) for one in points[:-1]} | {"s": seen(nights_ago)}
        tonight = rota(points, memory, TODAY, POLICY, 1)
        wanted = {want.candidate.id: want for want in tonight.wanted}
        assert ("s" in wanted) is due
        assert ("due within 14 nights" in tonight.waiting.get("s", "")) is not due
        assert {name for name, want in wanted.items() if want.tier is Tier.SENTINEL} == {"c.c1", "c.c2", "c.c6"}


def test_a_recipe_diff_names_the_search_that_is_new(tmp_path: Path) -> None:
    before = write_fleet(tmp_path / "before", recipe=SEARCHES.replace(f"          {ASK}\n", ""))
    after = write_fleet(tmp_path / "after", recipe=SEARCHES)
    told = "\n".join(diff_recipes(before, after))
    assert "+ 1 points (slots2.short ramp)" in told
    assert "a new history begins" not in told


def test_a_plan_of_a_host_holds_its_searches_last_and_reads_back(tmp_path: Path) -> None:
    plan = build_plan(a_fleet(tmp_path), "this-machine", NIGHT)
    (job,) = plan.jobs
    assert job.points[0].id == POINT
    assert {planned.id for planned in job.points[1:]} == {RAMP, REACH}
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan


def test_the_minutes_of_a_search_are_those_of_its_loads_within_its_bounds(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path)
    found, estimator = points(fleet), Estimator(fleet=fleet)
    climb = [Concurrency(streams=streams) for streams in (1, 2, 4, 8)]
    ramp = found[RAMP]
    each = [estimator.point(msgspec.structs.replace(ramp, load=load, search=None)).whole for load in climb]
    assert estimator.point(ramp).whole == pytest.approx(sum(each))
    assert estimator.point(ramp).measured < estimator.point(ramp).whole
    assert estimator.point(found[REACH]).whole > estimator.point(ramp).whole


def test_a_night_plans_searches_seldom_and_never_alone(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path)
    policy = Policy(window_minutes=600, pair_share=1.0, retry_share=0.0)
    plan = build_night(fleet, NIGHT, Asked(policy=policy, even_unpinned=True))
    planned = {one.id: one for job in plan.jobs for one in job.points}
    assert {RAMP, REACH} <= set(planned)
    assert not any(one.point.alone and one.point.search for one in planned.values())
    (job,) = plan.jobs
    assert job.expected_minutes > sum(one.expected_minutes for one in job.points)
