from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.rota import CERTIFIED_GRACE_NIGHTS, Candidate, Policy, Rota, Seen, Tier, rota
from tests.matrix.nights import POLICY, TODAY, a_candidate, a_curve, matrices, memories, seen


def of_tier(found: Rota, tier: Tier) -> set[str]:
    return {want.candidate.id for want in found.wanted if want.tier is tier and not want.alone}


def wanted(found: Rota) -> list[str]:
    return [want.candidate.id for want in found.wanted if not want.alone and not want.certified]


def tonight(candidates: list[Candidate], memory: dict[str, Seen], **policy: object) -> Rota:
    return rota(candidates, memory, TODAY, replace(POLICY, pair_share=0.0, certified_nights=None, **policy), seed=1)  # type: ignore[arg-type]


@given(data=st.data())
@settings(max_examples=50)
def test_every_point_is_wanted_once_or_says_why_it_waits(data: st.DataObject) -> None:
    candidates = data.draw(matrices())
    found = rota(candidates, data.draw(memories(candidates)), TODAY, POLICY, seed=data.draw(st.integers(0, 9)))
    assert sorted([*wanted(found), *found.waiting]) == sorted(one.id for one in candidates)
    assert all(found.waiting.values())


@given(data=st.data())
@settings(max_examples=50)
def test_a_point_that_nobody_measured_for_seven_nights_is_wanted_before_any_fresher_one(data: st.DataObject) -> None:
    candidates = data.draw(matrices())
    memory = data.draw(memories(candidates))
    found = rota(candidates, memory, TODAY, POLICY, seed=1)
    limits = {one.id: max(POLICY.stale_nights, one.every_nights) for one in candidates}
    for one in candidates:
        past = memory.get(one.key)
        if past is None or past.seen is None or TODAY - past.seen >= limits[one.id]:
            assert one.id in wanted(found)
    ages = [
        TODAY - (memory[want.candidate.key].seen or 0)
        for want in found.wanted
        if want.tier is Tier.STALE and not want.alone
    ]
    assert ages == sorted(ages, reverse=True)


def test_the_ends_and_the_middle_of_a_curve_are_measured_every_night() -> None:
    curve = a_curve("k", 7)
    found = tonight(curve, {one.key: seen(1) for one in curve})
    assert of_tier(found, Tier.SENTINEL) == {"k.c1", "k.c3", "k.c7"}


def test_what_is_new_or_changed_comes_before_what_is_stale() -> None:
    fresh, changed, stale = a_curve("fresh", 5), a_curve("changed", 5), a_curve("stale", 5)
    memory = {one.key: seen(2) for one in fresh} | {one.key: seen(9) for one in stale}
    memory |= {one.key: seen(2, served="other arguments") for one in changed}
    found = tonight([*fresh, *changed, *stale, a_candidate("new")], memory)
    assert of_tier(found, Tier.CHANGED) == {"changed.c3", "changed.c4"}
    order = [want.tier for want in found.wanted]
    assert order == sorted(order)
    assert {"new", "changed.c1"} <= of_tier(found, Tier.SENTINEL)


def test_the_rest_comes_round_in_seven_nights_spread_evenly() -> None:
    candidates = [one for number in range(70) for one in a_curve(f"k{number}", 5)]
    memory = {one.key: seen(1) for one in candidates}
    per_night = []
    for night in range(TODAY, TODAY + 14):
        found = rota(candidates, memory, night, replace(POLICY, pair_share=0.0, certified_nights=None), seed=1)
        per_night.append(len(of_tier(found, Tier.STALE)))
        for name in wanted(found):
            memory[name] = Seen(served="s", seen=night, ok=night)
        assert max(night - (memory[one.key].seen or 0) for one in candidates) < 7
    assert set(per_night) == {20}  # two points beside the sentinels of each of 70 jobs, a seventh of the jobs a night


def test_a_workload_of_seven_nights_has_no_sentinels_and_takes_its_turn() -> None:
    curve = a_curve("agentic", 7, every_nights=7)
    jobs = [replace(one, job=f"job-{one.id}") for one in curve]
    found = tonight(jobs, {one.key: seen(3) for one in jobs})
    assert of_tier(found, Tier.SENTINEL) == set()
    assert len(of_tier(found, Tier.STALE)) == 1


