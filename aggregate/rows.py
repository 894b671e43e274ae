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


class Named(Fact, frozen=True, kw_only=True):
    """A planned point without a published result: `reasons` joined by ",", `detail` for a person."""

    point_id: str
    reasons: str
    detail: str = ""


class Refused(Fact, frozen=True, kw_only=True):
    """Something in the artifact folder that was not used: its name as found, a `Quarantine` word, and why."""

    name: str
    reason: str
    detail: str = ""


class Coverage(Fact, frozen=True, kw_only=True):
    """The account of one run: `planned` = published + quarantined + missing, each point in exactly one.

    A search counts as one point; its measurements were not planned, and are in no count.
    `outcomes` counts the published points by outcome, `repeats` the repeats of points, which are no points themselves.
    """

    run_id: str
    night: str
    planned: int
    outcomes: dict[str, int]
    published: tuple[str, ...]
    quarantined: tuple[Named, ...]
    missing: tuple[Named, ...]
    repeats: dict[str, int] = {}
    refused: tuple[Refused, ...] = ()


def series_of(point_key: str, recipe_digest: str, server_args_digest: str) -> str:
    """The identity of a history: change the point, the recipe or one server flag and a new one begins."""
    return digest([point_key, recipe_digest, server_args_digest])


def row_id(row: Row) -> str:
    """What `supersedes` holds: `run_id/point_id/r<revision>`."""
    return f"{row.run_id}/{row.point_id}/r{row.revision}"


def in_order(refused: Iterable[Refused]) -> tuple[Refused, ...]:
    """Each once, by name."""
    return tuple(sorted(set(refused), key=lambda one: (one.name, one.reason, one.detail)))


def coverage_of(rows: Iterable[Row], refused: tuple[Refused, ...] = ()) -> Coverage:
    """The account of one run's current rows (one per planned point, at least one)."""
    everything = sorted((row for row in rows if row.search_parent is None), key=lambda row: row.point_id)
    ordered = [row for row in everything if not row.repeat]
    repeats = [row.outcome for row in everything if row.repeat]
    published = [row for row in ordered if row.outcome not in ("quarantined", "missing")]
    outcomes = [row.outcome for row in published]
    return Coverage(
        run_id=everything[0].run_id,
        night=everything[0].night,
        planned=len(ordered),
        outcomes={outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
        published=tuple(row.point_id for row in published),
        quarantined=_named(ordered, "quarantined"),
        missing=_named(ordered, "missing"),
        repeats={outcome: repeats.count(outcome) for outcome in sorted(set(repeats))},
        refused=refused,
    )


def _named(rows: list[Row], outcome: RowOutcome) -> tuple[Named, ...]:
    return tuple(
        Named(point_id=row.point_id, reasons=row.reasons, detail=row.detail) for row in rows if row.outcome == outcome
    )


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


def write_coverage(coverage: Coverage, path: Path) -> None:
    """Indented JSON, atomically."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(coverage), indent=1) + b"\n")


def read_coverage(path: Path) -> Coverage:
    """Strict; a `FleetError` names the file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Coverage)
    except UNDECODABLE as error:
        raise FleetError(f"{path}: not a coverage file: {error}") from error
