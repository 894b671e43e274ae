from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matrix.candidates import matrix_of, ordinal
from matrix.errors import DataProblems, FleetError
from matrix.expand import expand, point_of
from matrix.fleet import DATA, Fleet, load_fleet
from matrix.history import History, PointHistory
from matrix.identity import args_digest, recipe_digest
from matrix.jobs import Night
from matrix.nightplan import Asked, build_night
from matrix.plan import Plan, planned_points
from matrix.planner import build_plan
from matrix.point import point_id, point_key, twin_of
from matrix.rota import CERTIFIED_REQUESTS, Policy
from matrix.select import parse_selector
from matrix.sentinels import sentinels
from matrix.workload import RandomWorkload
from tests.fleets import RECIPE, WORKLOADS, write_fleet
from tests.matrix.nights import HOSTS, many_points

DATE = "2026-01-31"
NIGHT = Night(run_id="r1", date=DATE, seed=7, git_sha="unknown")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return load_fleet(many_points(tmp_path_factory.mktemp("fleet"), 6))


@pytest.fixture(scope="module")
def shipped() -> Fleet:
    return load_fleet(DATA)


ALL = Asked(even_unpinned=True)


def history(fleet: Fleet, ages: dict[str, int], **changes: object) -> History:
    """Every point of these recipes measured so many nights ago, with what it is measured with now."""
    today, points = ordinal(DATE), {}
    for member in matrix_of(fleet).members.values():
        age = ages.get(member.point.recipe)
        if age is not None:
            recipe, args = recipe_digest(fleet, member.point.recipe), args_digest(member.group)
            night = _iso(today - age)
            image = fleet.recipes[member.point.recipe].image
            past = {"recipe_digest": recipe, "args_digest": args, "image": image, "seen": night, "ok": night, **changes}
            points[member.candidate.key] = PointHistory(**past)  # type: ignore[arg-type]
    return History(points=points)


def _iso(day: int) -> str:
    from datetime import date

    return date.fromordinal(day).isoformat()


def test_every_point_of_the_matrix_is_planned_once_or_left_out_with_a_reason(shipped: Fleet) -> None:
    for asked in (ALL, replace(ALL, policy=Policy(window_minutes=40.0)), replace(ALL, policy=Policy(gpu_hours=20.0))):
        plan = build_night(shipped, NIGHT, asked)
        names = Counter(name for name, (_, point) in planned_points(plan).items() if twin_of(point.point) is None)
        names += Counter(left.id for left in plan.left_out)
        assert names == Counter(point_id(point_of(item)) for item in expand(shipped))
        assert all(left.why for left in plan.left_out)
        assert all(point.why for job in plan.jobs for point in job.points)


def test_the_night_keeps_to_its_window_and_its_gpu_hours(shipped: Fleet) -> None:
    plan = build_night(shipped, NIGHT, replace(ALL, policy=Policy(window_minutes=60.0, gpu_hours=30.0)))
    assert plan.jobs
    assert max((job.begins_minutes or 0.0) + job.expected_minutes for job in plan.jobs) <= 60.0 * 0.95 + 0.01
    assert sum((job.gpus or 0) * job.expected_minutes for job in plan.jobs) <= 30.0 * 60 * 0.95 + 0.01
    assert plan.retry_points == int(0.05 * sum(not point.point.repeat for job in plan.jobs for point in job.points))


def test_what_a_server_is_started_with_never_depends_on_what_is_measured(shipped: Fleet) -> None:
    whole = {job.id: job.server for job in build_night(shipped, NIGHT, ALL).jobs}
    largest = parse_selector({"conc": ["1..4"]})
    some = build_night(shipped, NIGHT, replace(ALL, selector=largest))
    assert some.jobs
    assert all(job.server == whole[job.id] for job in some.jobs)
    assert all(point.point.load.streams <= 4 for job in some.jobs for point in job.points)
    assert any(len(job.points) < (job.of_points or 0) for job in some.jobs)
    assert all(left.why == "not asked for: --conc 1..4" for left in some.left_out if "asked" in left.why)


def test_one_host_and_the_whole_night_start_the_same_servers(fleet: Fleet) -> None:
    night = {job.id: job.server for job in build_night(fleet, NIGHT, Asked()).jobs}
    host = build_plan(fleet, "pool", NIGHT, parse_selector({"conc": ["1"]}))
    assert {job.id: job.server for job in host.jobs} == night


def test_equal_questions_have_equal_plans(shipped: Fleet) -> None:
    assert build_night(shipped, NIGHT, ALL) == build_night(shipped, NIGHT, ALL)


