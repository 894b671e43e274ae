"""The result in the shape of vLLM's `bench serve` result file (0.31), for tools that read those.

Its words are kept and our definitions stand behind them (`README.md`): TTFT begins at the send, ITL is the gap between
chunks. But throughput is counted to the last byte, as there: without a warm-up it is what was completed / `duration`.
Per-request lists, which it writes only when asked to, are left out.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.counting import counted, counted_part
from benchmarks.inflight import most_in_flight
from benchmarks.latency import chunk_gaps_s, e2e_of, tpot_of, ttft_of
from matrix.point import Rate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.bench.run import Benched

Value = str | int | float | None


def vllm_result(benched: Benched) -> dict[str, Value]:
    """Times in ms, throughput per second. Without output all figures are 0, as there."""
    report, window = benched.report, benched.window
    ok = [record for record in window.records if record.error is None]
    load = report.load
    rate = load.requests_per_s if isinstance(load, Rate) else "inf"
    tokens_in, tokens_out = (sum(values) for values in _tokens(benched))
    done = counted(window, counted_part(window)[0], window.end_ns)
    per_s = 1 / done.duration_s if done.duration_s > 0 else 0.0
    result: dict[str, Value] = {
        "date": report.started_at.strftime("%Y%m%d-%H%M%S"),
        "endpoint_type": "openai",
        "backend": "openai",
        "label": report.tool,
        "model_id": report.model,
        "tokenizer_id": None,
        "num_prompts": len(window.records),
        "request_rate": rate,
        "burstiness": load.burstiness if isinstance(load, Rate) else 1.0,
        "max_concurrency": load.streams,
        "duration": (window.end_ns - window.start_ns) / 1e9,
        "completed": len(ok),
        "failed": len(window.records) - len(ok),
        "total_input_tokens": tokens_in,
        "total_output_tokens": tokens_out,
        "request_throughput": done.requests * per_s,
        "request_goodput": report.metrics.goodput.requests_per_s if report.metrics and report.metrics.goodput else None,
        "output_throughput": done.output_tokens * per_s,
        "total_token_throughput": (done.input_tokens + done.output_tokens) * per_s,
        "max_concurrent_requests": most_in_flight(window.records),
    }
    series = {"ttft": ttft_of, "tpot": tpot_of, "itl": chunk_gaps_s, "e2el": e2e_of}
    for name, of in series.items():
        result |= _statistics(name, chain.from_iterable(map(of, ok)))
    return result


def _tokens(benched: Benched) -> tuple[list[int], list[int]]:
    ok = [record for record in benched.window.records if record.error is None]
    return [record.input_tokens or 0 for record in ok], [record.output_tokens or 0 for record in ok]


def _statistics(name: str, seconds: Iterable[float]) -> dict[str, Value]:
    values = np.fromiter(seconds, dtype=np.float64) * 1000
    if not values.size:
        values = np.zeros(1)
    median, p90, p99 = np.percentile(values, (50, 90, 99)).tolist()
    return {
        f"mean_{name}_ms": float(values.mean()),
        f"median_{name}_ms": median,
        f"std_{name}_ms": float(values.std()),
        f"p90_{name}_ms": p90,
        f"p99_{name}_ms": p99,
    }
