from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.counting import counted_load
from benchmarks.metrics import achieved_concurrency, client_budget, stats, summarize
from benchmarks.records import ClientHealth, RequestError, RequestRecord, Window
from matrix.point import Concurrency, Rate
from matrix.slo import Slo
from tests.benchmarks.windows import request, window_of

HEALTH = ClientHealth(
    kernel_stamps=True, stamp_delay_ns=(), cpu_s=0.0, reads=0, reads_with_several_events=0, wall_clock_drift_s=0.0
)


def record(index: int, sent_ns: int, chunk_ns: tuple[int, ...], tokens: int | None, ok: bool = True) -> RequestRecord:
    return RequestRecord(
        index=index,
        asked_input_tokens=10,
        asked_output_tokens=tokens or 0,
        sent_ns=sent_ns,
        end_ns=chunk_ns[-1] if chunk_ns else sent_ns,
        first_ns=chunk_ns[0] if chunk_ns else None,
        last_ns=chunk_ns[-1] if chunk_ns else None,
        input_tokens=10,
        output_tokens=tokens,
        chunks=len(chunk_ns),
        chunk_ns=chunk_ns,
        error=None if ok else RequestError.RESET,
    )


def window(*records: RequestRecord, health: ClientHealth = HEALTH) -> Window:
    end_ns = max((one.end_ns for one in records), default=0)
    return Window(start_ns=0, end_ns=end_ns, records=records, health=health)


def test_one_request_by_hand() -> None:
    """Sent at 1 s; chunks at 2, 3 and 5 s carrying 5 tokens; the window is 5 s long, on 2 devices."""
    s = 10**9
    metrics = summarize(window(record(0, s, (2 * s, 3 * s, 5 * s), 5)), devices=2)
    assert metrics is not None
    assert metrics.ttft_s.p50 == pytest.approx(1)
    assert metrics.e2e_s.p50 == pytest.approx(4)
    assert metrics.tpot_s.p50 == pytest.approx(3 / 4)
    assert (metrics.icl_s.p50, metrics.icl_s.max, metrics.icl_s.n) == pytest.approx((1.5, 2, 2))
    assert metrics.interactivity_tok_per_s == pytest.approx(4 / 3)
    assert metrics.output_tok_per_s == pytest.approx(1)
    assert metrics.input_tok_per_s == pytest.approx(2)
    assert metrics.total_tok_per_s_per_gpu == pytest.approx(1.5)


def slow_percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    records = []
    for index in range(draw(st.integers(1, 8))):
        gaps = draw(st.lists(st.integers(1, 10**10), max_size=6))
        sent_ns = draw(st.integers(0, 10**9))
        stamps = tuple(sent_ns + sum(gaps[: place + 1]) for place in range(len(gaps)))
        records.append(record(index, sent_ns, stamps, draw(st.none() | st.integers(0, 20)), draw(st.booleans())))
    return window(*records)


@given(load=windows(), devices=st.integers(1, 16))
def test_metrics_equal_a_slow_reference(load: Window, devices: int) -> None:
    ok = [one for one in load.records if one.error is None]
    metrics = summarize(load, devices)
    if metrics is None:
        assert sum(one.chunks for one in ok) == 0
        return
    ttft = [(one.chunk_ns[0] - one.sent_ns) / 1e9 for one in ok if one.chunks]
    tpot = []
    gaps = []
    for one in ok:
        gaps += [(one.chunk_ns[place] - one.chunk_ns[place - 1]) / 1e9 for place in range(1, one.chunks)]
        if one.chunks and one.output_tokens is not None and one.output_tokens >= 2:
            tpot.append((one.chunk_ns[-1] - one.chunk_ns[0]) / 1e9 / (one.output_tokens - 1))
    assert metrics.requests_ok == len(ok)
    assert metrics.requests_failed == len(load.records) - len(ok)
    done = counted_load(load)
    assert (metrics.output_tokens, metrics.input_tokens) == (done.output_tokens, done.input_tokens)
    assert metrics.output_tok_per_s == pytest.approx(done.output_tokens / done.duration_s)
    total = done.output_tokens + done.input_tokens
    assert metrics.total_tok_per_s_per_gpu == pytest.approx(total / done.duration_s / devices)
    for said, values in ((metrics.ttft_s, ttft), (metrics.tpot_s, tpot), (metrics.icl_s, gaps)):
        assert said.n == len(values)
        if values:
            for share, value in ((0.5, said.p50), (0.9, said.p90), (0.99, said.p99), (1.0, said.max)):
                assert value == pytest.approx(slow_percentile(values, share), rel=1e-6, abs=1e-12)
            assert said.mean == pytest.approx(sum(values) / len(values))
    median = slow_percentile(tpot, 0.5) if tpot else 0
    assert metrics.interactivity_tok_per_s == pytest.approx(1 / median if median else 0)


@pytest.mark.fault(22)
def test_a_window_without_output_has_no_metrics() -> None:
    assert summarize(window(), devices=1) is None
    assert summarize(window(record(0, 1, (5, 6), 2, ok=False)), devices=1) is None
    assert summarize(window(record(0, 1, (), 0)), devices=1) is None