@given(number=st.integers(0, 99))
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_recipe_more_changes_no_other_job(tmp_path: Path, number: int) -> None:
    before = load_fleet(many_points(tmp_path / "a", 3))
    root = many_points(tmp_path / "b", 3)
    (root / "recipes" / "new.yaml").write_text(RECIPE.replace("tiny-cpu:", f"a-new-{number}:"))
    plans = [build_night(one, NIGHT, Asked()) for one in (before, load_fleet(root))]
    jobs = [{job.id: (job.server, job.points) for job in plan.jobs} for plan in plans]
    assert {name: job for name, job in jobs[1].items() if not name.startswith("a-new")} == jobs[0]
    assert len(jobs[1]) == len(jobs[0]) + 2


def test_sentinels_are_measured_first_and_the_rest_of_the_order_is_the_seeds(fleet: Fleet) -> None:
    past = history(fleet, dict.fromkeys(fleet.recipes, 9))
    orders = set()
    for seed in range(4):
        plan = build_night(fleet, replace(NIGHT, seed=seed), Asked(history=past, policy=Policy(pair_share=0.0)))
        for job in plan.jobs:
            kinds = [point.why.startswith("sentinel") for point in job.points]
            assert kinds == sorted(kinds, reverse=True)
        orders.add(tuple(point.id for point in plan.jobs[0].points))
    assert len(orders) > 1


def test_a_pair_is_planned_as_another_point_that_comes_last(fleet: Fleet) -> None:
    plan = build_night(fleet, NIGHT, Asked(policy=Policy(pair_share=1.0)))
    for job in plan.jobs:
        shared = [point for point in job.points if not point.point.alone]
        alone = [point for point in job.points if point.point.alone]
        assert len(job.points) == len(shared) + len(alone)
        assert job.points[: len(shared)] == tuple(shared)
        assert {point.id for point in alone} == {f"{point.id}.alone" for point in shared if len(shared) > 1}
        assert all(point.key == point_key(point.point) for point in job.points)
    assert len({point.key for job in plan.jobs for point in job.points}) == sum(len(job.points) for job in plan.jobs)


def test_the_first_of_a_job_is_planned_once_more_as_the_last_on_its_server_at_the_cost_of_its_minutes(
    shipped: Fleet,
) -> None:
    for policy in (Policy(pair_share=0.5), Policy(pair_share=0.5, repeat_from=4), Policy(repeat_from=None)):
        found = matrix_of(shipped)
        for job in build_night(shipped, NIGHT, replace(ALL, policy=policy)).jobs:
            shared = [one for one in job.points if not one.point.alone]
            points, last = [one for one in shared if not one.point.repeat], shared[-1]
            many = policy.repeat_from is not None and len(points) >= policy.repeat_from
            length = points[0].point.workload.run_length
            many = many and length.repeat_first and length.min_requests < CERTIFIED_REQUESTS
            assert [one.point.repeat for one in shared] == [False] * len(points) + [True] * many
            assert job.points[: len(shared)] == tuple(shared)
            minutes = sum(one.expected_minutes for one in job.points)
            usual = found.members[points[0].id]
            assert job.expected_minutes == pytest.approx(minutes + usual.candidate.start_minutes)
            if many:
                assert (last.id, last.why) == (f"{points[0].id}.repeat", "the first once more")
                assert twin_of(last.point) == points[0].id
                assert last.key not in {one.key for one in job.points[:-1] if one is not last}
                assert (last.expected_minutes, last.point.workload) == (usual.candidate.minutes, usual.point.workload)


def test_a_workload_whose_windows_are_too_short_for_it_repeats_nothing(tmp_path: Path) -> None:
    off, on = WORKLOADS, WORKLOADS.replace("repeat_first: false", "repeat_first: true")
    for workloads, repeats in ((off, 0), (on, 2)):
        fleet = load_fleet(write_fleet(tmp_path / str(repeats), workloads=workloads))
        asked = Asked(policy=Policy(certified_nights=None))
        for plan in (build_night(fleet, NIGHT, asked), build_plan(fleet, "this-machine", NIGHT)):
            assert sum(point.point.repeat for job in plan.jobs for point in job.points) == repeats
        assert all(job.points[-1].point.repeat == bool(repeats) for job in plan.jobs)


def test_a_certified_point_is_the_same_point_measured_longer(fleet: Fleet) -> None:
    past = history(fleet, dict.fromkeys(fleet.recipes, 1))
    found = [
        point
        for day in range(1, 29)
        for job in build_night(fleet, replace(NIGHT, date=f"2026-02-{day:02d}"), Asked(history=past)).jobs
        for point in job.points
        if point.why == "sentinel, 662 requests"
    ]
    usual = {member.candidate.key: member.point for member in matrix_of(fleet).members.values()}
    assert found
    for point in found:
        assert isinstance(point.point.workload, RandomWorkload)
        assert (point.point.workload.run_length.min_requests, point.key) == (662, point_key(usual[point.key]))


def test_what_is_not_in_tonight_says_when_it_will_be(fleet: Fleet) -> None:
    past = history(fleet, dict.fromkeys(fleet.recipes, 2))
    plan = build_night(fleet, NIGHT, Asked(history=past, policy=Policy(pair_share=0.0)))
    assert plan.left_out
    for left in plan.left_out:
        assert left.why == "measured 2 nights ago; due within 7 nights of that"
        assert left.night is not None
        assert "2026-02-01" <= left.night <= "2026-02-05"


