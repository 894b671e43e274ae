from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.search.decide import decide
from benchmarks.search.steps import Measure, Observation
from matrix.finding import Finding, Stop
from matrix.parent import Search
from matrix.point import Point, Rate
from matrix.search import Bounds, Ramp
from matrix.serving import Layout
from tests.benchmarks.virtual_server import BASE, VirtualServer, searched

RAMP = Search(base=BASE, method=Ramp(), bounds=Bounds(last_load=512, max_minutes=1e6))
RUNS = 200


def server_of(seed: int) -> VirtualServer:
    """A knee anywhere between 4 and 100 streams, sharp or dull, noisy or quiet."""
    rng = np.random.default_rng(10_000 + seed)
    return VirtualServer(
        knee=math.exp(rng.uniform(math.log(4), math.log(100))),
        slowing=rng.uniform(0.1, 0.6),
        fall=rng.uniform(1.15, 2.0),
        noise=rng.uniform(0.05, 0.4),
    )


def test_the_ramp_finds_a_known_knee_within_one_step() -> None:
    """At least 95 % of 200 servers; it always stops by itself, by the fall and not by a bound."""
    hits, stops = 0, 0
    for seed in range(RUNS):
        server = server_of(seed)
        found, _ = searched(RAMP, server, seed)
        assert found.size is not None
        hits += abs(math.log2(found.size / server.knee)) <= 1
        stops += found.stop is Stop.THROUGHPUT_FELL
    assert hits >= 0.95 * RUNS
    assert stops >= 0.95 * RUNS


def test_a_plateau_is_no_fall_and_its_beginning_is_the_knee() -> None:
    hits = 0
    for seed in range(20):
        server = VirtualServer(knee=20, fall=1.0)
        found, _ = searched(RAMP, server, seed)
        hits += (found.stop, found.break_size) == (Stop.BOUND, None) and found.size in (16, 32)
    assert hits >= 18


def test_errors_break_it_at_the_first_level_that_surely_has_too_many() -> None:
    found, seen = searched(RAMP, VirtualServer(knee=1000, refuses_above=20), seed=1)
    assert (found.stop, found.break_size) == (Stop.ERRORS, 32)
    assert "requests failed at 32" in found.detail
    assert seen[-1].failed > 0
    assert found.size in (16, 32)


def observation(size: float, tok_per_s: float, failed: int = 0, requests: int = 100) -> Observation:
    log_se = 0.005
    return Observation(
        size=size,
        requests=requests,
        failed=failed,
        minutes=1.0,
        tok_per_s=tok_per_s,
        log_se=log_se,
        x=1.0,
        x_log_se=log_se,
        y=tok_per_s,
    )


@pytest.mark.parametrize(
    ("levels", "stop"),
    [
        ([100, 200, 150], None),
        ([100, 200, 150, 190], Stop.THROUGHPUT_FELL),
        ([100, 200, 150, 201], None),
        ([100, 200, 199, 198], None),
        ([200, 150, 140], Stop.THROUGHPUT_FELL),
        ([0, 0, 0], None),
    ],
)
def test_a_fall_must_be_significant_on_two_successive_levels(levels: list[float], stop: Stop | None) -> None:
    seen = [observation(2.0**place, tok_per_s) for place, tok_per_s in enumerate(levels)]
    said = decide(RAMP, seen)
    assert (said.stop if isinstance(said, Finding) else None) == stop


def test_too_few_requests_prove_no_errors() -> None:
    assert isinstance(decide(RAMP, [observation(1, 10), observation(2, 9, failed=1, requests=5)]), Measure)
    said = decide(RAMP, [observation(1, 10), observation(2, 9, failed=20)])
    assert isinstance(said, Finding)
    assert said.stop is Stop.ERRORS


def test_it_stays_within_its_bounds() -> None:
    bounds = Bounds(first_load=3, last_load=20, max_measurements=50)
    search = Search(base=BASE, method=Ramp(factor=1.5), bounds=bounds)
    seen: list[Observation] = []
    while isinstance(said := decide(search, seen), Measure):
        seen.append(observation(said.size, 10 * said.size))
    assert [one.size for one in seen] == [3, 4, 6, 9, 14, 20]
    assert said.stop is Stop.BOUND
    short = Search(base=BASE, method=Ramp(), bounds=Bounds(last_load=1e6, max_measurements=3))
    ended = decide(short, [observation(2.0**place, 2.0**place) for place in range(3)])
    assert isinstance(ended, Finding)
    assert (ended.stop, ended.measurements, ended.minutes) == (Stop.BUDGET, 3, 3.0)


def test_rates_are_not_rounded() -> None:
    base = Point(
        recipe="r",
        layout_name="tp1",
        layout=Layout(),
        workload_id="w",
        workload=BASE.workload,
        load=Rate(requests_per_s=1.0),
    )
    search = Search(base=base, method=Ramp(factor=1.5), bounds=Bounds(first_load=0.5, last_load=100))
    said = decide(search, [observation(0.5, 1), observation(0.75, 2)])
    assert said == Measure(size=1.125)
