from __future__ import annotations

import pytest

from benchmarks.bench.tally import Tally
from benchmarks.records import RequestError
from tests.benchmarks.windows import request


def test_nothing_yet_is_nothing() -> None:
    tally = Tally()
    assert tally.rates() == (0, 0)
    assert tally.ttft_s() is None


def test_rates_are_of_the_last_seconds() -> None:
    """Ten requests a second of 11 tokens for half a minute, then two a second."""
    tally = Tally()
    for place in range(300):
        tally.add(request(place, 0.1 * place))
    assert tally.rates() == pytest.approx((10, 110), rel=0.02)
    for place in range(40):
        tally.add(request(place, 30 + 0.5 * place))
    assert tally.rates()[0] == pytest.approx(2, rel=0.06)
    assert tally.ok == 340


def test_failures_are_counted_by_kind_and_are_in_no_latency() -> None:
    tally = Tally()
    tally.add(request(0, 0.0, ttft_s=0.3))
    tally.add(request(1, 0.0, error=RequestError.RESET))
    tally.add(request(2, 0.0, error=RequestError.RESET))
    assert tally.errors == {"reset": 2}
    assert tally.ttft_s() == pytest.approx((0.3, 0.3))
    assert tally.tpot_s() == pytest.approx((0.01, 0.01))
