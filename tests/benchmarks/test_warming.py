from __future__ import annotations

from benchmarks.warming import warmup_requests
from matrix.point import Concurrency, Rate


def test_a_warm_up_is_a_round_of_the_streams_or_a_second_of_the_rate() -> None:
    assert warmup_requests(Concurrency(streams=8), 2) == 16
    assert warmup_requests(Rate(requests_per_s=2.6, streams=256), 2) == 6
    assert warmup_requests(Rate(requests_per_s=0.1), 1) == 1
    assert warmup_requests(Concurrency(streams=8), 0) == 0
