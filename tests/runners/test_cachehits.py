from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.records import ClientHealth, Window
from matrix.dialect import CacheCounters, Dialect
from matrix.fleet import DATA, load_fleet
from matrix.result import ClientBudget, Quality
from matrix.words import Outcome, Reason
from matrix.workload import TraceWorkload
from runners.cachehits import CacheWatch, hit_rate, parse
from runners.measure import Measured
from tests.fake_server.running import running
from tests.runners.conftest import COUNTERS, WORKLOAD
from tests.runners.test_job import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fake_server.running import RunningServer
    from tests.runners.conftest import PlanOf

OF = ("queries",)
REQUESTS = "fake_requests_total"
BUDGET = ClientBudget(
    kernel_stamps=True,
    stamp_delay_s_p50=None,
    stamp_delay_s_p99=None,
    cpu_share=0.1,
    reads=1,
    reads_with_several_events=0,
    asked_concurrency=1,
    achieved_concurrency=1.0,
    clock_drift_share=0.0,
)
HEALTH = ClientHealth(
    kernel_stamps=True, stamp_delay_ns=(), cpu_s=0.0, reads=0, reads_with_several_events=0, wall_clock_drift_s=0.0
)
WINDOW = Window(start_ns=0, end_ns=1, records=(), health=HEALTH)
MEASURED = Measured(reasons=(), detail="", metrics=None, client=BUDGET, quality=Quality(), window=WINDOW)
VLLM_PAGE = """\
# HELP vllm:prefix_cache_hits_total Prefix cache hits, in terms of number of cached tokens.
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_hits_total{engine="0",model_name="a {b} c"} 12.0
vllm:prefix_cache_hits_total{engine="1",model_name="a {b} c"} 3.0 1700000000000
vllm:prefix_cache_hits_created{engine="0"} 1.7e+09
vllm:prefix_cache_queries_total{engine="0"} 1.5e3
vllm:prefix_cache_queries_total{engine="1"} NaN
"""


def one_request(server: RunningServer) -> None:
    body = {"model": "fake-model", "prompt": [1, 2], "max_tokens": 2}
    httpx.post(f"http://{server.host}:{server.port}/v1/completions", json=body, trust_env=False).raise_for_status()


def test_samples_are_added_up_over_their_labels() -> None:
    names = {"vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total", "nothing"}
    assert parse(VLLM_PAGE, names) == {"vllm:prefix_cache_hits_total": 15.0, "vllm:prefix_cache_queries_total": 1500.0}


@settings(deadline=None)
@given(st.text())
def test_any_page_can_be_read(page: str) -> None:
    assert parse(page, {"hits"}).keys() <= {"hits"}


@pytest.mark.parametrize(
    ("before", "after", "rate"),
    [
        ((0, 0), (0, 0), 0.0),  # the cache is off: nothing was ever looked up
        ((5, 100), (5, 900), 0.0),
        ((5, 100), (25, 300), 0.1),
    ],
)
def test_a_hit_rate_is_of_what_came_between(before: tuple[int, int], after: tuple[int, int], rate: float) -> None:
    then, now = ({"hits": float(hits), "queries": float(queries)} for hits, queries in (before, after))
    assert hit_rate(then, now, "hits", OF) == (rate, "")


def test_counters_that_go_backwards_or_do_not_add_up_give_no_rate() -> None:
    low, high = {"hits": 1.0, "queries": 10.0}, {"hits": 2.0, "queries": 20.0}
    assert hit_rate(high, low, "hits", OF)[0] is None
    assert hit_rate(low, {"hits": 9.0, "queries": 11.0}, "hits", OF) == (None, "8 tokens from the cache, of 1 in all")


@pytest.mark.parametrize(
    ("dialect", "why"),
    [
        (Dialect(), "no counter of prefix-cache hits is known for this engine"),
        (Dialect(metrics_path="/nowhere", cache_counters=COUNTERS), "/nowhere: answered 404"),
        (
            Dialect(metrics_path="/metrics", cache_counters=CacheCounters(hits="x_total", of=("y_total",))),
            "/metrics has no counter x_total, y_total",
        ),
    ],
)
def test_what_cannot_be_scraped_is_null_for_a_stated_reason(dialect: Dialect, why: str) -> None:
    with running() as server:
        judged = CacheWatch(server.target(dialect)).judged(MEASURED, WORKLOAD)
    assert (judged.reasons, judged.cache_hit_rate, judged.cache_reason) == ((), None, why)


def test_a_server_that_is_gone_gives_no_rate() -> None:
    dialect = Dialect(metrics_path="/metrics", cache_counters=COUNTERS)
    with running() as server:
        watch = CacheWatch(server.target(dialect))
    assert watch.judged(MEASURED, WORKLOAD).cache_reason == "/metrics: ConnectError"


@pytest.mark.parametrize(("share", "hit"), [(0.0, False), (0.005, False), (0.02, True), (0.5, True)])
def test_more_than_a_hundredth_from_the_cache_makes_a_point_invalid(
    plan_of: PlanOf, tmp_path: Path, share: float, hit: bool
) -> None:
    (result,) = run(plan_of("--itl-ms", "5", "--cached-share", str(share), streams=(1,)), tmp_path).values()
    assert result.cache_hit_rate == pytest.approx(share)
    assert result.reasons == ((Reason.CACHE_HITS,) if hit else ())
    assert result.outcome is (Outcome.INVALID if hit else Outcome.OK)
    assert ("came from the prefix cache" in result.detail) == hit


def test_a_trace_repeats_its_prefixes_on_purpose() -> None:
    workload = TraceWorkload(name="w", trace="t")
    hot = Dialect(metrics_path="/metrics", cache_counters=CacheCounters(hits=REQUESTS, of=(REQUESTS,)))
    with running() as server:
        for kind, reasons in ((WORKLOAD, (Reason.CACHE_HITS,)), (workload, ())):
            watch = CacheWatch(server.target(hot))
            one_request(server)
            judged = watch.judged(MEASURED, kind)
            assert (judged.cache_hit_rate, judged.reasons) == (1.0, reasons)


def test_the_shipped_engines_that_publish_counters_say_how_they_are_called() -> None:
    dialects = {name: engine.dialect for name, engine in load_fleet(DATA).engines.items()}
    assert {name for name, one in dialects.items() if one.cache_counters} == {"llamacpp", "vllm"}
    assert all(one.metrics_path for one in dialects.values() if one.cache_counters)
