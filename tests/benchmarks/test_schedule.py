from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.schedule import SECOND_NS, SPIN_NS, Pacer, arrivals_ns
from matrix.point import Rate

rates = st.builds(
    Rate,
    requests_per_s=st.floats(0.01, 10_000),
    arrival=st.sampled_from(["poisson", "constant"]),
) | st.builds(
    Rate,
    requests_per_s=st.floats(0.01, 10_000),
    arrival=st.just("gamma"),
    burstiness=st.floats(0.1, 8).filter(lambda shape: shape != 1),
)


def first(load: Rate, number: int, seed: str = "s") -> list[int]:
    return list(islice(arrivals_ns(load, seed), number))


@given(rates, st.text(max_size=8))
def test_a_schedule_ascends_and_depends_on_its_seed_alone(load: Rate, seed: str) -> None:
    offsets = first(load, 5000, seed)
    assert offsets == first(load, 5000, seed)
    assert offsets[0] >= 0
    assert all(later >= earlier for earlier, later in pairwise(offsets))
    assert load.arrival == "constant" or offsets != first(load, 5000, seed + "x")


@pytest.mark.parametrize(
    ("load", "spread"),
    [
        (Rate(requests_per_s=200.0), 1.0),
        (Rate(requests_per_s=200.0, arrival="gamma", burstiness=0.25), 2.0),
        (Rate(requests_per_s=200.0, arrival="gamma", burstiness=16.0), 0.25),
    ],
)
def test_gaps_have_the_mean_and_the_spread_that_were_asked_for(load: Rate, spread: float) -> None:
    gaps = np.diff(first(load, 20_000))
    assert gaps.mean() == pytest.approx(SECOND_NS / 200, rel=0.06)
    assert gaps.std() / gaps.mean() == pytest.approx(spread, rel=0.06)


def test_poisson_gaps_are_exponential() -> None:
    """P(gap > k means) = exp(-k)."""
    gaps = np.diff(first(Rate(requests_per_s=50.0), 20_000)) * 50 / SECOND_NS
    for means in (0.1, 0.5, 1, 2, 4):
        assert (gaps > means).mean() == pytest.approx(np.exp(-means), abs=0.012)


def test_a_constant_rate_does_not_drift() -> None:
    offsets = first(Rate(requests_per_s=3.0, arrival="constant"), 3001)
    assert offsets[0] == 0
    assert offsets[3000] == 1000 * SECOND_NS


def test_the_wait_ends_early_enough_to_be_on_time() -> None:
    pacer = Pacer(iter([10 * SPIN_NS, 11 * SPIN_NS, 12 * SPIN_NS]), start_ns=1000)
    assert pacer.wait_s(1000) == pytest.approx(9 * SPIN_NS / SECOND_NS)
    assert pacer.wait_s(1000 + 10 * SPIN_NS) == 0
    assert pacer.left_ns(1000) == 10 * SPIN_NS


def test_a_request_that_waits_for_a_stream_is_held_not_late() -> None:
    pacer = Pacer(iter([100, 200, 300, 400]), start_ns=0)
    assert pacer.take(107) == 100
    pacer.hold()
    assert pacer.take(900) == 200
    assert pacer.take(905) == 300
    assert (pacer.lateness_ns, pacer.held) == ([7, 605], 1)
    pacer.forget()
    assert (pacer.lateness_ns, pacer.held) == ([], 0)
