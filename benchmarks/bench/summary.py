"""The table at the end: every number with how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.certainty import floor_of
from matrix.point import Rate
from matrix.workload import ConversationWorkload, ReferenceWorkload, SessionWorkload, TraceWorkload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from benchmarks.bench.options import BenchReport
    from benchmarks.bench.searching import SearchReport
    from benchmarks.session_metrics import TurnStats
    from matrix.result import ClientBudget, Interval, Metrics, Stats
    from matrix.workload import Workload


MOST_TURNS = 12


def print_summary(console: Console, report: BenchReport) -> None:
    """Latencies, throughput, what went wrong, and what the client may have added."""
    console.print(f"{report.model} at {report.url}: {load_text(report)}", highlight=False, markup=False, soft_wrap=True)
    if report.metrics is None:
        console.print("no request brought any output", style="bold red")
    else:
        console.print(_latencies(report.metrics))
        for line in [_certified(report.metrics), *_throughput(report.metrics)]:
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    if report.turns:
        console.print(_turns(report.turns))
    for line in [*_sessions(report.metrics), *_requests(report), *_client(report.client), *report.notes]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if report.reasons:
        doubt = f"do not believe these numbers: {', '.join(report.reasons)}: {report.detail}"
        console.print(doubt, style="bold red", markup=False, soft_wrap=True)


def print_load(console: Console, report: BenchReport) -> None:
    """One load of a search, in one line."""
    metrics, load = report.metrics, report.load
    asked = f"{load.requests_per_s:g} requests/s" if isinstance(load, Rate) else f"concurrency {load.streams}"
    figures = (
        "no output"
        if metrics is None
        else (
            f"{metrics.output_tok_per_s:,.1f} output tokens/s, {metrics.interactivity_tok_per_s:.1f} for each user, "
            f"TTFT p50 {_ms(metrics.ttft_s.p50)} ms, {metrics.requests_ok} requests"
        )
    )
    doubts = f"; {', '.join(report.reasons)}: {report.detail}" if report.reasons else ""
    console.print(f"{asked}: {figures}{doubts}", highlight=False, markup=False, soft_wrap=True)


def print_finding(console: Console, report: SearchReport) -> None:
    """The sentence, the figures behind it, and what it cost."""
    found = report.finding
    console.print(report.text, style="bold", markup=False, soft_wrap=True)
    cost = f"{found.measurements} measurements, {found.minutes:.1f} minutes"
    console.print(f"{found.detail}; {cost}" if found.detail else cost, highlight=False, markup=False, soft_wrap=True)
    if report.doubt:
        doubt = f"ended before it was over: {report.doubt}"
        console.print(doubt, style="bold red", markup=False, soft_wrap=True)


def load_text(report: BenchReport) -> str:
    """`concurrency 8, 512 tokens in, 128 out`."""
    load, workload = report.load, report.workload
    what = "sessions" if isinstance(workload, SessionWorkload) else "requests"
    if isinstance(load, Rate):
        shape = f" (burstiness {load.burstiness:g})" if load.arrival == "gamma" else ""
        asked = f"{load.requests_per_s:g} {what}/s, {load.arrival}{shape}, at most {load.streams} at once"
    else:
        asked = f"concurrency {load.streams}"
    return f"{asked}, {workload_text(workload)}"


def workload_text(workload: Workload) -> str:
    """`512 tokens in and 128 out`."""
    if isinstance(workload, TraceWorkload):
        return f"sessions of the trace {workload.name!r}"
    least = "" if workload.ratio == 1 else f" (from {workload.ratio:.0%} of that)"
    if isinstance(workload, ConversationWorkload):
        first = f"{workload.shared} shared and {workload.isl}" if workload.shared else f"{workload.isl}"
        return (
            f"sessions of {workload.turns} turns, {first} tokens in, then {workload.added} more, and {workload.osl} "
            f"out{least}, {workload.gap_s:g} s between turns"
        )
    groups = f" in {workload.prefix_groups} groups" if workload.prefix_groups > 1 else ""
    shared = f", the first {workload.shared_prefix_share:.0%} shared{groups}" if workload.shared_prefix_share else ""
    kind = " of reference text" if isinstance(workload, ReferenceWorkload) else ""
    return f"{workload.isl} tokens{kind} in and {workload.osl} out{least}{shared}"


def _latencies(metrics: Metrics) -> Table:
    """At most 80 columns wide while nothing takes more than 100 s."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("ms", no_wrap=True)
    for name in ("mean", "p50", "95 % interval", "p90", "p99", "max", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    rows: list[tuple[str, Stats | None, Interval | None]] = [
        ("TTFT", metrics.ttft_s, metrics.ttft_s_p50_interval),
        ("  scheduled", metrics.ttft_from_schedule_s, None),
        ("TPOT", metrics.tpot_s, metrics.tpot_s_p50_interval),
        ("chunk gap", metrics.icl_s, None),
        ("E2E", metrics.e2e_s, metrics.e2e_s_p50_interval),
        ("  scheduled", metrics.e2e_from_schedule_s, None),
    ]
    for name, stats, interval in rows:
        if stats is not None:
            between = "" if interval is None else f"{_ms(interval.low)} - {_ms(interval.high)}"
            figures = [_ms(value) for value in (stats.p90, stats.p99, stats.max)]
            table.add_row(name, _ms(stats.mean), _ms(stats.p50), between, *figures, str(stats.n))
    return table


def _certified(metrics: Metrics) -> str:
    """Which tails may be promised to somebody."""
    needed = floor_of(0.99)
    bounds = {"TTFT": metrics.ttft_s_certified, "TPOT": metrics.tpot_s_certified, "E2E": metrics.e2e_s_certified}
    sure = [f"{name} <= {_ms(one.p99)} ms" for name, one in bounds.items() if one is not None and one.p99 is not None]
    if sure:
        return "p99 with 99 % confidence: " + ", ".join(sure)
    return f"no p99 is certified: that takes {needed} requests, and {metrics.requests_ok} ended well"


def _ms(seconds: float) -> str:
    """Four figures or so."""
    value = seconds * 1000
    return f"{value:.2f}" if value < 100 else f"{value:.1f}" if value < 10_000 else f"{value:.0f}"


def _throughput(metrics: Metrics) -> list[str]:
    whole = (
        f"load on for {metrics.duration_s:.1f} s: {metrics.requests_per_s:.3f} requests/s, "
        f"{metrics.output_tok_per_s:,.1f} output and {metrics.total_tok_per_s:,.1f} total tokens/s, "
        f"{metrics.interactivity_tok_per_s:.1f} tokens/s for each user"
    )
    lines = [whole]
    steady = metrics.steady
    if steady is None:
        lines.append("no steady part: too few requests were sent between filling the streams and the end")
    else:
        interval = steady.total_tok_per_s_interval
        between = f" (95 %: {interval.low:,.1f} - {interval.high:,.1f})" if interval else ""
        lines.append(
            f"steady {steady.duration_s:.1f} s: {steady.output_tok_per_s:,.1f} output and "
            f"{steady.total_tok_per_s:,.1f} total tokens/s{between}; "
            f"TTFT {_words(steady.ttft_trend)}, TPOT {_words(steady.tpot_trend)}"
        )
    if metrics.goodput is not None:
        good = metrics.goodput
        lines.append(f"goodput ({good.limits}): {good.requests_per_s:.3f} requests/s, {good.share:.1%} of all")
    return lines


def _turns(turns: Sequence[TurnStats]) -> Table:
    """What a cache of prefixes does shows in the later turns. Of many turns, the first and the last."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("turn", no_wrap=True)
    for name in ("requests", "tokens in", "cached", "TTFT p50", "TTFT p90"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in turns if len(turns) <= MOST_TURNS else (*turns[: MOST_TURNS - 3], *turns[-3:]):
        mean_in = f"{one.input_tokens / one.requests:,.0f}"
        cached = "" if one.cached_tokens is None else f"{one.cached_tokens / max(1, one.input_tokens):.0%}"
        times = (_ms(one.ttft_s_p50), _ms(one.ttft_s_p90))
        table.add_row(str(one.turn + 1), str(one.requests), mean_in, cached, *times)
    return table


def _sessions(metrics: Metrics | None) -> list[str]:
    if metrics is None or metrics.sessions is None:
        return []
    one = metrics.sessions
    ended = f"sessions: {one.begun} begun, {one.complete} complete, {one.failed} failed, {one.cut} cut by the end"
    lines = [f"{ended}; {one.live_mean:.2f} held and {one.in_flight_mean:.2f} waiting for the server in the mean"]
    if one.duration_s_p50 is not None and one.busy_s_p50 is not None:
        lines.append(
            f"a session takes {one.duration_s_p50:.2f} s in the median, {one.busy_s_p50:.2f} s of it the server's, "
            f"with {one.output_tok_per_s_p50 or 0:.1f} tokens/s out in that time"
        )
    return lines


def _words(trend: str) -> str:
    return trend.replace("_", " ")


def _requests(report: BenchReport) -> list[str]:
    metrics = report.metrics
    failed = sum(report.errors.values())
    kinds = ", ".join(f"{kind} {count}" for kind, count in report.errors.items())
    parts = [f"{metrics.requests_ok if metrics else 0} requests ended well, {failed} failed"]
    if kinds:
        parts[0] += f" ({kinds})"
    if metrics and metrics.requests_short:
        parts.append(f"{metrics.requests_short} were shorter than asked")
    if metrics and metrics.requests_late:
        parts.append(f"{metrics.requests_late} were sent late")
    if report.interrupted:
        parts.append(f"interrupted with {report.abandoned} in flight, which are in no number")
    return [", ".join(parts)]


def _client(budget: ClientBudget) -> list[str]:
    """What of this could be the client's doing."""
    stamps = "user-space receive stamps"
    if budget.stamp_delay_s_p99 is not None:
        stamps = f"kernel receive stamps (user space was {budget.stamp_delay_s_p99 * 1e6:,.0f} us later at p99)"
    several = f" by the busiest of {budget.workers} processes" if (budget.workers or 1) > 1 else ""
    parts = [stamps, f"{budget.cpu_share:.0%} of a core{several}"]
    if budget.asked_requests_per_s is None:
        parts.append(f"{budget.achieved_concurrency:.2f} of {budget.asked_concurrency} in flight")
    else:
        parts.append(f"{budget.sent_requests_per_s:.3f} of {budget.asked_requests_per_s:g} a second begun")
    if budget.schedule_lateness_s_p99 is not None:
        parts.append(f"{budget.schedule_lateness_s_p99 * 1e6:,.0f} us behind schedule at p99")
    if budget.held_requests:
        parts.append(f"{budget.held_requests} waited for one of {budget.asked_concurrency} streams")
    return ["client: " + ", ".join(parts)]
