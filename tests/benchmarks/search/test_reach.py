from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.certainty import floor_of
from benchmarks.search.decide import decide
from benchmarks.search.steps import Measure, Observation
from matrix.finding import Finding, Stop
from matrix.parent import Search
from matrix.point import Point, Rate
from matrix.search import Bounds, Reach
from matrix.serving import Layout
from matrix.slo import Slo
from tests.benchmarks.virtual_server import BASE, VirtualServer, searched

RATES = Point(
    recipe="r",
    layout_name="tp1",
    layout=Layout(),
    workload_id="w",
    workload=BASE.workload,
    load=Rate(requests_per_s=1.0),
)
P99 = Reach(slo=Slo(tpot_s=0.02), tolerance=0.1)
WIDE = Bounds(max_measurements=60, max_minutes=1e6)


def observation(size: float, requests: int, over: int) -> Observation:
    return Observation(
        size=size,
        requests=requests,
        failed=0,
        minutes=1.0,
        tok_per_s=1.0,
        log_se=0.0,
        x=1.0,
        x_log_se=0.0,
        y=1.0,
        over={"tpot": over},
    )


@given(limit=st.floats(0.3, 2000), tolerance=st.sampled_from([0.02, 0.05, 0.2]))
@settings(max_examples=200)
def test_a_sharp_limit_is_found_to_the_tolerance(limit: float, tolerance: float) -> None:
    search = Search(base=RATES, method=Reach(slo=Slo(tpot_s=1.0), tolerance=tolerance), bounds=WIDE)
    seen: list[Observation] = []
    while isinstance(said := decide(search, seen), Measure):
        over = said.min_requests if said.size > limit else 0
        seen.append(observation(said.size, said.min_requests, over))
    if limit < 1:
        assert (said.stop, said.size) == (Stop.NOTHING_KEEPS_IT, None)
    elif limit >= 1024:
        assert (said.stop, said.size, said.break_size) == (Stop.BOUND, 1024, None)
    else:
        assert said.stop is Stop.EDGE
        assert said.size is not None
        assert said.break_size is not None
        assert said.size <= limit < said.break_size
        assert said.break_size / said.size <= 1 + tolerance


def test_every_load_gets_enough_requests_to_certify_its_percentile() -> None:
    said = decide(Search(base=BASE, method=P99), [])
    assert said == Measure(size=1.0, min_requests=floor_of(0.99))
    assert floor_of(0.99) == 662


def test_a_load_that_is_not_clear_gets_more_requests_and_then_counts_as_broken() -> None:
    """7 of 662 over the limit proves neither: at 1 % one expects that many."""
    search = Search(base=BASE, method=Reach(slo=Slo(tpot_s=0.02), max_requests_per_level=2000), bounds=WIDE)
    seen = [observation(1, 662, 0), observation(2, 662, 7)]
    assert decide(search, seen) == Measure(size=2, replicate=2, min_requests=662)
    seen.append(observation(2, 662, 7))
    assert decide(search, seen) == Measure(size=2, replicate=3, min_requests=676)
    seen.append(observation(2, 676, 7))
    said = decide(search, seen)
    assert isinstance(said, Finding)
    assert (said.stop, said.size, said.break_size) == (Stop.EDGE, 1, 2)
    assert "not certified either way at 2" in said.detail


def test_requests_of_a_load_count_together() -> None:
    search = Search(base=BASE, method=P99, bounds=WIDE)
    seen = [observation(1, 662, 3), observation(1, 2000, 3)]
    assert decide(search, seen) == Measure(size=2, min_requests=662)


def test_a_broken_load_is_not_forgiven_by_a_kept_one_above_it() -> None:
    search = Search(base=BASE, method=P99, bounds=WIDE)
    seen = [observation(1, 662, 0), observation(8, 662, 0), observation(4, 662, 600), observation(2, 662, 0)]
    said = decide(search, seen)
    assert said == Measure(size=3, min_requests=662)


def test_no_requests_at_all_keep_nothing() -> None:
    said = decide(Search(base=BASE, method=P99), [observation(1, 0, 0)])
    assert isinstance(said, Finding)
    assert (said.stop, said.size) == (Stop.NOTHING_KEEPS_IT, None)


@pytest.mark.parametrize("seed", range(3))
def test_the_throughput_at_an_slo_is_found_on_a_noisy_server(seed: int) -> None:
    """Half of all requests within 15 ms a token: by this server's mean time that is up to 44 streams."""
    server = VirtualServer(knee=40, slowing=0.3, fall=1.5, noise=0.1, run_to_run=0.0)
    slo = Slo(tpot_s=0.015, percentile=0.5)
    search = Search(base=BASE, method=Reach(slo=slo, tolerance=0.05), bounds=WIDE)
    found, seen = searched(search, server, seed, requests=400)
    assert found.stop is Stop.EDGE
    assert found.size is not None
    assert found.size == pytest.approx(44, rel=0.15)
    assert len(seen) < 30
