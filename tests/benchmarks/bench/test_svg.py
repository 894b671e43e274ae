from __future__ import annotations

import numpy as np
import pytest

from benchmarks.bench.svg import output_rates
from benchmarks.records import RequestError
from tests.benchmarks.windows import request, window_of


def test_every_token_of_a_good_request_is_in_the_throughput_once() -> None:
    window = window_of(
        *(request(place, 0.2 * place) for place in range(20)), request(20, 1.0, error=RequestError.RESET)
    )
    seconds = (window.end_ns - window.start_ns) / 1e9
    edges, rates = output_rates(window, seconds)
    assert float((rates * np.diff(edges)).sum()) == pytest.approx(20 * 11)
    assert len(rates) == 120
