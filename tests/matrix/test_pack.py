from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.facts import Host
from matrix.pack import Cut, Night, Yard, pack, yard_of
from matrix.rota import Candidate, Policy, Tier, Want, rota
from tests.matrix.nights import POLICY, TODAY, a_candidate, a_curve, a_yard, matrices, memories, seen

POLICIES = st.builds(
    Policy,
    window_minutes=st.sampled_from((60.0, 240.0, 720.0)),
    gpu_hours=st.sampled_from((None, None, 5.0, 100.0)),
    pair_share=st.sampled_from((0.0, 0.3)),
    repeat_from=st.sampled_from((None, 2, 3)),
)


def all_of(candidates: list[Candidate], tier: Tier = Tier.STALE) -> list[Want]:
    return [Want(candidate=one, tier=tier, why="a test") for one in candidates]


def packed(night: Night) -> list[str]:
    return [want.candidate.id for job in night.jobs for want in job.wants if not want.alone and not want.certified]


def yards(policy: Policy) -> st.SearchStrategy[Yard]:
    """Two labels with machines of their own, or one whose machines the other may use too."""
    apart = st.builds(lambda a, b: a_yard(policy, a=a, b=b), st.integers(1, 4), st.integers(1, 4))
    inside = st.builds(
        lambda a, b: a_yard(policy, a=tuple(f"m{n}" for n in range(a + b)), b=tuple(f"m{n}" for n in range(b))),
        st.integers(0, 3),
        st.integers(1, 3),
    )
    return st.one_of(apart, inside)


@given(data=st.data())
@settings(max_examples=150)
def test_neither_the_window_nor_the_budget_is_ever_exceeded_and_nothing_is_lost(data: st.DataObject) -> None:
    policy = data.draw(POLICIES)
    candidates, yard = data.draw(matrices()), data.draw(yards(policy))
    wants = rota(candidates, data.draw(memories(candidates)), TODAY, policy, seed=3).wanted
    night = pack(wants, yard, policy)
    whole = policy.window_minutes * (1 - policy.retry_share)
    busy: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for job in night.jobs:
        assert len(set(job.machines)) == job.wants[0].candidate.machines
        assert set(job.machines) <= set(yard.labels[job.label])
        assert job.minutes == pytest.approx(minutes_of(job.wants, policy))
        for machine in job.machines:
            busy[machine].append((job.begins, job.begins + job.minutes))
    for spans in busy.values():
        ordered = sorted(spans)
        assert ordered[-1][1] <= whole + 1e-3
        assert all(earlier[1] <= later[0] + 1e-3 for earlier, later in pairwise(ordered))
    if policy.gpu_hours is not None:
        assert night.gpu_minutes <= policy.gpu_hours * 60 * (1 - policy.retry_share) + 1e-3
    placed = [want for job in night.jobs for want in job.wants]
    assert Counter(map(id, [*placed, *(want for want, _ in night.refused)])) == Counter(map(id, wants))


def minutes_of(wants: list[Want], policy: Policy = POLICY) -> float:
    """One start, every point once, each twin with a start of its own, certified runs with what they are longer.

    And the longest of enough points on a server once more: any of them may be the first.
    """
    one = wants[0].candidate
    total = one.start_minutes
    for want in wants:
        found = want.candidate
        total += (found.certified_minutes or 0.0) - found.minutes if want.certified else found.minutes
        total += found.start_minutes if want.alone else 0.0
    sharing = [want.candidate.minutes for want in wants if not want.alone and not want.certified]
    return total + (max(sharing) if policy.repeat_from is not None and len(sharing) >= policy.repeat_from else 0.0)


@given(data=st.data())
@settings(max_examples=50)
def test_sentinels_are_always_in_when_they_fit(data: st.DataObject) -> None:
    candidates = [replace(one, machines=1) for one in data.draw(matrices(labels=("a",)))]
    memory = {one.key: seen(data.draw(st.integers(1, 20))) for one in candidates}
    wants = rota(candidates, memory, TODAY, POLICY, seed=3).wanted
    sentinels = {want.candidate.id: want.candidate for want in wants if want.tier is Tier.SENTINEL}
    jobs = {one.job: one.start_minutes for one in sentinels.values()}
    needed = sum(jobs.values()) + sum(one.minutes for one in sentinels.values())
    share = (1 - POLICY.retry_share) * POLICY.sentinel_share
    policy = replace(POLICY, window_minutes=max(needed, 1.0) / share + 0.001)
    night = pack(wants, a_yard(policy, a=1), policy)
    assert set(sentinels) <= set(packed(night))


