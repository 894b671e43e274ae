"""The numbers of one window. Every definition is in `benchmarks/README.md`; percentiles interpolate linearly."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from benchmarks.bootstrap import block_bootstrap, block_length, median
from benchmarks.certainty import certified
from benchmarks.counting import counted_load
from benchmarks.goodput import goodput
from benchmarks.inflight import mean_of_spans, most_in_flight
from benchmarks.latency import chunk_gaps_s, delay_of, e2e_of, is_short, tpot_of, ttft_of
from benchmarks.session_metrics import live_sessions, session_metrics
from benchmarks.steady import steady_state
from matrix.point import Rate
from matrix.result import Certified, ClientBudget, Interval, Metrics, Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from benchmarks.records import RequestRecord, Window
    from matrix.point import Load
    from matrix.slo import Slo

LATE_S = 0.010
"""A request sent this much after its schedule is late: no user would have waited to send it."""
_NS = 1e-9


def summarize(window: Window, devices: int, slo: Slo | None = None) -> Metrics | None:
    """None when no request brought any output: there is nothing to measure, and zeros would look like a result."""
    metrics = _whole_run(window, devices)
    if metrics is None:
        return None
    sent = sorted(window.records, key=lambda record: record.sent_ns)
    ok = [record for record in sent if record.error is None]
    ttft, tpot, e2e = ([value for record in ok for value in of(record)] for of in (ttft_of, tpot_of, e2e_of))
    streams = most_in_flight(sent)
    scheduled = any(record.scheduled_ns is not None for record in sent)
    return msgspec.structs.replace(
        metrics,
        requests_short=sum(map(is_short, ok)),
        requests_late=sum(delay_of(record) > LATE_S for record in sent) if scheduled else None,
        ttft_s_certified=_certified(ttft),
        tpot_s_certified=_certified(tpot),
        e2e_s_certified=_certified(e2e),
        ttft_s_p50_interval=_interval(ttft, streams),
        tpot_s_p50_interval=_interval(tpot, streams),
        e2e_s_p50_interval=_interval(e2e, streams),
        ttft_from_schedule_s=stats(_from_schedule(ok, ttft_of)) if scheduled else None,
        e2e_from_schedule_s=stats(_from_schedule(ok, e2e_of)) if scheduled else None,
        steady=steady_state(window, devices),
        goodput=goodput(sent, slo, metrics.requests_per_s) if slo else None,
        cached_tokens=_cached_tokens(ok),
        sessions=session_metrics(window),
    )


def _cached_tokens(ok: Sequence[RequestRecord]) -> int | None:
    said = [record.cached_tokens for record in ok if record.cached_tokens is not None]
    return sum(said) if said else None


def _certified(values: Sequence[float]) -> Certified:
    return Certified(p50=certified(values, 0.5), p90=certified(values, 0.9), p99=certified(values, 0.99))


def _interval(values: Sequence[float], streams: int) -> Interval | None:
    spread = block_bootstrap(values, median, block_length(len(values), streams))
    return Interval(low=spread.low, high=spread.high) if spread else None


def _from_schedule(ok: Sequence[RequestRecord], of: Callable[[RequestRecord], tuple[float, ...]]) -> Iterator[float]:
    return (value + delay_of(record) for record in ok for value in of(record))


def _whole_run(window: Window, devices: int) -> Metrics | None:
    ok = [record for record in window.records if record.error is None]
    if not any(record.chunks for record in ok):
        return None
    done = counted_load(window)
    tpot_s = stats(chain.from_iterable(map(tpot_of, ok)))
    rates = (done.input_tokens, done.output_tokens, done.input_tokens + done.output_tokens)
    per_s = [tokens / done.duration_s for tokens in rates]
    return Metrics(
        duration_s=done.duration_s,
        whole_s=(window.end_ns - window.start_ns) * _NS,
        requests_ok=len(ok),
        requests_failed=len(window.records) - len(ok),
        requests_counted=done.requests,
        input_tokens=done.input_tokens,
        output_tokens=done.output_tokens,
        ttft_s=stats(chain.from_iterable(map(ttft_of, ok))),
        tpot_s=tpot_s,
        icl_s=stats(chain.from_iterable(map(chunk_gaps_s, ok))),
        e2e_s=stats(chain.from_iterable(map(e2e_of, ok))),
        interactivity_tok_per_s=1 / tpot_s.p50 if tpot_s.p50 else 0.0,
        requests_per_s=done.requests / done.duration_s,
        input_tok_per_s=per_s[0],
        output_tok_per_s=per_s[1],
        total_tok_per_s=per_s[2],
        input_tok_per_s_per_gpu=per_s[0] / devices,
        output_tok_per_s_per_gpu=per_s[1] / devices,
        total_tok_per_s_per_gpu=per_s[2] / devices,
    )


def stats(values: Iterable[float]) -> Stats:
    """All zeros with `n` = 0 for an empty distribution."""
    array = np.fromiter(values, dtype=np.float64)
    if not array.size:
        return Stats(mean=0.0, p50=0.0, p90=0.0, p99=0.0, max=0.0, n=0)
    p50, p90, p99 = np.percentile(array, (50, 90, 99), method="linear").tolist()
    return Stats(mean=float(array.mean()), p50=p50, p90=p90, p99=p99, max=float(array.max()), n=array.size)


def client_budget(window: Window, load: Load) -> ClientBudget:
    """The client's share in the numbers of this window."""
    health = window.health
    delays = stats(delay * _NS for delay in health.stamp_delay_ns) if health.kernel_stamps else None
    duration_s = (window.end_ns - window.start_ns) * _NS
    budget = ClientBudget(
        kernel_stamps=health.kernel_stamps,
        stamp_delay_s_p50=delays.p50 if delays else None,
        stamp_delay_s_p99=delays.p99 if delays else None,
        cpu_share=health.cpu_s / duration_s if duration_s else 0.0,
        reads=health.reads,
        reads_with_several_events=health.reads_with_several_events,
        asked_concurrency=load.streams,
        achieved_concurrency=achieved_concurrency(window, 1 if isinstance(load, Rate) else load.streams),
        clock_drift_share=health.wall_clock_drift_s / duration_s if duration_s else 0.0,
        workers=health.workers,
        stepped_share=health.stepped_s / duration_s if duration_s else 0.0,
    )
    if window.health.schedule_lateness_ns or isinstance(load, Rate):
        lateness = stats(late * _NS for late in window.health.schedule_lateness_ns)
        late = {"schedule_lateness_s_p50": lateness.p50, "schedule_lateness_s_p99": lateness.p99}
        budget = msgspec.structs.replace(budget, **late)
    return _with_rate(budget, window, load) if isinstance(load, Rate) else budget


