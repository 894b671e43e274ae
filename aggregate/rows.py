"""One dataset row per planned point, flat, and its NDJSON form. The dataset's schema is derived from `Row`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from matrix.atomic import write_atomic
from matrix.errors import UNDECODABLE, FleetError
from matrix.facts import Fact
from matrix.point import digest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ROW_SCHEMA = 1
MAX_ROWS_BYTES = 256 << 20

Tier = Literal["core", "partner", "self_reported"]
RowOutcome = Literal["ok", "invalid", "recipe_failed", "infra_failed", "cancelled", "quarantined", "missing"]


class Row(Fact, frozen=True, kw_only=True):
    """One planned point of one run, or one measurement of a planned search. Every planned point gives one, also when
    nothing came back; a search gives one with what it found and no metrics, and its measurements one each.

    `attempt` 0: no result was found. An open loop's `concurrency` is the most requests in flight.
    `reasons` are words of `Reason`, `Quarantine` or `Missing`, joined by ",".
    Of the rows of one (run_id, point_id) the one with the highest `revision` counts; `supersedes` names the
    row it replaces. Metric columns are null unless a result was published with metrics; each says its unit.
    """

    # which row
    run_id: str
    night: str
    attempt: int
    shard: str
    revision: int = 0
    supersedes: str | None = None
    tier: Tier = "self_reported"
    # which point: from the plan, never from a runner
    point_id: str
    point_key: str
    series: str
    job_id: str
    recipe: str
    recipe_digest: str
    server_args_digest: str
    model: str
    gpu: str
    devices: int
    engine: str
    precision: str
    image: str | None
    layout_name: str
    tp: int
    pp: int
    pcp: int
    dp: int
    ep: int
    dp_attention: bool
    workload: str
    isl: int | None
    osl: int | None
    range_ratio: float | None
    concurrency: int
    rate_per_s: float | None = None
    arrival: str | None = None
    burstiness: float | None = None
    prompts: str | None = None
    prompt_set: str | None = None
    shared_prefix_share: float | None = None
    prefix_groups: int | None = None
    power_cap_w: int | None
    isolation: str
    git_sha: str
    seed: int
    # which search: of a parent and of its measurements, which name it
    search_method: str | None = None
    search_parent: str | None = None
    search_replicate: int | None = None
    # how it ended
    outcome: RowOutcome
    reasons: str = ""
    detail: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    # where it ran
    host: str | None = None
    driver: str | None = None
    engine_version: str | None = None
    order: int | None = None
    server_age_s: float | None = None
    server_start_s: float | None = None
    # what GitHub says of the job that sent it; null where nobody asked, as for artifacts in a local folder
    job_verified: bool | None = None
    github_job: int | None = None
    runner: str | None = None
    runner_group: str | None = None
    # metrics
    duration_s: float | None = None
    requests_ok: int | None = None
    requests_failed: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    ttft_s_mean: float | None = None
    ttft_s_p50: float | None = None
    ttft_s_p90: float | None = None
    ttft_s_p99: float | None = None
    ttft_s_max: float | None = None
    ttft_s_n: int | None = None
    tpot_s_mean: float | None = None
    tpot_s_p50: float | None = None
    tpot_s_p90: float | None = None
    tpot_s_p99: float | None = None
    tpot_s_max: float | None = None
    tpot_s_n: int | None = None
    icl_s_mean: float | None = None
    icl_s_p50: float | None = None
    icl_s_p90: float | None = None
    icl_s_p99: float | None = None
    icl_s_max: float | None = None
    icl_s_n: int | None = None
    e2e_s_mean: float | None = None
    e2e_s_p50: float | None = None
    e2e_s_p90: float | None = None
    e2e_s_p99: float | None = None
    e2e_s_max: float | None = None
    e2e_s_n: int | None = None
    interactivity_tok_per_s: float | None = None
    requests_per_s: float | None = None
    input_tok_per_s: float | None = None
    output_tok_per_s: float | None = None
    total_tok_per_s: float | None = None
    input_tok_per_s_per_gpu: float | None = None
    output_tok_per_s_per_gpu: float | None = None
    total_tok_per_s_per_gpu: float | None = None
    requests_counted: float | None = None
    whole_s: float | None = None
    requests_short: int | None = None
    requests_late: int | None = None
    ttft_s_certified_p50: float | None = None
    ttft_s_certified_p90: float | None = None
    ttft_s_certified_p99: float | None = None
    tpot_s_certified_p50: float | None = None
    tpot_s_certified_p90: float | None = None
    tpot_s_certified_p99: float | None = None
    e2e_s_certified_p50: float | None = None
    e2e_s_certified_p90: float | None = None
    e2e_s_certified_p99: float | None = None
    ttft_s_p50_interval_low: float | None = None
    ttft_s_p50_interval_high: float | None = None
    tpot_s_p50_interval_low: float | None = None
    tpot_s_p50_interval_high: float | None = None
    e2e_s_p50_interval_low: float | None = None
    e2e_s_p50_interval_high: float | None = None
    ttft_from_schedule_s_mean: float | None = None
    ttft_from_schedule_s_p50: float | None = None
    ttft_from_schedule_s_p90: float | None = None
    ttft_from_schedule_s_p99: float | None = None
    ttft_from_schedule_s_max: float | None = None
    ttft_from_schedule_s_n: int | None = None
    e2e_from_schedule_s_mean: float | None = None
    e2e_from_schedule_s_p50: float | None = None
    e2e_from_schedule_s_p90: float | None = None
    e2e_from_schedule_s_p99: float | None = None
    e2e_from_schedule_s_max: float | None = None
    e2e_from_schedule_s_n: int | None = None
    steady_start_s: float | None = None
    steady_duration_s: float | None = None
    steady_requests: int | None = None
    steady_ttft_s_p50: float | None = None
    steady_ttft_s_p90: float | None = None
    steady_ttft_trend: str | None = None
    steady_tpot_s_p50: float | None = None
    steady_tpot_s_p90: float | None = None
    steady_tpot_trend: str | None = None
    steady_interactivity_tok_per_s: float | None = None
    steady_output_tok_per_s: float | None = None
    steady_total_tok_per_s: float | None = None
    steady_output_tok_per_s_per_gpu: float | None = None
    steady_total_tok_per_s_per_gpu: float | None = None
    steady_total_tok_per_s_interval_low: float | None = None
    steady_total_tok_per_s_interval_high: float | None = None
    goodput_limits: str | None = None
    goodput_requests_per_s: float | None = None
    goodput_share: float | None = None
    cached_tokens: int | None = None
    sessions_begun: int | None = None
    sessions_complete: int | None = None
    sessions_failed: int | None = None
    sessions_cut: int | None = None
    sessions_turns_ok: int | None = None
    sessions_live_mean: float | None = None
    sessions_in_flight_mean: float | None = None
    sessions_duration_s_p50: float | None = None
    sessions_duration_s_p90: float | None = None
    sessions_busy_s_p50: float | None = None
    sessions_busy_s_p90: float | None = None
    sessions_output_tok_per_s_p50: float | None = None
    sessions_ttft_first_s_p50: float | None = None
    sessions_ttft_first_s_p90: float | None = None
    sessions_ttft_later_s_p50: float | None = None
    sessions_ttft_later_s_p90: float | None = None
    # how much of it could be the client
    kernel_stamps: bool | None = None
    stamp_delay_s_p50: float | None = None
    stamp_delay_s_p99: float | None = None
    cpu_share: float | None = None
    reads: int | None = None
    reads_with_several_events: int | None = None
    asked_concurrency: int | None = None
    achieved_concurrency: float | None = None
    clock_drift_share: float | None = None
    asked_requests_per_s: float | None = None
    sent_requests_per_s: float | None = None
    schedule_lateness_s_p50: float | None = None
    schedule_lateness_s_p99: float | None = None
    held_requests: int | None = None
    workers: int | None = None
    stepped_share: float | None = None
    # energy of all the server's devices over the window
    energy_j: float | None = None
    mean_power_w: float | None = None
    energy_method: str | None = None
    energy_reason: str = ""
    # did the server compute what was asked
    length_ratio: float | None = None
    greedy_match: float | None = None
    quality_reason: str = ""
    # what a search found, in streams or requests per second (`matrix.finding`); reasons its measurements are spared
    found_stop: str | None = None
    found_size: float | None = None
    found_break_size: float | None = None
    found_gap: float | None = None
    found_certified_gap: float | None = None
    found_measurements: int | None = None
    found_minutes: float | None = None
    found_detail: str = ""
    exempt: str = ""
    # did a prompt's tokens come out of the server's prefix cache
    cache_hit_rate: float | None = None
    cache_reason: str = ""
    # measured for comparison beside the point of the run that `twin_of` names: on a server of its own, or once more as
    # the last on the same server; no part of any frontier
    alone: bool | None = None
    repeat: bool | None = None
    twin_of: str | None = None


def series_of(point_key: str, recipe_digest: str, server_args_digest: str) -> str:
    """The identity of a history: change the point, the recipe or one server flag and a new one begins."""
    return digest([point_key, recipe_digest, server_args_digest])


def row_id(row: Row) -> str:
    """What `supersedes` holds: `run_id/point_id/r<revision>`."""
    return f"{row.run_id}/{row.point_id}/r{row.revision}"


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """One JSON object a line; the file appears whole or not at all."""
    write_atomic(path, b"".join(msgspec.json.encode(row) + b"\n" for row in rows))


def read_rows(path: Path) -> tuple[Row, ...]:
    """Strict: an unknown column, a wrong type or a half-written line is a `FleetError` naming the line."""
    if path.stat().st_size > MAX_ROWS_BYTES:
        raise FleetError(f"{path}: larger than {MAX_ROWS_BYTES} bytes; not a rows file")
    return parse_rows(path.read_bytes(), str(path))


def parse_rows(data: bytes, where: str) -> tuple[Row, ...]:
    """The bytes of a rows file; `where` is for the message."""
    decoder = msgspec.json.Decoder(Row)
    rows = []
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            rows.append(decoder.decode(line))
        except UNDECODABLE as error:
            raise FleetError(f"{where}:{number}: not a row: {error}") from error
    return tuple(rows)
