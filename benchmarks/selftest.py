"""Before a night: what this host's client would add to the numbers of a planned load, against a server that knows."""

from __future__ import annotations

import os
import resource
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

import numpy as np

from benchmarks.checks import judge
from benchmarks.client import required_fds, run_load
from benchmarks.metrics import client_budget, summarize
from benchmarks.paced_server import Pace, Truth, serve
from benchmarks.processes import receive, started
from benchmarks.prompts import random_prompts
from benchmarks.records import LoadOptions, StopRule, Target
from benchmarks.truth import Comparison, Told, compare
from matrix.dialect import Dialect
from matrix.errors import FleetError
from matrix.point import Concurrency
from matrix.words import Reason
from matrix.workload import RandomWorkload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.records import Window
    from matrix.result import ClientBudget

MAX_TTFT_ERROR_MS = 4.0
MAX_ICL_ERROR_SHARE = 0.01
MAX_TPOT_ERROR_SHARE = 0.001
MIN_PACE_SHARE = 0.9
TOKEN_RANGE = (10, 30_000)


class Verdict(StrEnum):
    """`unproven`: the paced server could not keep its pace beside the client, so the load was not what was planned."""

    FIT = "fit"
    UNFIT = "unfit"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The load of a night's worst point."""

    concurrency: int
    ttft_ms: float
    itl_ms: float
    isl: int
    osl: int
    seconds: float
    workers: int | None = None

    @property
    def chunks_per_s(self) -> float:
        """In the steady state."""
        return self.concurrency * self.osl / (self.ttft_ms + self.itl_ms * self.osl) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """`server_late_ms` is how late the paced server itself was (p50, p99); `findings` are why the client is unfit."""

    planned: Planned
    budget: ClientBudget
    comparison: Comparison
    workers: int
    chunks_per_s: float
    server_late_ms: tuple[float, float]
    server_cpu_share: float
    findings: tuple[str, ...]
    verdict: Verdict


def self_test(planned: Planned, on_progress: Callable[[int, float], None] | None = None) -> SelfTest:
    """Raises FleetError if this host does not allow the load at all."""
    load = Concurrency(streams=planned.concurrency)
    workload = RandomWorkload(name="self-test", isl=planned.isl, osl=planned.osl, ratio=1.0)
    _allow_files(required_fds(load))
    with _paced_server(planned) as (port, stop):
        window = run_load(
            Target(host="127.0.0.1", port=port, model="paced", dialect=Dialect()),
            random_prompts(workload, TOKEN_RANGE, "self-test"),
            load,
            StopRule(min_s=planned.seconds, max_s=planned.seconds * 2, min_requests=planned.concurrency),
            on_progress,
            LoadOptions(workers=planned.workers),
        )
        truth = stop()
    return _conclude(planned, window, truth)


@contextmanager
def _paced_server(planned: Planned) -> Iterator[tuple[int, Callable[[], Truth]]]:
    """Its port, and how to end it and hear the truth."""
    pace = Pace(ttft_ns=round(planned.ttft_ms * 1e6), itl_ns=round(planned.itl_ms * 1e6))
    with started(serve, [(pace, "127.0.0.1")]) as (pipe,):
        port = cast("int", receive(pipe))

        def stop() -> Truth:
            pipe.send("stop")
            return cast("Truth", receive(pipe))

        yield port, stop


