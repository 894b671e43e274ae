from __future__ import annotations

from array import array
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.merging import merge
from benchmarks.records import ClientHealth, RequestRecord, Window


def health(delays: tuple[int, ...] = (), **changes: object) -> ClientHealth:
    fields = {
        "kernel_stamps": True,
        "stamp_delay_ns": array("q", delays),
        "cpu_s": 1.0,
        "reads": len(delays),
        "reads_with_several_events": 2,
        "wall_clock_drift_s": 0.0,
    }
    return ClientHealth(**(fields | changes))  # type: ignore[arg-type]


def record(index: int) -> RequestRecord:
    return RequestRecord(index=index, asked_input_tokens=1, asked_output_tokens=1, sent_ns=index, end_ns=index + 5)


def window(indices: list[int], start_ns: int, told: ClientHealth | None = None, **changes: Any) -> Window:
    records = tuple(record(index) for index in indices)
    return Window(
        start_ns=start_ns, end_ns=max(indices, default=0) + 5, records=records, health=told or health(), **changes
    )


@given(indices=st.sets(st.integers(0, 100)), workers=st.integers(1, 5))
def test_no_record_is_lost_and_their_order_is_one_processs(indices: set[int], workers: int) -> None:
    parts = [window([i for i in sorted(indices) if i % workers == number], number) for number in range(workers)]
    merged = merge(parts)
    assert [one.index for one in merged.records] == sorted(indices)
    assert merged.start_ns == 0
    assert merged.end_ns == max((i + 5 for i in indices), default=5)
    assert merged.health.workers == workers


def test_a_load_is_as_healthy_as_its_worst_worker() -> None:
    one = health((1, 2), cpu_s=3.0, wall_clock_drift_s=0.5, held_requests=1, schedule_lateness_ns=(7,))
    two = health((3,), cpu_s=9.0, wall_clock_drift_s=-2.0, kernel_stamps=False, schedule_lateness_ns=(8, 9))
    merged = merge([window([0], 0, one, warm_end_ns=4, abandoned=1), window([1], 0, two, abandoned=2)])
    assert merged.health.cpu_s == 9.0
    assert merged.health.wall_clock_drift_s == -2.0
    assert not merged.health.kernel_stamps
    assert (merged.health.reads, merged.health.reads_with_several_events, merged.health.held_requests) == (3, 4, 1)
    assert sorted(merged.health.stamp_delay_ns) == [1, 2, 3]
    assert sorted(merged.health.schedule_lateness_ns) == [7, 8, 9]
    assert (merged.warm_end_ns, merged.abandoned) == (4, 3)


def test_a_worker_that_thinned_its_delays_more_does_not_count_for_less() -> None:
    """One kept every delay of 800, the other every fourth of 3,200: 1 in 5 of what is merged is the first's."""
    kept = health((0,) * 800, reads=800)
    thinned = health((1,) * 800, reads=3200)
    merged = merge([window([0], 0, kept), window([1], 0, thinned)]).health.stamp_delay_ns
    assert (len(merged), sum(merged)) == (1000, 800)
