"""Warm-up, open loops and interruption: what the client does besides keeping streams full."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from benchmarks.client import run_load
from benchmarks.prompts import random_prompts
from benchmarks.records import LoadOptions, RequestError, RequestRecord, StopRule, Target, Warmup, Window
from benchmarks.schedule import arrivals_ns
from matrix.point import Concurrency, Load, Rate
from tests.benchmarks.loads import WORKLOAD, errors, stop_after
from tests.fake_server.running import RunningServer, running

TOKENS = (10, 1000)


def warmup(requests: int, max_s: float = 30.0) -> Warmup:
    return Warmup(prompts=random_prompts(WORKLOAD, TOKENS, "warm-up"), requests=requests, max_s=max_s)


def run(target: Target, load: Load, stop: StopRule, options: LoadOptions) -> Window:
    return run_load(target, random_prompts(WORKLOAD, TOKENS, "measure"), load, stop, None, options)


def warm_and_measure(server: RunningServer, load: Load) -> Window:
    return run(server.target(), load, stop_after(12), LoadOptions(warmup=warmup(6), seed="s"))


def test_streams_pass_from_warm_up_to_measurement_without_draining() -> None:
    """Measured from the server: from the first request to the last, no stream ever waits for another."""
    with running(itl_ms=2) as server:
        window = warm_and_measure(server, Concurrency(streams=4))
        stamps = server.stamps()
    names = [one.request_id for one in sorted(stamps, key=lambda one: one.received_ns)]
    warm = [name for name in names if name.startswith("warmup-")]
    assert len(warm) == 6 + 3
    assert names[: len(warm)] == warm
    assert [int(name) for name in names[len(warm) :]] == [record.index for record in window.records]
    assert errors(window) == {None}
    assert window.warm_end_ns is not None
    first = min(record.sent_ns for record in window.records)
    assert window.start_ns <= first < window.warm_end_ns
    # Had the warm-up drained, none of its requests would outlive the first measured one. The server's own stamp of an
    # end may come later than the client's, so only who ended last is the same for both.
    ended = {one.request_id: one.ended_ns for one in stamps if one.request_id.startswith("warmup-")}
    beside = {f"warmup-{record.index}" for record in window.beside}
    assert max(ended, key=ended.__getitem__) in beside <= ended.keys()
    assert max(ended.values()) > first
    assert all(record.error is None and record.end_ns <= window.warm_end_ns for record in window.beside)
    assert all(record.chunks == record.output_tokens for record in window.beside)


@pytest.mark.parametrize("scenario", ["http_500", "stall"])
def test_a_failing_warm_up_ends_and_the_measurement_says_what_is_wrong(scenario: str) -> None:
    with running(scenario) as server:
        stop = stop_after(10**6, stall_s=0.4)
        window = run(server.target(), Concurrency(streams=2), stop, LoadOptions(warmup=warmup(10**6)))
    assert errors(window) <= {RequestError.HTTP_STATUS, RequestError.STALLED}
    assert window.records
    assert window.records[0].index == 0


def test_a_warm_up_has_a_longest_time() -> None:
    with running(itl_ms=1) as server:
        window = run(
            server.target(), Concurrency(streams=2), stop_after(2), LoadOptions(warmup=warmup(10**6, max_s=0.2))
        )
    assert errors(window) == {None}


@pytest.mark.parametrize("load", [Rate(requests_per_s=100.0), Rate(requests_per_s=100.0, arrival="constant")])
def test_requests_leave_at_their_scheduled_times_and_not_before(load: Rate) -> None:
    with running(ttft_ms=30) as server:
        window = run(server.target(), load, stop_after(40), LoadOptions(seed="s"))
    assert errors(window) == {None}
    assert len(window.records) >= 40
    scheduled = [record.scheduled_ns for record in window.records]
    assert all(time_ns is not None for time_ns in scheduled)
    begun = (scheduled[0] or 0) - next(arrivals_ns(load, "s"))
    assert [(one or 0) - begun for one in scheduled] == [
        offset for offset, _ in zip(arrivals_ns(load, "s"), scheduled, strict=False)
    ]
    lateness = [record.sent_ns - (record.scheduled_ns or 0) for record in window.records]
    assert min(lateness) >= 0
    assert len(window.health.schedule_lateness_ns) + window.health.held_requests == len(window.records)
    if not window.health.held_requests:
        assert all(one <= late for one, late in zip(window.health.schedule_lateness_ns, lateness, strict=True))


def test_a_rate_keeps_its_schedule_through_the_warm_up() -> None:
    with running() as server:
        window = warm_and_measure(server, Rate(requests_per_s=200.0, arrival="constant"))
    gaps = {later - earlier for earlier, later in pairwise([one.scheduled_ns or 0 for one in window.records])}
    assert gaps == {5_000_000}
    assert all((record.scheduled_ns or 0) <= record.sent_ns for record in window.records)


def test_requests_beyond_the_streams_wait_and_are_counted() -> None:
    """A hundred a second, one at a time, 50 ms each: almost every request is due while the stream is busy."""
    with running(ttft_ms=50) as server:
        load = Rate(requests_per_s=100.0, arrival="constant", streams=1)
        window = run(server.target(), load, stop_after(8), LoadOptions())
    assert errors(window) == {None}
    assert window.health.held_requests >= len(window.records) - 2
    waits = [record.sent_ns - (record.scheduled_ns or 0) for record in window.records]
    assert waits[-1] > 100_000_000
    assert all(later >= earlier for earlier, later in pairwise(waits))


def test_failures_do_not_slow_an_open_loop_down() -> None:
    with running("http_500") as server:
        load = Rate(requests_per_s=100.0, arrival="constant", streams=8)
        window = run(server.target(), load, stop_after(20), LoadOptions())
    assert errors(window) == {RequestError.HTTP_STATUS}
    assert {later.scheduled_ns - earlier.scheduled_ns for earlier, later in pairwise(window.records)  # type: ignore[operator]
    } == {10_000_000}  # fmt: skip


def test_every_record_is_told_once() -> None:
    told: list[RequestRecord] = []
    with running() as server:
        window = run(server.target(), Concurrency(streams=2), stop_after(6), LoadOptions(on_record=told.append))
    assert sorted(told, key=lambda record: record.index) == list(window.records)


@pytest.mark.parametrize("during_warm_up", [False, True])
def test_an_interrupted_load_keeps_what_it_has(during_warm_up: bool) -> None:
    """Streams of 20 s each are cut; the short ones before them stay."""
    seen = threading.Event()
    options = LoadOptions(
        on_record=lambda record: seen.set() if record.index == 1 else None,
        stop_now=seen.is_set if not during_warm_up else lambda: True,
        warmup=warmup(10**6) if during_warm_up else None,
    )
    with running(ttft_ms=20, itl_ms=10) as server:
        window = run(server.target(), Concurrency(streams=3), stop_after(10**6), options)
    assert errors(window) <= {None}
    if during_warm_up:
        assert window.records == ()
        assert window.abandoned == 0
    else:
        assert len(window.records) >= 2
        assert window.abandoned == 3