def test_a_workload_of_two_nights_waits_one() -> None:
    curve = a_curve("k", 3, every_nights=2)
    assert set(tonight(curve, {one.key: seen(1) for one in curve}).waiting) == {one.id for one in curve}
    assert len(wanted(tonight(curve, {one.key: seen(2) for one in curve}))) == 3


def test_what_failed_is_tried_after_one_two_and_four_nights() -> None:
    one = a_candidate("p")
    tried = {
        failures: [age for age in range(1, 8) if wanted(tonight([one], {"p": seen(age, failures=failures)}))]
        for failures in (1, 2, 3, 9)
    }
    assert {failures: ages[0] for failures, ages in tried.items()} == {1: 1, 2: 2, 3: 4, 9: 7}


def test_about_two_percent_of_the_shared_jobs_run_alone_too_chosen_by_the_seed() -> None:
    candidates = [one for number in range(500) for one in a_curve(f"k{number}", 4)]
    candidates.append(a_candidate("lonely"))
    memory = {one.key: seen(1) for one in candidates}
    drawn = {seed: pairs(rota(candidates, memory, TODAY, POLICY, seed)) for seed in range(8)}
    counts = [len(jobs) for jobs in drawn.values()]
    assert 5 * len(counts) < sum(counts) < 15 * len(counts)
    assert len({frozenset(jobs) for jobs in drawn.values()}) == len(drawn)
    assert "job-lonely" not in set().union(*drawn.values())
    assert drawn[3] == pairs(rota(candidates, memory, TODAY, POLICY, 3))


def pairs(found: Rota) -> dict[str, int]:
    """Jobs with points alone, each of which is wanted shared before."""
    jobs: dict[str, int] = {}
    shared: set[str] = set()
    for want in found.wanted:
        if want.alone:
            assert want.candidate.id in shared
            jobs[want.candidate.job] = jobs.get(want.candidate.job, 0) + 1
        else:
            shared.add(want.candidate.id)
    assert set(jobs.values()) <= {4}
    return jobs


def test_each_sentinel_is_certified_once_in_twenty_eight_nights() -> None:
    candidates = [one for number in range(40) for one in a_curve(f"k{number}", 3, certified_minutes=30.0)]
    memory = {one.key: seen(1) for one in candidates}
    nights: dict[str, list[int]] = {}
    for night in range(TODAY, TODAY + 84):
        for want in rota(candidates, memory, night, POLICY, seed=1).wanted:
            if want.certified:
                nights.setdefault(want.candidate.id, []).append(night)
                memory[want.candidate.key] = replace(memory[want.candidate.key], certified=night)
    assert len(nights) == len(candidates)
    assert all(3 <= len(found) <= 4 for found in nights.values())
    gaps = [later - earlier for found in nights.values() for earlier, later in pairwise(found)]
    assert min(gaps) >= 28 - CERTIFIED_GRACE_NIGHTS
    assert max(gaps) <= 28 + CERTIFIED_GRACE_NIGHTS


def test_a_point_that_would_take_hours_to_certify_is_not() -> None:
    curve = a_curve("k", 3, certified_minutes=None)
    found = [rota(curve, {}, night, POLICY, 1).wanted for night in range(TODAY, TODAY + 28)]
    assert not any(want.certified for wants in found for want in wants)


@given(data=st.data())
@settings(max_examples=30)
def test_a_new_recipe_changes_nothing_for_the_others_but_their_place_in_the_queue(data: st.DataObject) -> None:
    candidates = data.draw(matrices())
    memory = data.draw(memories(candidates))
    more = [*candidates, *a_curve("inserted", 5)]
    before, after = (rota(some, memory, TODAY, replace(POLICY, stale_nights=1), 5) for some in (candidates, more))
    others = [want for want in after.wanted if not want.candidate.id.startswith("inserted")]
    assert [(want.candidate.id, want.tier, want.alone, want.certified) for want in others] == [
        (want.candidate.id, want.tier, want.alone, want.certified) for want in before.wanted
    ]


def test_a_fleet_without_a_memory_wants_the_same_in_the_order_of_the_files_for_ever() -> None:
    candidates = [*a_curve("b", 3), *a_curve("a", 3), *a_curve("w", 2, every_nights=7)]
    policy = Policy(by_age=False)
    found = [wanted(rota(candidates, {}, night, policy, 1)) for night in range(TODAY, TODAY + 7)]
    assert all(names[:6] == [one.id for one in candidates[:6]] for names in found)
    assert sum(len(names) for names in found) == 6 * 7 + 2
