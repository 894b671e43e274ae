"""What a point leaves behind, always: `PointResult`. Written by runners, read (distrustfully) by aggregate.

Definitions of the metrics are in `benchmarks/README.md`; the code that computes them is `benchmarks.metrics`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from matrix.facts import Fact
from matrix.words import Outcome, Reason

RESULT_SCHEMA = 1

Text = Annotated[str, msgspec.Meta(max_length=2000)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Amount = Annotated[float, msgspec.Meta(ge=0)]


class Stats(Fact, frozen=True, kw_only=True):
    """A distribution over requests (or over chunk gaps): order statistics in the unit its field name says."""

    mean: Amount
    p50: Amount
    p90: Amount
    p99: Amount
    max: Amount
    n: Count


class Certified(Fact, frozen=True, kw_only=True):
    """Upper bounds of percentiles at 99 % confidence; null where there were too few requests to certify one."""

    p50: Amount | None = None
    p90: Amount | None = None
    p99: Amount | None = None


class Interval(Fact, frozen=True, kw_only=True):
    """95 %, from within one run: it does not hold the spread between runs."""

    low: Amount
    high: Amount


Trend = Literal["plateau", "drifting_up", "drifting_down"]


class Steady(Fact, frozen=True, kw_only=True):
    """The run without its beginning and its drain. `start_s` counts from the start of the whole window.

    Everything is of the `requests` sent in it. Where a trend is not
    `plateau`, its numbers depend on how long was measured.
    """

    start_s: Amount
    duration_s: Amount
    requests: Count
    ttft_s_p50: Amount
    ttft_s_p90: Amount
    ttft_trend: Trend
    tpot_s_p50: Amount
    tpot_s_p90: Amount
    tpot_trend: Trend
    interactivity_tok_per_s: Amount
    output_tok_per_s: Amount
    total_tok_per_s: Amount
    output_tok_per_s_per_gpu: Amount
    total_tok_per_s_per_gpu: Amount
    total_tok_per_s_interval: Interval | None = None


class Goodput(Fact, frozen=True, kw_only=True):
    """Requests that ended whole and within every limit, per second of the window, and their share of all sent."""

    limits: Text
    requests_per_s: Amount
    share: Amount


class SessionMetrics(Fact, frozen=True, kw_only=True):
    """Conversations of several requests. Durations are of the `complete` ones, all turns of which ended well.

    Of those `begun`, `failed` ended with a request that did, and `cut` were still going on when the load ended.
    `busy_s` is the duration without the waits between turns. `live_mean` is sessions being held, `in_flight_mean` those
    of them that wait for the server. Null: none was complete, or had such a turn, or the server does not say.
    """

    begun: Count
    complete: Count
    failed: Count
    cut: Count
    turns_ok: Count
    live_mean: Amount
    in_flight_mean: Amount
    duration_s_p50: Amount | None = None
    duration_s_p90: Amount | None = None
    busy_s_p50: Amount | None = None
    busy_s_p90: Amount | None = None
    output_tok_per_s_p50: Amount | None = None
    ttft_first_s_p50: Amount | None = None
    ttft_first_s_p90: Amount | None = None
    ttft_later_s_p50: Amount | None = None
    ttft_later_s_p90: Amount | None = None


class Metrics(Fact, frozen=True, kw_only=True):
    """One measurement's numbers. Throughput counts only requests that ended well.

    Tokens and rates are of the `duration_s` in which the load was fully on: what came then, by the clock, the
    warm-up's last requests included. `requests_counted` adds up the shares of requests that came in it. `whole_s` is
    the time from the first send to the last byte. Latencies are of all `requests_ok`.
    `icl_s` is inter-chunk latency: the gap between content-bearing chunks, over all requests. Null below the
    throughputs: not computed, by an older version or for want of requests. `requests_short` ended well with fewer
    tokens than asked for; `requests_late` were sent well after their schedule, which a closed loop does not have.
    `cached_tokens` of the input the server says it had in a cache, null where it says nothing about that.
    """

    duration_s: Amount
    requests_ok: Count
    requests_failed: Count
    input_tokens: Count
    output_tokens: Count
    ttft_s: Stats
    tpot_s: Stats
    icl_s: Stats
    e2e_s: Stats
    interactivity_tok_per_s: Amount
    requests_per_s: Amount
    input_tok_per_s: Amount
    output_tok_per_s: Amount
    total_tok_per_s: Amount
    input_tok_per_s_per_gpu: Amount
    output_tok_per_s_per_gpu: Amount
    total_tok_per_s_per_gpu: Amount
    requests_counted: Amount | None = None
    whole_s: Amount | None = None
    requests_short: Count | None = None
    requests_late: Count | None = None
    ttft_s_certified: Certified | None = None
    tpot_s_certified: Certified | None = None
    e2e_s_certified: Certified | None = None
    ttft_s_p50_interval: Interval | None = None
    tpot_s_p50_interval: Interval | None = None
    e2e_s_p50_interval: Interval | None = None
    ttft_from_schedule_s: Stats | None = None
    e2e_from_schedule_s: Stats | None = None
    steady: Steady | None = None
    goodput: Goodput | None = None
    cached_tokens: Count | None = None
    sessions: SessionMetrics | None = None


class ClientBudget(Fact, frozen=True, kw_only=True):
    """How much of the numbers could be the client's own doing.

    `stamp_delay_s_*`: from the kernel's receive stamp to user space, what a client without kernel stamps would
    have added; null without kernel stamps. `achieved_concurrency`: mean requests in flight from when
    every stream had sent its first until the last was sent; where these are turns of sessions, mean sessions held. In
    an open loop `asked_concurrency` is the most there may be in flight. `schedule_lateness_s_*` is sent minus scheduled
    (or due, of a session's later turns), and the `held_requests`, due while every stream was busy, are not in it.
    `workers` are the client's processes; CPU is of the busiest. `stepped_share`: of the window, the time whose stamps a
    step of the wall clock may have put off by its size.
    """

    kernel_stamps: bool
    stamp_delay_s_p50: Amount | None
    stamp_delay_s_p99: Amount | None
    cpu_share: Amount
    reads: Count
    reads_with_several_events: Count
    asked_concurrency: Count
    achieved_concurrency: Amount
    clock_drift_share: float
    asked_requests_per_s: Amount | None = None
    sent_requests_per_s: Amount | None = None
    schedule_lateness_s_p50: Amount | None = None
    schedule_lateness_s_p99: Amount | None = None
    held_requests: Count | None = None
    workers: Annotated[int, msgspec.Meta(ge=1)] | None = None
    stepped_share: Amount | None = None


class Energy(Fact, frozen=True, kw_only=True):
    """Board energy over the `duration_s` of the metrics (`benchmarks.counting.counted_part`: tokens per joule need one
    window), all the server's devices together.
    """

    energy_j: Amount
    mean_power_w: Amount
    method: str


class Quality(Fact, frozen=True, kw_only=True):
    """Signs that the server computed what was asked. Null where not run, with `reason` saying why.

    `length_ratio` is output tokens received over asked for; `greedy_match` the share of greedy tokens that
    equal a reference run's.
    """

    length_ratio: Amount | None = None
    greedy_match: Amount | None = None
    reason: Text = ""


class Provenance(Fact, frozen=True, kw_only=True):
    """Where a number comes from: enough to find the run, and to tell which series it belongs to."""

    recipe_digest: str
    server_args_digest: str
    image: str | None
    engine_version: Text
    git_sha: str
    seed: int
    host: Text
    order: Count
    server_age_s: Amount
    server_start_s: Amount


class PointResult(Fact, frozen=True, kw_only=True):
    """`outcome` null means the point was running when this was last written: a killed runner leaves that.

    `cache_hit_rate` is the share of prompt tokens, the warm-up's included, that the server's own counters say came from
    its prefix cache; null with a `cache_reason`.
    """

    schema_version: int = RESULT_SCHEMA
    run_id: str
    attempt: Annotated[int, msgspec.Meta(ge=1)]
    job_id: str
    point_id: str
    point_key: str
    outcome: Outcome | None
    reasons: tuple[Reason, ...] = ()
    detail: Text = ""
    started_at: datetime
    ended_at: datetime | None = None
    metrics: Metrics | None = None
    client: ClientBudget | None = None
    energy: Energy | None = None
    energy_reason: str = ""
    quality: Quality = Quality()
    cache_hit_rate: Amount | None = None
    cache_reason: Text = ""
    provenance: Provenance


class HostFacts(Fact, frozen=True, kw_only=True):
    """The machine a job ran on, as its runner saw it. `driver` is null where there is no accelerator."""

    name: Text
    kernel: Text
    cpu: Text
    cores: Count
    memory_bytes: Count
    python: Text
    driver: Text | None = None
