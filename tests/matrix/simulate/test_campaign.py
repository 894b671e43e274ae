from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from matrix.rota import Candidate
from matrix.simulate.campaign import Campaign, CampaignResult
from matrix.simulate.world import MEASURED, PERFECT
from tests.matrix.nights import POLICY, TODAY, a_candidate, a_curve, a_yard

CANDIDATES = [one for number in range(20) for one in a_curve(f"k{number}", 6)]


def run(
    candidates: list[Candidate] = CANDIDATES, nights: int = 10, machines: int = 4, **changes: Any
) -> CampaignResult:
    policy = changes.pop("policy", POLICY)
    world = changes.pop("world", PERFECT)
    campaign = Campaign(candidates=candidates, yard=a_yard(policy, a=machines), policy=policy, world=world, seed=1)
    return campaign.run(nights, {}, TODAY)


def test_in_a_perfect_world_with_room_every_point_stays_younger_than_a_week() -> None:
    found = run()
    assert [night.ok for night in found.nights] == [night.planned for night in found.nights]
    assert (found.covered, found.ever) == (1.0, 1.0)
    assert found.oldest < POLICY.stale_nights
    assert found.nights[0].planned == len(CANDIDATES)
    assert len({night.planned for night in found.nights[1:]}) <= 3


def test_the_planned_are_ok_failed_or_not_run_and_points_that_fail_come_again() -> None:
    found = run(world=MEASURED)
    for night in found.nights:
        assert night.planned == night.ok + night.failed + night.not_run
    assert sum(night.failed for night in found.nights) > 0
    assert found.covered > 0.95


def test_too_small_a_fleet_keeps_its_window_and_gets_round_in_turn() -> None:
    candidates = [a_candidate(f"p{number}", minutes=90.0, every_nights=7) for number in range(30)]
    found = run(candidates, nights=12, machines=1)
    assert all(night.makespan_minutes <= POLICY.window_minutes for night in found.nights)
    assert found.ever == 1.0
    assert found.oldest <= 7


def test_without_a_memory_the_last_of_the_list_are_never_measured() -> None:
    candidates = [a_candidate(f"p{number}", minutes=90.0) for number in range(30)]
    forgetful = run(candidates, machines=1, policy=replace(POLICY, by_age=False))
    assert forgetful.ever == pytest.approx(5 / 30)
    assert run(candidates, machines=1).ever == 1.0


def test_shared_servers_hold_fewer_gpu_hours_for_the_same_points() -> None:
    apart = [replace(one, job=f"job-{one.id}") for one in CANDIDATES]
    together, alone = run(), run(apart, machines=40)
    assert alone.nights[0].ok == together.nights[0].ok == len(CANDIDATES)
    assert alone.nights[0].gpu_hours > 3 * together.nights[0].gpu_hours
    assert alone.measuring_share < together.measuring_share


def test_equal_seeds_have_equal_campaigns() -> None:
    assert run(world=MEASURED) == run(world=MEASURED)


def test_labels_are_judged_each_by_itself() -> None:
    found = run([*a_curve("k", 3), a_candidate("elsewhere", label="b")], nights=2)
    assert {(one.label, one.points, one.covered) for one in found.labels} == {("a", 3, 1.0), ("b", 1, 0.0)}


def test_repeats_are_played_within_the_window_and_count_as_no_points() -> None:
    repeating = replace(POLICY, repeat_from=2)
    without, found = run(machines=20), run(machines=20, policy=repeating)
    assert [(night.planned, night.ok) for night in found.nights] == [(n.planned, n.ok) for n in without.nights]
    first = found.nights[0].gpu_hours - without.nights[0].gpu_hours
    assert first == pytest.approx(20 * 2.0 * 8 / 60)  # one more point of two minutes a job, on eight GPUs
    assert all(night.makespan_minutes <= POLICY.window_minutes for night in found.nights)
