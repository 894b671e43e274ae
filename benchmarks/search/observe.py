"""From a measured window to what a search needs of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.bootstrap import block_bootstrap, block_length, median
from benchmarks.counting import counted_load
from benchmarks.goodput import is_over
from benchmarks.inflight import most_in_flight
from benchmarks.latency import tpot_of
from benchmarks.search.steps import Observation
from benchmarks.steady import steady_part, throughput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.records import RequestRecord, Window
    from matrix.slo import Slo


def observe(window: Window, size: float, minutes: float, slo: Slo | None = None) -> Observation:
    """`minutes` is what the measurement cost, warm-up included."""
    records = sorted(window.records, key=lambda record: record.sent_ns)
    ok = [record for record in records if record.error is None]
    tpot = [value for record in ok for value in tpot_of(record)]
    spread = block_bootstrap(tpot, median, block_length(len(tpot), most_in_flight(records)))
    rates = throughput(ok, *(steady_part(window) or (window.start_ns, window.end_ns)))
    tpot_s = float(np.median(tpot)) if tpot else 0.0
    done = counted_load(window)
    return Observation(
        size=size,
        requests=len(records),
        failed=len(records) - len(ok),
        minutes=minutes,
        tok_per_s=rates.total,
        log_se=rates.spread.log_se if rates.spread else math.inf,
        x=1 / tpot_s if tpot_s else 0.0,
        x_log_se=spread.log_se if spread else math.inf,
        y=done.output_tokens / done.duration_s if done.duration_s else 0.0,
        over=_over(records, slo) if slo else {},
    )


def _over(records: Sequence[RequestRecord], slo: Slo) -> dict[str, int]:
    broken = [is_over(record, slo) for record in records]
    return {name: sum(one[name] for one in broken) for name in (broken[0] if broken else {})}
