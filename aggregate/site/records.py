"""What the results page is made of. The page and its tests know these records, not the dataset's.

All times are seconds; throughput is tokens per second per device.
"""

from __future__ import annotations

from typing import Literal

from matrix.facts import Device, Fact

AxisX = Literal["interactivity", "ttft", "e2e"]
AxisY = Literal["output", "total"]


class Figures(Fact, frozen=True, kw_only=True):
    """The numbers of one dot: medians over `nights` nights; `requests` is the sum over them.

    `spread` is (max - min) / median of output throughput over those nights; null for a single night. `goodput_*` are
    null where the workload has no limits.
    """

    interactivity_tok_per_s: float
    ttft_p50_s: float
    e2e_p50_s: float
    output_tok_per_s_per_device: float
    total_tok_per_s_per_device: float
    requests: int
    nights: int
    spread: float | None = None
    goodput_requests_per_s: float | None = None
    goodput_share: float | None = None


class Origin(Fact, frozen=True, kw_only=True):
    """Where a dot comes from: the newest result that went into it. Null is printed as "not recorded"."""

    run_id: str
    night: str
    attempt: int
    job_id: str
    point_id: str
    point_key: str
    outcome: str
    host: str
    engine: str
    engine_version: str
    image: str | None
    precision: str
    recipe: str
    recipe_digest: str
    server_args_digest: str
    git_sha: str
    seed: int
    duration_s: float
    client_cpu_share: float | None = None
    client_achieved_concurrency: float | None = None
    client_stamp_delay_p99_s: float | None = None
    client_workers: int | None = None
    length_ratio: float | None = None
    goodput_limits: str | None = None


class SharedAlone(Fact, frozen=True, kw_only=True):
    """What sharing a server changed for one recipe: texts, for the page says them and computes nothing."""

    recipe: str
    throughput: str
    tpot: str
    nights: int
    verdict: str


class Measurement(Fact, frozen=True, kw_only=True):
    """One dot: a point of a series. `series` is the identity of a server configuration, `label` its short name.

    With a `rate_per_s` requests came at that rate, and `concurrency` is the most there might be in flight.
    """

    id: str
    group: str
    series: str
    label: str
    concurrency: int
    rate_per_s: float | None = None
    figures: Figures
    origin: Origin


class DeviceKind(Fact, frozen=True, kw_only=True):
    """A kind of device that throughput is divided by. `kind` null: the fleet's data no longer names it."""

    kind: Device | None
    name: str


class Group(Fact, frozen=True, kw_only=True):
    """What may share a chart: one model and workload. `shape` says the lengths in words."""

    id: str
    model: str
    workload: str
    shape: str
    devices: tuple[DeviceKind, ...]


class Frontier(Fact, frozen=True, kw_only=True):
    """The non-dominated dots of a group on two axes, in order of x."""

    group: str
    x: AxisX
    y: AxisY
    members: tuple[str, ...]


class Gap(Fact, frozen=True, kw_only=True):
    """A planned point without a usable number. `outcome` is an `Outcome`'s word or `missing`."""

    point_id: str
    job_id: str
    outcome: str
    reasons: tuple[str, ...]
    detail: str
    attempt: int | None = None
    host: str = ""


class Night(Fact, frozen=True, kw_only=True):
    """The newest run and what became of its plan: every planned point is ok or has a gap."""

    night: str
    run_id: str
    git_sha: str
    planned: int
    ok: int
    gaps: tuple[Gap, ...] = ()
