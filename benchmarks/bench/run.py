"""Measuring one load: warm up, measure, judge, report. No terminal and no files here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmarks.bench.options import BenchReport
from benchmarks.bench.sources import source_of
from benchmarks.checks import judge
from benchmarks.client import run_load
from benchmarks.metrics import client_budget, summarize
from benchmarks.prompts import Seeds
from benchmarks.records import LoadOptions, StopRule, Warmup
from benchmarks.session_metrics import by_turn
from benchmarks.warming import warmup_requests

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from benchmarks.bench.discover import Found
    from benchmarks.bench.options import BenchOptions
    from benchmarks.prompts import Purpose
    from benchmarks.records import RequestRecord, Window

    class Watcher(Protocol):
        """Who is told how it goes. Called by the thread that measures, between reads: it must be quick."""

        def warming(self, requests: int, elapsed_s: float) -> None: ...
        def measuring(self, requests: int, elapsed_s: float) -> None: ...
        def record(self, record: RequestRecord) -> None: ...


MAX_WARMUP_S = 120.0
NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Benched:
    """The report, and the records it was made of."""

    report: BenchReport
    window: Window


def run(options: BenchOptions, found: Found, watcher: Watcher, stop_now: Callable[[], bool]) -> Benched:
    """One window, whatever ends it. What goes wrong with requests is in the report."""
    started_at = datetime.now(UTC)
    stop = StopRule(min_s=0.0, max_s=options.seconds, min_requests=NO_LIMIT, max_requests=options.requests)
    source = source_of(options, found)
    warmups = warmup_requests(options.load, options.warmup_requests_per_stream)
    warmup = Warmup(
        prompts=source(_seeds(options, "warmup")),
        requests=warmups,
        max_s=MAX_WARMUP_S,
        on_progress=watcher.warming,
    )
    prompts = source(_seeds(options, "measure"))
    load_options = LoadOptions(
        warmup=warmup if warmups else None, seed=options.seed, on_record=watcher.record, stop_now=stop_now
    )
    window = run_load(found.target, prompts, options.load, stop, watcher.measuring, load_options)
    return Benched(report=_report(options, found, window, started_at, interrupted=stop_now()), window=window)


def _seeds(options: BenchOptions, purpose: Purpose) -> Seeds:
    return Seeds(f"{options.seed}/{purpose}", options.seed, purpose)


def _report(
    options: BenchOptions, found: Found, window: Window, started_at: datetime, *, interrupted: bool
) -> BenchReport:
    metrics = summarize(window, 1, options.slo)
    budget = client_budget(window, options.load)
    reasons, detail = judge(window, metrics, budget)
    return BenchReport(
        tool=f"inferfleet {version('inferfleet')}",
        url=options.url,
        model=found.target.model,
        started_at=started_at,
        load=options.load,
        workload=options.workload,
        seed=options.seed,
        metrics=metrics,
        client=budget,
        errors=dict(Counter(str(record.error) for record in window.records if record.error is not None)),
        reasons=reasons,
        detail=detail,
        interrupted=interrupted,
        abandoned=window.abandoned,
        notes=found.notes,
        turns=by_turn(window.records),
    )
