from __future__ import annotations

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.prompts import point_seed, random_prompts, shortest
from matrix.workload import RandomWorkload

WORKLOAD = RandomWorkload(name="test", isl=100, osl=40, ratio=0.55)


@given(seed=st.integers(), ratio=st.sampled_from([0.1, 0.55, 0.8, 1.0]))
def test_lengths_and_ids_stay_in_their_ranges(seed: int, ratio: float) -> None:
    workload = RandomWorkload(name="test", isl=100, osl=40, ratio=ratio)
    for prompt in islice(random_prompts(workload, (50, 60), seed), 5):
        assert round(100 * ratio) <= len(prompt.token_ids) <= 100
        assert round(40 * ratio) <= prompt.output_tokens <= 40
        assert set(prompt.token_ids) <= set(range(50, 60))


def test_both_ends_of_the_length_range_are_drawn() -> None:
    workload = RandomWorkload(name="test", isl=4, osl=4, ratio=0.5)
    prompts = list(islice(random_prompts(workload, (0, 9), "ends"), 200))
    assert {len(prompt.token_ids) for prompt in prompts} == {2, 3, 4}
    assert {prompt.output_tokens for prompt in prompts} == {2, 3, 4}


def test_the_same_seed_gives_the_same_prompts_however_many_are_drawn() -> None:
    few = list(islice(random_prompts(WORKLOAD, (0, 1000), "a"), 3))
    many = list(islice(random_prompts(WORKLOAD, (0, 1000), "a"), 30))
    assert many[:3] == few
    assert len(set(many)) == 30


def test_a_prompt_is_not_a_run_of_consecutive_ids() -> None:
    ids = next(random_prompts(WORKLOAD, (0, 32_000), 1)).token_ids
    steps = [after - before for before, after in pairwise(ids)]
    assert steps.count(1) < 5


def test_seeds_differ_by_night_point_and_purpose() -> None:
    seeds = {point_seed(night, key, "measure") for night in (1, 2) for key in ("a", "b")}
    seeds |= {point_seed(night, key, "warmup") for night in (1, 2) for key in ("a", "b")}
    assert len(seeds) == 8


def test_warm_up_prompts_share_no_prefix_with_measured_ones() -> None:
    prefixes = [
        prompt.token_ids[:4]
        for purpose in ("measure", "warmup")
        for prompt in islice(random_prompts(WORKLOAD, (0, 32_000), point_seed(7, "k", purpose)), 200)
    ]
    assert len(set(prefixes)) == 400


@pytest.mark.parametrize(("length", "ratio", "expected"), [(100, 0.55, 55), (1024, 0.8, 820), (7, 1.0, 7), (1, 0.1, 1)])
def test_the_shortest_length_is_the_decimal_one(length: int, ratio: float, expected: int) -> None:
    assert shortest(length, ratio) == expected
