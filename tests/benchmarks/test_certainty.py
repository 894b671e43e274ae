from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.certainty import (
    binomial_cdf,
    certified,
    certified_rank,
    floor_of,
    is_certified_beyond,
    is_certified_within,
    wilson,
)


@pytest.mark.parametrize(("percentile", "floor"), [(0.5, 11), (0.9, 64), (0.95, 130), (0.99, 662), (0.999, 6636)])
def test_the_floors_of_early_stopping_are_mlperfs(percentile: float, floor: int) -> None:
    assert floor_of(percentile) == floor
    assert certified_rank(floor - 1, percentile) is None
    assert certified_rank(floor, percentile) == 1


def test_the_rank_for_ten_thousand_is_the_published_one() -> None:
    assert certified_rank(10_000, 0.99) == 77


@given(st.integers(0, 60), st.integers(1, 60), st.integers(1, 99))
def test_binomial_tails_are_exact(successes: int, trials: int, percent: int) -> None:
    share = Fraction(percent, 100)
    terms = (math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(min(successes, trials) + 1))
    assert binomial_cdf(successes, trials, percent / 100) == pytest.approx(float(sum(terms)), rel=1e-9)


def test_tails_hold_for_many_trials() -> None:
    assert binomial_cdf(500_000, 1_000_000, 0.5) == pytest.approx(0.5, abs=1e-3)
    assert certified_rank(1_000_000, 0.99) == 9768


@given(st.integers(1, 5000), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_a_rank_is_the_largest_that_is_sure(count: int, percentile: float) -> None:
    rank = certified_rank(count, percentile)
    if rank is not None:
        assert binomial_cdf(rank, count, 1 - percentile) < 0.01 <= binomial_cdf(rank + 1, count, 1 - percentile)
        assert rank <= math.ceil(count * (1 - percentile))


def test_a_certified_bound_is_above_the_true_percentile_99_times_in_100() -> None:
    rng = random.Random(1)
    true_p99 = -math.log(0.01)
    held = 0
    for _ in range(300):
        bound = certified([rng.expovariate(1) for _ in range(700)], 0.99)
        assert bound is not None
        held += bound >= true_p99
    assert held >= 294


def test_too_few_values_certify_nothing() -> None:
    assert certified([1.0] * 661, 0.99) is None
    assert certified([1.0] * 661 + [2.0], 0.99) == 2.0
    assert certified([], 0.5) is None


@given(st.integers(1, 3000), st.data())
def test_a_percentile_is_never_both_within_and_beyond_a_limit(count: int, data: st.DataObject) -> None:
    over = data.draw(st.integers(0, count))
    assert not (is_certified_within(over, count, 0.9) and is_certified_beyond(over, count, 0.9))
    assert is_certified_within(0, count, 0.9) == (count >= 64)


def test_beyond_needs_more_than_bad_luck() -> None:
    assert not is_certified_beyond(10, 662, 0.99)
    assert is_certified_beyond(20, 662, 0.99)
    assert not is_certified_beyond(1, 1, 0.5)
    assert not is_certified_beyond(0, 0, 0.5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilsons_bounds_hold_the_share(successes: int, failures: int) -> None:
    trials = successes + failures
    bounds = wilson(successes, trials)
    assert 0 <= bounds.low <= bounds.high <= 1
    if trials:
        assert bounds.low - 1e-12 <= successes / trials <= bounds.high + 1e-12


def test_wilsons_bounds_are_the_textbooks() -> None:
    """Two-sided 95 % for 10 of 100: 0.0552 to 0.1744 (Newcombe 1998's method 3)."""
    assert wilson(10, 100, 1.96) == pytest.approx((0.0552, 0.1744), abs=1e-4)