def test_short_and_late_requests_are_counted_and_percentiles_say_whether_they_are_sure() -> None:
    closed = summarize(window_of(*(request(place, 0.2 * place) for place in range(12))), 1)
    assert closed is not None
    assert (closed.requests_short, closed.requests_late) == (0, None)
    assert closed.ttft_s_certified is not None
    assert closed.ttft_s_certified.p50 == pytest.approx(0.1)
    assert closed.ttft_s_certified.p99 is None
    assert closed.ttft_from_schedule_s is None
    late = [request(place, 0.2 * place, scheduled_s=0.2 * place - 0.05 * (place % 2)) for place in range(12)]
    short = request(12, 2.4, tokens=3, asked=11, scheduled_s=2.4)
    opened = summarize(window_of(*late, short), 1)
    assert opened is not None
    assert (opened.requests_short, opened.requests_late) == (1, 6)
    assert opened.ttft_from_schedule_s is not None
    assert opened.ttft_from_schedule_s.max == pytest.approx(0.15)
    assert opened.e2e_from_schedule_s is not None
    assert opened.e2e_from_schedule_s.max == pytest.approx(0.25)


def test_goodput_is_there_when_an_slo_is_given() -> None:
    metrics = summarize(window_of(*(request(place, 0.2 * place) for place in range(5))), 1, Slo(ttft_s=0.5))
    assert metrics is not None
    assert metrics.goodput is not None
    assert metrics.goodput.requests_per_s == pytest.approx(metrics.requests_per_s)


def test_the_budget_of_a_rate_says_how_well_the_schedule_was_kept() -> None:
    health = ClientHealth(
        kernel_stamps=True,
        stamp_delay_ns=(),
        cpu_s=0.1,
        reads=9,
        reads_with_several_events=0,
        wall_clock_drift_s=0.0,
        schedule_lateness_ns=(1_000_000, 3_000_000),
        held_requests=4,
    )
    records = [request(place, 0.5 * place, scheduled_s=0.5 * place) for place in range(6)]
    budget = client_budget(window_of(*records, health=health), Rate(requests_per_s=2.5, streams=8))
    assert budget.schedule_lateness_s_p50 == pytest.approx(0.002)
    assert (budget.asked_requests_per_s, budget.held_requests) == (2.5, 4)
    assert budget.sent_requests_per_s == pytest.approx(2.0)
    assert budget.achieved_concurrency == pytest.approx(0.2 / 0.5)


def test_concurrency_is_not_counted_while_a_warm_up_holds_streams() -> None:
    """Two streams, one of them held by the warm-up until 0.4 s."""
    records = [request(place, 0.2 * place) for place in range(10)] + [request(10 + n, 0.4 + 0.2 * n) for n in range(8)]
    assert achieved_concurrency(window_of(*records, warm_end_s=0.4), 2) == pytest.approx(2)


def test_streams_that_a_warm_up_hands_over_are_full_from_the_start() -> None:
    """Two streams: one goes on at 0, the warm-up holds the other until 0.1 s."""
    records = [request(place, 0.2 * place) for place in range(5)] + [request(9 + n, 0.1 + 0.2 * n) for n in range(5)]
    load = msgspec.structs.replace(window_of(*records, warm_end_s=0.1), beside=(request(7, -0.1),))
    assert achieved_concurrency(load, 2) == pytest.approx(2)


def test_an_empty_distribution_says_so() -> None:
    empty = stats(())
    assert (empty.n, empty.p50, empty.max) == (0, 0, 0)


def test_concurrency_is_measured_between_ramp_and_drain() -> None:
    """Two streams of back-to-back 10 ns requests; the drain (the last request, alone for 1000 ns) does not count."""
    records = [record(index, index // 2 * 10, (index // 2 * 10 + 10,), 1) for index in range(8)]
    records.append(record(8, 40, (1000,), 1))
    assert achieved_concurrency(window(*records), 2) == pytest.approx(2)


def test_gaps_between_requests_lower_the_concurrency() -> None:
    records = tuple(record(index, index * 20, (index * 20 + 10,), 1) for index in range(11))
    assert achieved_concurrency(window(*records), 1) == pytest.approx(0.5)


@pytest.mark.parametrize("requests", [1, 4])
def test_a_window_of_first_requests_only_counts_those(requests: int) -> None:
    records = tuple(record(index, index, (1000,), 1) for index in range(requests))
    assert achieved_concurrency(window(*records), 4) == requests


def test_the_budget_is_null_where_there_were_no_kernel_stamps() -> None:
    health = ClientHealth(
        kernel_stamps=False,
        stamp_delay_ns=(1,),
        cpu_s=2.0,
        reads=9,
        reads_with_several_events=3,
        wall_clock_drift_s=-0.4,
    )
    budget = client_budget(window(record(0, 0, (4 * 10**9,), 1), health=health), Concurrency(streams=3))
    assert budget.stamp_delay_s_p99 is None
    assert budget.cpu_share == pytest.approx(0.5)
    assert budget.clock_drift_share == pytest.approx(-0.1)
    assert (budget.asked_concurrency, budget.reads, budget.reads_with_several_events) == (3, 9, 3)