def test_a_job_cut_for_time_says_so_and_what_will_run_tomorrow(fleet: Fleet) -> None:
    plan = build_night(fleet, NIGHT, Asked(policy=Policy(window_minutes=1.0, pair_share=0.0)))
    reasons = [left.why for left in plan.left_out]
    assert any("is cut to" in why for why in reasons)
    assert all(left.night or left.missing_gpus for left in plan.left_out)


def test_a_changed_recipe_comes_before_what_is_old(fleet: Fleet) -> None:
    past = history(fleet, dict.fromkeys(fleet.recipes, 30))
    points = dict(past.points)
    changed = [one.candidate for one in matrix_of(fleet).members.values() if one.point.recipe == "tiny-cpu-3"]
    for key in (one.key for one in changed):
        points[key] = PointHistory(recipe_digest="before", args_digest="before", seen="2026-01-30")
    policy = Policy(window_minutes=1.5, pair_share=0.0)
    plan = build_night(fleet, NIGHT, Asked(history=History(points=points), policy=policy))
    assert {point.key for job in plan.jobs for point in job.points} >= sentinels(changed, {})
    assert any(left.why.startswith("sentinel, but") for left in plan.left_out)


def test_a_new_image_is_measured_at_once_whatever_was_measured_last_night(tmp_path: Path) -> None:
    before = load_fleet(write_fleet(tmp_path / "a"))
    bumped = load_fleet(write_fleet(tmp_path / "b", recipe=RECIPE.replace("  layouts:", "  image: x:1\n  layouts:")))
    past = history(before, {"tiny-cpu": 1})
    plan = build_night(bumped, NIGHT, replace(ALL, history=past))
    whys = {point.why.removesuffix(f", {CERTIFIED_REQUESTS} requests") for job in plan.jobs for point in job.points}
    assert whys <= {"changed", "alone, for comparison"}
    assert "changed" in whys


def test_what_must_not_be_launched_is_left_out_or_counted_in_when_asked(tmp_path: Path) -> None:
    recipe = RECIPE.replace("  layouts:", "  flags_unknown: nobody told us\n  layouts:")
    fleet = load_fleet(write_fleet(tmp_path, recipe=recipe))
    plan = build_night(fleet, NIGHT, Asked())
    assert plan.jobs == ()
    assert {left.why for left in plan.left_out} == {
        "must not be launched: its server flags are unknown: nobody told us"
    }
    assert all(job.blocked for job in build_night(fleet, NIGHT, Asked(even_blocked=True)).jobs)


def test_what_is_not_pinned_is_left_out_or_counted_in_when_asked(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path, recipe=RECIPE.replace("  layouts:", "  image: a/b:c\n  layouts:")))
    plan = build_night(fleet, NIGHT, Asked())
    assert plan.jobs == ()
    assert all(left.why.startswith("not pinned: the image a/b:c has no digest") for left in plan.left_out)
    assert len(build_night(fleet, NIGHT, ALL).jobs) == 2


def test_too_large_a_job_names_the_gpus_that_are_missing(tmp_path: Path) -> None:
    root = write_fleet(tmp_path, recipe=RECIPE.replace("    - name: slots2", "    - name: slots2\n      workers: 4"))
    (root / "hosts" / "this-machine.yaml").write_text(HOSTS)
    plan = build_night(load_fleet(root), NIGHT, Asked(even_blocked=True))
    missing = {left.id: left.missing_gpus for left in plan.left_out}
    assert set(missing.values()) == {3}
    assert all("slots2" in name for name in missing)


def test_a_short_label_is_named_with_the_machines_it_lacks(fleet: Fleet) -> None:
    plan = build_night(fleet, NIGHT, Asked(policy=Policy(window_minutes=1.0)))
    (short,) = plan.short
    assert (short.labels, short.machines) == (("pool",), 2)
    assert short.short_machines == short.short_gpus > 0


def test_a_fleet_that_does_not_check_or_a_selection_of_nothing_is_refused(tmp_path: Path, fleet: Fleet) -> None:
    wrong = load_fleet(write_fleet(tmp_path, recipe=RECIPE.replace("parallel: 2", "paralel: 2")))
    with pytest.raises(DataProblems, match="unknown flag"):
        build_night(wrong, NIGHT, Asked())
    with pytest.raises(FleetError, match="did you mean"):
        build_night(fleet, NIGHT, Asked(selector=parse_selector({"model": ["tinny"]})))


def test_a_plan_of_a_night_survives_its_file(tmp_path: Path, fleet: Fleet) -> None:
    from matrix.planfile import read_plan, write_plan

    plan: Plan = build_night(fleet, NIGHT, Asked(policy=Policy(window_minutes=1.0, gpu_hours=9.0)))
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan
