from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.counting import counted, counted_load, counted_part
from benchmarks.records import RequestError, RequestRecord, Window
from tests.benchmarks.windows import S, request, window_of
from tests.perf.window_edges import biases


def ns(seconds: float) -> int:
    return round(seconds * S)


def test_a_closed_loop_is_on_until_the_first_request_that_no_other_follows() -> None:
    """Two streams of 0.2 s requests, half a request apart: the last is sent at 0.5 s, one stays empty at 0.6."""
    records = [request(2 * n + stream, 0.2 * n + 0.1 * stream) for n in range(3) for stream in (0, 1)]
    load = window_of(*records)
    assert counted_part(load) == (0, ns(0.6))
    assert load.end_ns == ns(0.7)


def test_an_open_loop_is_on_until_its_last_send() -> None:
    records = [request(n, 0.05 * n, scheduled_s=0.05 * n) for n in range(30)]
    assert counted_part(window_of(*records)) == (0, ns(29 * 0.05))


def test_one_request_after_another_is_tokens_of_completed_requests_by_duration() -> None:
    """With one stream and nothing beside it, all tools agree."""
    load = window_of(*(request(n, 0.2 * n) for n in range(5)))
    done = counted_load(load)
    assert done == pytest.approx((1.0, 5, 100, 55))


def test_a_failure_does_not_end_the_load() -> None:
    records = [request(0, 0.0), request(1, 0.0, error=RequestError.RESET), request(2, 0.2)]
    assert counted_part(window_of(*records)) == (0, ns(0.4))


def test_what_the_warm_ups_last_requests_still_bring_is_counted_and_they_are_in_no_latency() -> None:
    """A stream that was handed over at 0, another whose warm-up request (0.1 s later) ends inside the window."""
    own = [request(0, 0.0), request(1, 0.1), request(2, 0.2)]
    beside = request(7, -0.1, ttft_s=0.1)
    load = msgspec.structs.replace(window_of(*own, warm_end_s=0.1), beside=(beside,))
    done = counted_load(load)
    assert counted_part(load) == (0, ns(0.3))
    # a chunk at the very begin was not in the window; of the third request the first chunk only, at 0.3 s
    assert done.output_tokens == 11 + 11 + 1 + 10
    assert done.requests == pytest.approx(2 + 1 / 11 + 10 / 11)
    assert done.input_tokens == round(20 * (2 + 1 / 11 + 10 / 11))


def test_a_load_that_ends_before_anything_came_is_counted_to_its_last_byte() -> None:
    """Two requests of an open loop, 10 ms apart, that answer after a second."""
    load = window_of(*(request(n, 0.01 * n, ttft_s=1.0, scheduled_s=0.01 * n) for n in range(2)))
    assert counted_load(load).output_tokens == 22
    assert counted_load(load).duration_s == pytest.approx(1.11)


def test_workers_are_counted_from_when_the_last_of_them_began() -> None:
    load = msgspec.structs.replace(window_of(*(request(n, 0.2 * n) for n in range(5))), joined_ns=ns(0.4))
    assert counted_load(load).output_tokens == 33
    assert counted_load(load).duration_s == pytest.approx(0.6)


@st.composite
def requests(draw: st.DrawFn) -> RequestRecord:
    sent_s, ttft_s = draw(st.floats(-2, 2)), draw(st.floats(0.01, 1))
    return request(draw(st.integers(0, 99)), sent_s, ttft_s, draw(st.floats(0.001, 0.2)), draw(st.integers(1, 20)))


@given(
    own=st.lists(requests(), min_size=1, max_size=6),
    beside=st.lists(requests(), max_size=4),
    cuts=st.lists(st.integers(ns(-3), ns(8)), min_size=1, max_size=4, unique=True),
)
def test_parts_of_a_time_add_up_to_all_that_came_in_it(
    own: list[RequestRecord], beside: list[RequestRecord], cuts: list[int]
) -> None:
    load = msgspec.structs.replace(window_of(*own), beside=tuple(beside))
    edges = [ns(-3), *sorted(cuts), ns(8)]
    parts = [counted(load, *edge) for edge in pairwise(edges) if edge[0] < edge[1]]
    everyone = (*own, *beside)
    tokens = sum(one.output_tokens or 0 for one in everyone)
    assert abs(sum(part.output_tokens for part in parts) - tokens) <= len(parts) / 2
    assert abs(sum(part.input_tokens for part in parts) - 20 * len(everyone)) <= len(parts) / 2
    assert sum(part.requests for part in parts) == pytest.approx(len(everyone))


@given(own=st.lists(requests(), min_size=1, max_size=6), begin=st.integers(ns(-3), ns(3)), took=st.integers(1, ns(5)))
def test_stamps_that_are_not_kept_are_spread_evenly(own: list[RequestRecord], begin: int, took: int) -> None:
    """The tokens of one gap at each cut is all it may be off by."""
    stamped = window_of(*own)
    bare = Window(
        start_ns=stamped.start_ns,
        end_ns=stamped.end_ns,
        records=tuple(msgspec.structs.replace(one, chunk_ns=()) for one in own),
        health=stamped.health,
    )
    off = counted(stamped, begin, begin + took).output_tokens - counted(bare, begin, begin + took).output_tokens
    assert abs(off) <= 2 * len(own) + 1


@pytest.mark.parametrize(("streams", "window_s"), [(16, 10.0), (64, 30.0)])
def test_handed_over_and_counted_by_the_clock_is_the_least_biased(streams: int, window_s: float) -> None:
    """Against a batching server in virtual time, whose long-run throughput is known."""
    found = {name: abs(mean) for name, (mean, _) in biases(streams, window_s, 2).items()}
    chosen = found["handed, clock while on"]
    assert chosen < 0.01
    assert chosen <= min(found["drained, own"], found["handed, own"], found["handed, clock to last byte"]) / 3
