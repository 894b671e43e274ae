from __future__ import annotations

import pytest

from benchmarks.truth import Latencies, Told, compare

MS = 1_000_000


def test_a_client_that_tells_the_truth_has_no_error() -> None:
    told = {n: Told(0, [10 * MS, 30 * MS, 50 * MS]) for n in range(3)}
    found = compare(told, told)
    assert found is not None
    errors = (*found.stamp_error_us, *found.ttft_error_ms, *found.icl_error_share, *found.tpot_error_share)
    assert errors == pytest.approx((0,) * 9)
    assert found.true == Latencies(ttft=(10, 10), icl=(20, 20), tpot=(20, 20), e2e=(50, 50))
    assert found.lost == 0


def test_a_late_client_is_told_how_late() -> None:
    """Everything 2 ms late but the start: TTFT and E2E are 2 ms longer, the gaps are right."""
    found = compare({1: Told(0, [10 * MS, 30 * MS])}, {1: Told(0, [12 * MS, 32 * MS])})
    assert found is not None
    assert found.stamp_error_us == pytest.approx((2000, 2000, 2000))
    assert found.ttft_error_ms == pytest.approx((2, 2))
    assert not any(found.icl_error_share)
    assert found.reported.e2e == pytest.approx((32, 32))


def test_what_only_one_side_saw_is_lost_not_compared() -> None:
    served = {1: Told(0, [MS]), 2: Told(0, [MS, 2 * MS]), 3: Told(0, [MS])}
    found = compare(served, {1: Told(0, [MS]), 2: Told(0, [MS]), 4: Told(0, [MS])})
    assert found is not None
    assert found.lost == 3
    assert compare(served, {}) is None