def _with_rate(budget: ClientBudget, window: Window, load: Rate) -> ClientBudget:
    """What a rate is of: requests, or sessions, which begin with their first."""
    sent = [record.sent_ns for record in window.records if record.turn_of is None or record.turn_of.turn == 0]
    over_s = (max(sent) - min(sent)) * _NS if sent else 0.0
    return msgspec.structs.replace(
        budget,
        asked_requests_per_s=load.requests_per_s,
        sent_requests_per_s=(len(sent) - 1) / over_s if over_s else 0.0,
        held_requests=window.health.held_requests,
    )


def achieved_concurrency(window: Window, streams: int) -> float:
    """Mean requests in flight (sessions held) from when every stream had sent its first until the last was sent.

    The ramp and the drain are left out: they say how long a window was, not how well the client kept up. A window whose
    streams were handed over by a warm-up has no ramp: what is still in flight of it counts. With no request beyond the
    first of each stream, it is their number.
    """
    sessions = live_sessions(window)
    spans = sessions or [(record.sent_ns, record.end_ns) for record in (*window.records, *window.beside)]
    sent = sorted(begin_ns for begin_ns, _ in sessions) or sorted(record.sent_ns for record in window.records)
    if len(sent) <= streams:
        return float(len(sent))
    last_ns = max(record.sent_ns for record in window.records)
    begin_ns = max(sent[streams - 1], window.warm_end_ns or 0)
    if window.beside and not sessions:
        begin_ns = window.joined_ns or window.start_ns
    if begin_ns >= last_ns:
        return float(streams)
    return mean_of_spans(spans, begin_ns, last_ns)
