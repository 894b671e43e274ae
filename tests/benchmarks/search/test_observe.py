from __future__ import annotations

import math

import pytest

from benchmarks.records import RequestError
from benchmarks.search.observe import observe
from matrix.slo import Slo
from tests.benchmarks.windows import request, window_of


def test_an_observation_is_the_steady_throughput_and_the_published_axes() -> None:
    """Two streams, 11 tokens out and 20 in every 0.2 s; the first round is slow and counts for the whole run only."""
    slow = [request(0, 0.0, ttft_s=0.9), request(1, 0.0, ttft_s=0.9)]
    rest = [request(2 + 2 * n + stream, 1.0 + 0.2 * n) for n in range(50) for stream in (0, 1)]
    seen = observe(window_of(*slow, *rest), size=2, minutes=0.5)
    assert (seen.size, seen.requests, seen.failed, seen.minutes) == (2, 102, 0, 0.5)
    assert seen.tok_per_s == pytest.approx(2 * 31 / 0.2)
    assert seen.log_se == pytest.approx(0, abs=1e-9)
    assert seen.x == pytest.approx(100)
    assert seen.y == pytest.approx(102 * 11 / 11.0)
    assert seen.over == {}


def test_requests_over_a_limit_are_counted_and_failed_ones_are_over_every_limit() -> None:
    records = [request(n, 0.2 * n, ttft_s=0.1 if n % 4 else 0.3) for n in range(16)]
    records.append(request(16, 4.0, error=RequestError.RESET))
    seen = observe(window_of(*records), 1, 0.1, Slo(ttft_s=0.2, tpot_s=0.5))
    assert seen.over == {"ttft": 5, "tpot": 1}
    assert seen.failed == 1


def test_a_window_that_brought_nothing_is_an_observation_too() -> None:
    seen = observe(window_of(*(request(n, 0.1 * n, error=RequestError.REFUSED) for n in range(8))), 4, 0.1)
    assert (seen.tok_per_s, seen.x, seen.y) == (0, 0, 0)
    assert math.isinf(seen.log_se)
    assert seen.failed == 8


def test_too_few_requests_leave_the_error_unknown() -> None:
    seen = observe(window_of(request(0, 0.0), request(1, 0.2), request(2, 0.4)), 1, 0.1)
    assert seen.tok_per_s > 0
    assert math.isinf(seen.log_se)
