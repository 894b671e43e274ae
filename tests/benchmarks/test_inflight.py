from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.inflight import mean_in_flight, most_in_flight
from tests.benchmarks.windows import S, request


def test_a_stream_that_begins_when_another_ends_is_no_second_one() -> None:
    records = [request(place, place * 0.2) for place in range(5)]
    assert most_in_flight(records) == 1
    assert mean_in_flight(records, 0, S) == pytest.approx(1)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0.01, 5)), max_size=20))
def test_both_agree_with_counting_by_the_millisecond(spans: list[tuple[float, float]]) -> None:
    records = [request(0, round(sent, 3), ttft_s=round(took, 3), tokens=1) for sent, took in spans]
    ticks = [sum(one.sent_ns <= t < one.end_ns for one in records) for t in range(0, 15 * S, S // 1000)]
    assert most_in_flight(records) == max(ticks)
    assert mean_in_flight(records, 0, 15 * S) == pytest.approx(sum(ticks) / len(ticks))
