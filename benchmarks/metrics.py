"""The numbers of one window. Every definition is in `benchmarks/README.md`; percentiles interpolate linearly."""

from __future__ import annotations

from itertools import chain, pairwise
from typing import TYPE_CHECKING

import numpy as np

from matrix.result import ClientBudget, Metrics, Stats

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.records import RequestRecord, Window
    from matrix.point import Load

_NS = 1e-9


def summarize(window: Window, devices: int) -> Metrics | None:
    """None when no request brought any output: there is nothing to measure, and zeros would look like a result."""
    ok = [record for record in window.records if record.error is None]
    if not any(record.chunks for record in ok):
        return None
    duration_s = (window.end_ns - window.start_ns) * _NS
    tpot_s = stats(chain.from_iterable(map(tpot_of, ok)))
    tokens_in = sum(record.input_tokens or 0 for record in ok)
    tokens_out = sum(record.output_tokens or 0 for record in ok)
    per_s = (tokens_in / duration_s, tokens_out / duration_s, (tokens_in + tokens_out) / duration_s)
    return Metrics(
        duration_s=duration_s,
        requests_ok=len(ok),
        requests_failed=len(window.records) - len(ok),
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        ttft_s=stats((record.first_ns - record.sent_ns) * _NS for record in ok if record.first_ns is not None),
        tpot_s=tpot_s,
        icl_s=stats(chain.from_iterable(map(chunk_gaps_s, ok))),
        e2e_s=stats((record.last_ns - record.sent_ns) * _NS for record in ok if record.last_ns is not None),
        interactivity_tok_per_s=1 / tpot_s.p50 if tpot_s.p50 else 0.0,
        requests_per_s=len(ok) / duration_s,
        input_tok_per_s=per_s[0],
        output_tok_per_s=per_s[1],
        total_tok_per_s=per_s[2],
        input_tok_per_s_per_gpu=per_s[0] / devices,
        output_tok_per_s_per_gpu=per_s[1] / devices,
        total_tok_per_s_per_gpu=per_s[2] / devices,
    )


def tpot_of(record: RequestRecord) -> tuple[float, ...]:
    """Seconds per output token after the first; nothing for a request with fewer than two tokens."""
    tokens = record.output_tokens or 0
    if tokens < 2 or record.first_ns is None or record.last_ns is None:
        return ()
    return ((record.last_ns - record.first_ns) * _NS / (tokens - 1),)


def chunk_gaps_s(record: RequestRecord) -> tuple[float, ...]:
    return tuple((after - before) * _NS for before, after in pairwise(record.chunk_ns))


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
    return ClientBudget(
        kernel_stamps=health.kernel_stamps,
        stamp_delay_s_p50=delays.p50 if delays else None,
        stamp_delay_s_p99=delays.p99 if delays else None,
        cpu_share=health.cpu_s / duration_s if duration_s else 0.0,
        reads=health.reads,
        reads_with_several_events=health.reads_with_several_events,
        asked_concurrency=load.streams,
        achieved_concurrency=achieved_concurrency(window.records, load.streams),
        clock_drift_share=health.wall_clock_drift_s / duration_s if duration_s else 0.0,
    )


def achieved_concurrency(records: tuple[RequestRecord, ...], streams: int) -> float:
    """Mean requests in flight from when every stream had sent its first until the last request was sent.

    The ramp and the drain are left out: they say how long a window was, not how well the client kept up.
    With no request beyond the first of each stream, it is the number of those.
    """
    sent = sorted(record.sent_ns for record in records)
    if len(sent) <= streams:
        return float(len(sent))
    begin_ns, end_ns = sent[streams - 1], sent[-1]
    if begin_ns == end_ns:
        return float(streams)
    in_flight_ns = sum(max(0, min(r.end_ns, end_ns) - max(r.sent_ns, begin_ns)) for r in records)
    return in_flight_ns / (end_ns - begin_ns)
