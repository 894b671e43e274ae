"""The steady part of a window: after the streams have filled, before they drain, and whether it was steady at all."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.bootstrap import Spread, block_bootstrap, block_length, ratio
from benchmarks.inflight import mean_in_flight, most_in_flight
from benchmarks.latency import tpot_of, ttft_of
from matrix.result import Interval, Steady

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.records import RequestRecord, Window
    from matrix.result import Trend

MIN_REQUESTS = 40
BLOCKS = 10
MAX_CHANGE = 0.05
"""A trend smaller than this over the whole steady part is a plateau, however significant."""
_Z_TWO_SIDED_99 = 2.5758
_NS = 1e-9


def steady_part(window: Window) -> tuple[int, int] | None:
    """(begin, end) in ns. None if nothing was sent after the streams had filled.

    It begins when the last request of the warm-up had ended, or without one the last of the streams' first requests;
    an open loop has filled after one median request. It ends with the last request sent.
    """
    ok = sorted((record for record in window.records if record.error is None), key=lambda record: record.sent_ns)
    if not ok:
        return None
    if window.warm_end_ns is not None:
        begin_ns = max(window.warm_end_ns, window.start_ns)
    elif ok[0].scheduled_ns is not None:
        begin_ns = window.start_ns + round(float(np.median([record.end_ns - record.sent_ns for record in ok])))
    else:
        begin_ns = max(record.end_ns for record in ok[: most_in_flight(ok)])
    end_ns = ok[-1].sent_ns
    return (begin_ns, end_ns) if begin_ns < end_ns else None


def steady_state(window: Window, devices: int) -> Steady | None:
    """None if fewer than MIN_REQUESTS with a TTFT and a TPOT were sent in the steady part."""
    part = steady_part(window)
    if part is None:
        return None
    begin_ns, end_ns = part
    ok = [record for record in window.records if record.error is None]
    inside = sorted((r for r in ok if begin_ns <= r.sent_ns <= end_ns), key=lambda record: record.sent_ns)
    ttft = [value for record in inside for value in ttft_of(record)]
    tpot = [value for record in inside for value in tpot_of(record)]
    if min(len(ttft), len(tpot)) < MIN_REQUESTS:
        return None
    rates = throughput(ok, begin_ns, end_ns)
    ttft_p50, ttft_p90 = np.percentile(ttft, (50, 90)).tolist()
    tpot_p50, tpot_p90 = np.percentile(tpot, (50, 90)).tolist()
    return Steady(
        start_s=(begin_ns - window.start_ns) * _NS,
        duration_s=(end_ns - begin_ns) * _NS,
        requests=len(inside),
        ttft_s_p50=ttft_p50,
        ttft_s_p90=ttft_p90,
        ttft_trend=trend(ttft),
        tpot_s_p50=tpot_p50,
        tpot_s_p90=tpot_p90,
        tpot_trend=trend(tpot),
        interactivity_tok_per_s=1 / tpot_p50 if tpot_p50 else 0.0,
        output_tok_per_s=rates.tokens_out,
        total_tok_per_s=rates.total,
        output_tok_per_s_per_gpu=rates.tokens_out / devices,
        total_tok_per_s_per_gpu=rates.total / devices,
        total_tok_per_s_interval=_interval(rates),
    )


class Throughput(NamedTuple):
    """Tokens/s of the steady part. `spread` is relative to 1, null where there were too few requests to tell."""

    tokens_in: float
    tokens_out: float
    spread: Spread | None

    @property
    def total(self) -> float:
        return self.tokens_in + self.tokens_out


def throughput(ok: Sequence[RequestRecord], begin_ns: int, end_ns: int) -> Throughput:
    """Little's law: requests in flight x their tokens per time, each by how long it was in flight in this time.

    Tokens counted by the clock say the same in the long run, but requests come in waves, and over a few of them the
    count depends on where the first and the last wave are cut. Whole requests of those sent in it would do worse: the
    last of them run while the others have gone, and are faster for it.
    """
    inside = sorted((r for r in ok if r.sent_ns < end_ns and r.end_ns > begin_ns), key=lambda record: record.sent_ns)
    if not inside or begin_ns >= end_ns:
        return Throughput(0.0, 0.0, None)
    rows = [_row(record, begin_ns, end_ns) for record in inside]
    tokens_in, tokens_out, taken_s = np.array(rows, dtype=np.float64).T
    in_flight = mean_in_flight(ok, begin_ns, end_ns)
    pairs = np.stack([tokens_in + tokens_out, taken_s], axis=1)
    spread = block_bootstrap(pairs, ratio, block_length(len(inside), most_in_flight(inside)))
    whole = float(pairs[:, 0].sum() / pairs[:, 1].sum())
    return Throughput(
        tokens_in=in_flight * float(tokens_in.sum() / taken_s.sum()),
        tokens_out=in_flight * float(tokens_out.sum() / taken_s.sum()),
        spread=Spread(spread.low / whole, spread.high / whole, spread.log_se) if spread else None,
    )


def _row(record: RequestRecord, begin_ns: int, end_ns: int) -> tuple[float, float, float]:
    """Its tokens in and out in the time that it was in flight between the two, and that time in s."""
    busy_ns = min(record.end_ns, end_ns) - max(record.sent_ns, begin_ns)
    share = busy_ns / (record.end_ns - record.sent_ns)
    return share * (record.input_tokens or 0), share * (record.output_tokens or 0), busy_ns * _NS


def _interval(rates: Throughput) -> Interval | None:
    spread = rates.spread
    return Interval(low=rates.total * spread.low, high=rates.total * spread.high) if spread else None


def trend(values: Sequence[float]) -> Trend:
    """Mann-Kendall's test at 1 % on the medians of BLOCKS blocks, and Theil-Sen's slope must reach MAX_CHANGE.

    Blocks, because neighbouring requests resemble each other; both rules, because with enough requests any change
    is significant, and with few any change is large.
    """
    medians = [float(np.median(block)) for block in np.array_split(np.asarray(values), BLOCKS)]
    pairs = list(combinations(range(BLOCKS), 2))
    rises = sum(int(np.sign(medians[later] - medians[earlier])) for earlier, later in pairs)
    deviation = math.sqrt(BLOCKS * (BLOCKS - 1) * (2 * BLOCKS + 5) / 18)
    slope = float(np.median([(medians[later] - medians[earlier]) / (later - earlier) for earlier, later in pairs]))
    change = abs(slope) * (BLOCKS - 1)
    if (abs(rises) - 1) / deviation <= _Z_TWO_SIDED_99 or change <= MAX_CHANGE * float(np.median(medians)):
        return "plateau"
    return "drifting_up" if slope > 0 else "drifting_down"
