"""What a point leaves behind, always: `PointResult`. Written by runners, read (distrustfully) by aggregate.

Definitions of the metrics are in `benchmarks/README.md`; the code that computes them is `benchmarks.metrics`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

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


class Metrics(Fact, frozen=True, kw_only=True):
    """One measurement's numbers. Throughput counts only requests that ended well.

    `icl_s` is inter-chunk latency: the gap between content-bearing chunks, over all requests.
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


class ClientBudget(Fact, frozen=True, kw_only=True):
    """How much of the numbers could be the client's own doing.

    `stamp_delay_s_*`: from the kernel's receive stamp to user space, what a client without kernel stamps would
    have added; null without kernel stamps. `achieved_concurrency`: mean requests in flight from when
    every stream had sent its first until the last was sent.
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


class Energy(Fact, frozen=True, kw_only=True):
    """Board energy over the measurement window, all the server's devices together."""

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
    """`outcome` null means the point was running when this was last written: a killed runner leaves that."""

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