def test_on_a_label_too_short_for_its_sentinels_the_others_still_get_their_share() -> None:
    sentinels = [a_candidate(f"s{number}", minutes=90.0) for number in range(20)]
    stale = [a_candidate(f"p{number}", minutes=90.0) for number in range(20)]
    night = pack([*all_of(sentinels, Tier.SENTINEL), *all_of(stale)], a_yard(a=1), POLICY)
    found = Counter(name[0] for name in packed(night))
    assert found == {"s": 3, "p": 2}  # 570 minutes, of which sentinels may claim 399; jobs of 100


def test_a_claim_that_is_refused_changes_nothing() -> None:
    fitting, large = all_of(a_curve("k", 5)), all_of([a_candidate("large", minutes=900.0)])
    assert pack([*large, *fitting], a_yard(a=1), POLICY).jobs == pack(fitting, a_yard(a=1), POLICY).jobs


@pytest.mark.parametrize(
    ("one", "policy", "cut"),
    [
        (a_candidate("p", minutes=900.0), POLICY, Cut.TOO_LONG),
        (a_candidate("p", minutes=90.0), replace(POLICY, gpu_hours=10.0), Cut.BUDGET),
        (a_candidate("p", machines=3), POLICY, Cut.NO_MACHINES),
        (a_candidate("p", label="nowhere"), POLICY, Cut.NO_MACHINES),
    ],
)
def test_a_refusal_says_what_stopped_it(one: Candidate, policy: Policy, cut: Cut) -> None:
    ((want, found),) = pack(all_of([one]), a_yard(a=2), policy).refused
    assert (want.candidate.id, found) == ("p", cut)


def test_a_full_window_is_said_so_and_a_job_cut_for_time_keeps_its_first_points() -> None:
    curve = a_curve("k", 5, minutes=130.0)
    night = pack(all_of(curve), a_yard(a=1), POLICY)
    assert packed(night) == ["k.c1", "k.c2", "k.c3", "k.c4"]
    assert [(want.candidate.id, cut) for want, cut in night.refused] == [("k.c5", Cut.WINDOW)]


def test_a_twin_is_dropped_with_the_shared_point_it_is_compared_with() -> None:
    one = a_candidate("p", minutes=900.0)
    twin = Want(candidate=one, tier=Tier.PAIR, why="a test", alone=True)
    night = pack([*all_of([one]), twin], a_yard(a=1), POLICY)
    assert [cut for _, cut in night.refused] == [Cut.TOO_LONG, Cut.NO_TWIN]


def test_a_job_that_grows_moves_to_a_machine_where_all_of_it_fits() -> None:
    """110 + 410 minutes on one machine, 170 on the other: 250 more fit only beside the 170."""
    first, late = a_curve("k", 2, minutes=100.0)
    others = [a_candidate("short", minutes=160.0), a_candidate("long", minutes=400.0)]
    night = pack(all_of([first, *others, replace(late, minutes=250.0)]), a_yard(a=2), POLICY)
    assert night.refused == ()
    assert {job.minutes for job in night.jobs} == {360.0, 170.0, 410.0}


def test_jobs_that_watch_frontiers_begin_first_and_the_longest_of_them_before_the_others() -> None:
    stale = [a_candidate(f"p{number}", minutes=20.0 + number) for number in range(5)]
    watching = [a_candidate(f"s{number}", minutes=5.0 + number) for number in range(5)]
    night = pack([*all_of(stale), *all_of(watching, Tier.SENTINEL)], a_yard(a=1), POLICY)
    assert packed(night) == ["s4", "s3", "s2", "s1", "s0", "p4", "p3", "p2", "p1", "p0"]


def test_hosts_make_the_yard_and_the_shorter_window_of_a_shared_machine_counts() -> None:
    hosts = [
        Host(label="all", gpu="g", machines=2, runners=("m1", "m2")),
        Host(label="some", gpu="g", machines=1, runners=("m2",), window_h=4),
        Host(label="plain", gpu="g", machines=2),
    ]
    yard = yard_of(hosts, Policy(window_minutes=600))
    assert yard.labels == {"all": ("m1", "m2"), "some": ("m2",), "plain": ("plain/0", "plain/1")}
    assert yard.minutes == {"m1": 600, "m2": 240, "plain/0": 600, "plain/1": 600}
