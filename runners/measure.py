"""Measuring one point on a server that is ready: warm up with its own prompts, load, compute, judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.checks import judge
from benchmarks.client import run_load
from benchmarks.metrics import client_budget, summarize
from benchmarks.prompts import point_seed, point_seeds
from benchmarks.records import LoadOptions, StopRule, Warmup
from benchmarks.reference.sets import SHIPPED
from benchmarks.sources import prompts_of, require_tokenizer, target_for
from benchmarks.warming import warmup_requests
from matrix.facts import token_range
from matrix.result import ClientBudget, Metrics, Quality
from matrix.workload import ReferenceWorkload, SessionWorkload
from runners.sources import TRACE_FOLDERS, sessions_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.prompts import Numbered, Purpose
    from benchmarks.records import Target, Window
    from benchmarks.sessions import Sessions
    from matrix.plan import PlannedPoint, Server
    from matrix.words import Reason

WARMUP_MAX_S = 300.0
"""A first request that takes longer than this is not a warm server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One point's measurement, judged. No reasons means `ok`."""

    reasons: tuple[Reason, ...]
    detail: str
    metrics: Metrics | None
    client: ClientBudget
    quality: Quality
    window: Window
    cache_hit_rate: float | None = None
    cache_reason: str = "not scraped"


def measure(
    target: Target,
    server: Server,
    planned: PlannedPoint,
    night_seed: int,
    on_progress: Callable[[str, int, float], None],
    sets: Path = SHIPPED,
    traces: tuple[Path, ...] = TRACE_FOLDERS,
) -> Measured:
    """`on_progress(phase, requests_done, elapsed_s)` with phase `warm-up` or `measure`; `sets` is the folder of
    reference prompts, `traces` those of recordings. Raises NoPrompts where they cannot be had.
    """
    point = planned.point
    workload, length = point.workload, point.workload.run_length
    if isinstance(workload, ReferenceWorkload):
        require_tokenizer(workload, target)
    target = target_for(workload, target)
    if isinstance(workload, SessionWorkload):
        sessions = sessions_of(workload, token_range(server.model), traces)

    def prompts(purpose: Purpose) -> Numbered | Sessions:
        seeds = point_seeds(night_seed, planned.key, purpose)
        if isinstance(workload, SessionWorkload):
            return sessions(seeds.own)
        return prompts_of(workload, server.model, seeds, sets)

    warmup = Warmup(
        prompts=prompts("warmup"),
        requests=warmup_requests(point.load, length.warmup_requests_per_stream),
        max_s=WARMUP_MAX_S,
        on_progress=lambda done, s: on_progress("warm-up", done, s),
    )
    stop = StopRule(min_s=length.min_s, max_s=length.max_s, min_requests=length.min_requests)
    window = run_load(
        target,
        prompts("measure"),
        point.load,
        stop,
        lambda done, s: on_progress("measure", done, s),
        LoadOptions(warmup=warmup, seed=point_seed(night_seed, planned.key, "measure")),
    )
    metrics = summarize(window, server.devices, workload.slo)
    budget = client_budget(window, point.load)
    reasons, detail = judge(window, metrics, budget)
    return Measured(
        reasons=reasons,
        detail=detail,
        metrics=metrics,
        client=budget,
        quality=_quality(window),
        window=window,
    )


def _quality(window: Window) -> Quality:
    """The length guard: tokens received over tokens asked, over requests that ended well."""
    good = [record for record in window.records if record.error is None]
    asked = sum(record.asked_output_tokens for record in good)
    received = sum(record.output_tokens or 0 for record in good)
    return Quality(
        length_ratio=received / asked if asked else None,
        reason="greedy token-match needs a reference run: there is none",
    )