def _allow_files(needed: int) -> None:
    """The server's process has as many connections as the client's, in its own count."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise FleetError(f"the load needs {needed} open files and this user may have {hard}: raise `ulimit -Hn`")
    if needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _conclude(planned: Planned, window: Window, truth: Truth) -> SelfTest:
    budget = client_budget(window, Concurrency(streams=planned.concurrency))
    reasons, detail = judge(window, summarize(window, 1), budget)
    seen = {record.index: Told(record.sent_ns, record.chunk_ns) for record in window.records if record.error is None}
    served = {key: Told(one.arrived_ns, one.sent_ns) for key, one in truth.requests.items()}
    comparison = compare(served, seen)
    if comparison is None:
        raise FleetError(f"the self-test brought nothing: {', '.join(reasons)}: {detail}")
    seconds = (window.end_ns - window.start_ns) / 1e9
    late_ms = tuple((np.percentile(truth.late_ns, (50, 99)) / 1e6).tolist())
    findings = (*((detail,) if reasons else ()), *_errors(comparison))
    chunks_per_s = sum(record.chunks for record in window.records) / seconds
    kept_pace = late_ms[1] < planned.itl_ms and chunks_per_s > MIN_PACE_SHARE * planned.chunks_per_s
    saturated = bool(findings) and (kept_pace or Reason.CLIENT_SATURATED in reasons)
    return SelfTest(
        planned=planned,
        budget=budget,
        comparison=comparison,
        workers=window.health.workers,
        chunks_per_s=chunks_per_s,
        server_late_ms=(late_ms[0], late_ms[1]),
        server_cpu_share=truth.cpu_s / seconds,
        findings=findings,
        verdict=Verdict.UNFIT if saturated else Verdict.FIT if kept_pace else Verdict.UNPROVEN,
    )


def _errors(found: Comparison) -> Iterator[str]:
    if found.lost:
        yield f"{found.lost} requests that client and server tell differently"
    if found.ttft_error_ms[1] > MAX_TTFT_ERROR_MS:
        yield f"time to first token off by {found.ttft_error_ms[1]:.1f} ms at p99"
    if found.icl_error_share[1] > MAX_ICL_ERROR_SHARE:
        yield f"inter-chunk latency off by {found.icl_error_share[1]:.1%} at p99"
    if found.tpot_error_share[0] > MAX_TPOT_ERROR_SHARE:
        yield f"time per output token off by {found.tpot_error_share[0]:.2%}"


def report(found: SelfTest) -> str:
    """For a person: the load, the budget, the errors, the verdict."""
    return "\n".join(f"{name:10} {said}" for name, said in _said(found))


def _said(found: SelfTest) -> Iterator[tuple[str, str]]:
    planned, budget, told = found.planned, found.budget, found.comparison
    yield (
        "planned",
        f"{planned.concurrency} streams, {planned.itl_ms:g} ms a token: {planned.chunks_per_s:,.0f} chunks/s",
    )
    yield "this host", f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"
    yield "achieved", f"{found.chunks_per_s:,.0f} chunks/s, {budget.achieved_concurrency:.1f} requests in flight"
    yield "client", f"{budget.cpu_share:.0%} of a core in the busiest of {found.workers} process(es)"
    yield "", f"{budget.reads_with_several_events:,} of {budget.reads:,} reads held several events"
    yield "stamps", "the kernel's" if budget.kernel_stamps else "this program's: its own delays are in every latency"
    if budget.stamp_delay_s_p50 is not None and budget.stamp_delay_s_p99 is not None:
        spared = f"{budget.stamp_delay_s_p50 * 1e3:.2f} / {budget.stamp_delay_s_p99 * 1e3:.2f} ms at p50 / p99"
        yield "", f"a client without them would have added {spared}"
    yield "errors", "stamps {:.0f} / {:.0f} / {:.0f} us at p50 / p99 / most".format(*told.stamp_error_us)
    for name in ("ttft", "icl", "tpot", "e2e"):
        (p50, p99), (true50, true99) = getattr(told.reported, name), getattr(told.true, name)
        yield "", f"{name.upper():5} p50 {p50:8.2f} ms for {true50:8.2f}, p99 {p99:8.2f} ms for {true99:8.2f}"
    late = f"{found.server_late_ms[0]:.2f} / {found.server_late_ms[1]:.2f} ms at p50 / p99"
    yield "server", f"late by {late} itself, {found.server_cpu_share:.0%} of a core of this machine"
    yield "verdict", "; ".join((found.verdict, *found.findings))
    if found.verdict is Verdict.UNPROVEN:
        yield "", "the paced server could not keep its pace: try a smaller load, or an idle machine"
