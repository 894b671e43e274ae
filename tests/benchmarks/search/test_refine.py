from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.search.decide import decide
from benchmarks.search.refine import levels_of
from benchmarks.search.steps import Measure, Observation
from matrix.finding import Finding, Stop
from matrix.parent import Search
from matrix.search import Bounds, Refine
from tests.benchmarks.real_curves import real_curves, refined
from tests.benchmarks.virtual_server import BASE, VirtualServer, searched


def test_real_frontiers_are_known_to_two_per_cent_with_fewer_points_than_doubling_takes() -> None:
    curves = real_curves()
    assert len(curves) == 16
    found = [refined(curve) for curve in curves]
    errors = [curve.error(seen) for curve, (_, seen) in zip(curves, found, strict=True)]
    doubling = [len(curve.log_size) for curve in curves]
    points = [len(seen) for _, seen in found]
    assert {finding.stop for finding, _ in found} == {Stop.GAP}
    assert sum(errors) / len(errors) <= 0.02
    assert sum(points) < 0.9 * sum(doubling)


def test_the_gap_it_reports_is_about_the_error_it_has() -> None:
    """On average; one curve's kink can hide between its points. The certified gap holds for every curve."""
    curves = real_curves()
    found = [refined(curve) for curve in curves]
    errors = [curve.error(seen) for curve, (_, seen) in zip(curves, found, strict=True)]
    gaps = [finding.gap or 0.0 for finding, _ in found]
    assert sum(errors) <= 2 * sum(gaps)
    assert all(error <= 2 * (finding.certified_gap or 0) for error, (finding, _) in zip(errors, found, strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_noise_costs_replicates_and_budget_but_never_a_loop_without_end(seed: int) -> None:
    for curve in real_curves()[::5]:
        finding, seen = refined(curve, noise=0.01, seed=seed)
        assert finding.stop in {Stop.GAP, Stop.RESOLVED, Stop.BUDGET}
        assert curve.error(seen) < 0.08


def observation(size: float, x: float, y: float, log_se: float = 0.0, failed: int = 0) -> Observation:
    return Observation(
        size=size, requests=100, failed=failed, minutes=1.0, tok_per_s=y, log_se=log_se, x=x, x_log_se=log_se, y=y
    )


def search(**bounds: float) -> Search:
    return Search(base=BASE, method=Refine(), bounds=Bounds(**bounds))  # type: ignore[arg-type]


def test_it_climbs_until_throughput_no_longer_grows() -> None:
    seen = [observation(1, 100, 100), observation(4, 90, 350), observation(16, 60, 900)]
    assert decide(search(last_load=1024), seen) == Measure(size=64)
    above = decide(search(last_load=1024), [*seen, observation(64, 10, 850)])
    assert isinstance(above, Measure)
    assert above.size < 64
    refused = decide(search(last_load=1024), [*seen, observation(64, 10, 950, failed=50)])
    assert isinstance(refused, Measure)
    assert refused.size < 16


def test_it_splits_the_largest_rectangle_in_the_middle_of_its_loads() -> None:
    seen = [observation(1, 100, 100), observation(4, 98, 390), observation(16, 50, 800), observation(64, 45, 830)]
    assert decide(search(last_load=64), seen) == Measure(size=8)


def test_neighbours_that_cannot_be_told_apart_are_measured_again_up_to_a_limit() -> None:
    seen = [observation(1, 100, 100, 0.05), observation(4, 99, 101, 0.05)]
    for replicate in (2, 2, 3, 3):
        said = decide(search(last_load=4), seen)
        assert isinstance(said, Measure)
        assert said.replicate == replicate
        seen.append(observation(said.size, 100, 100.5, 0.05))
    said = decide(search(last_load=4), seen)
    assert not isinstance(said, Measure) or said.replicate == 1


def test_streams_are_whole_and_neighbours_end_the_search() -> None:
    seen = [observation(size, 100 / size**3, 100 * size) for size in (1.0, 2.0, 3.0)]
    said = decide(search(last_load=3), seen)
    assert isinstance(said, Finding)
    assert said.stop in {Stop.RESOLVED, Stop.GAP}


def test_a_server_that_gives_nothing_is_a_finding_too() -> None:
    said = decide(search(last_load=64), [observation(1, 0, 0, failed=100)])
    assert isinstance(said, Finding)
    assert (said.stop, said.size, said.gap) == (Stop.RESOLVED, None, None)


def test_a_virtual_server_is_refined_through_the_whole_path() -> None:
    method = Search(base=BASE, method=Refine(max_gap=0.05), bounds=Bounds(last_load=64, max_minutes=1e6))
    found, seen = searched(method, VirtualServer(knee=16, fall=2.0, noise=0.1), seed=3)
    assert found.stop in {Stop.GAP, Stop.RESOLVED, Stop.BUDGET}
    levels = levels_of(seen)
    assert all(one.log_x > other.log_x for one, other in pairwise(levels))
    assert found.size is not None
    assert 8 <= found.size <= 32
