"""Reported metrics against a server's own send stamps: `python -m tests.perf.metrics_against_stamps`.

Exits 1 if a median is off by more than LIMIT_MS. The truth is the server's clock (CLOCK_MONOTONIC, the same host):
from the request being read to each content chunk being sent.
"""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.client import run_load
from benchmarks.metrics import client_budget, summarize
from benchmarks.prompts import random_prompts
from benchmarks.records import StopRule
from matrix.facts import RandomWorkload
from matrix.point import Concurrency
from tests.fake_server.running import running

if TYPE_CHECKING:
    from benchmarks.records import Window
    from tests.fake_server.reply import Stamps

LIMIT_MS = 10.0
TTFT_MS = 50.0
ITL_MS = 20.0


def true_medians_ms(stamps: list[Stamps]) -> dict[str, float]:
    """Medians over the requests as the server saw them; every chunk is one token."""
    done = [one for one in stamps if len(one.content_ns) > 1]
    spans = [(one.content_ns[-1] - one.content_ns[0]) / (len(one.content_ns) - 1) for one in done]
    gaps = [after - before for one in done for before, after in pairwise(one.content_ns)]
    return {
        "TTFT": median(one.content_ns[0] - one.received_ns for one in done) / 1e6,
        "ICL": median(gaps) / 1e6,
        "TPOT": median(spans) / 1e6,
        "E2E": median(one.content_ns[-1] - one.received_ns for one in done) / 1e6,
    }


def reported_medians_ms(window: Window) -> dict[str, float]:
    metrics = summarize(window, devices=1)
    assert metrics is not None, [record.detail for record in window.records][:3]
    found = {"TTFT": metrics.ttft_s, "ICL": metrics.icl_s, "TPOT": metrics.tpot_s, "E2E": metrics.e2e_s}
    return {name: stats.p50 * 1000 for name, stats in found.items()}


def worst_stamp_error_ms(window: Window, stamps: list[Stamps]) -> float:
    """p99, over all chunks, of the client's receive stamp minus the server's send stamp."""
    sent = {one.request_id: one.content_ns for one in stamps}
    errors = sorted(
        seen - there
        for record in window.records
        for seen, there in zip(record.chunk_ns, sent[str(record.index)], strict=True)
    )
    return errors[int(0.99 * (len(errors) - 1))] / 1e6


def compare(streams: int, requests: int, tokens: int, itl_ms: float) -> float:
    """Prints one table; returns the largest difference of a median in ms."""
    workload = RandomWorkload(name="stamps", isl=128, osl=tokens, ratio=1.0)
    load = Concurrency(streams=streams)
    stop = StopRule(min_s=0.0, max_s=60.0, min_requests=requests)
    with running("ok", ttft_ms=TTFT_MS, itl_ms=itl_ms) as server:
        window = run_load(server.target(), random_prompts(workload, (10, 30_000), streams), load, stop)
        stamps = server.stamps()
    budget = client_budget(window, load)
    truth, reported = true_medians_ms(stamps), reported_medians_ms(window)
    chunks = sum(record.chunks for record in window.records)
    print(f"concurrency {streams}: {len(window.records)} requests, {chunks} chunks")
    for name, true_ms in truth.items():
        print(
            f"  {name:4}  true {true_ms:9.3f} ms  reported {reported[name]:9.3f} ms  {reported[name] - true_ms:+8.3f}"
        )
    print(
        f"  chunk stamp error p99 {worst_stamp_error_ms(window, stamps):.3f} ms; kernel stamps {budget.kernel_stamps}, "
        f"kernel-to-user p99 {(budget.stamp_delay_s_p99 or 0) * 1000:.3f} ms, {budget.cpu_share:.1%} of a core, "
        f"{budget.achieved_concurrency:.2f} in flight"
    )
    return max(abs(reported[name] - true_ms) for name, true_ms in truth.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--tokens", type=int, default=50)
    parser.add_argument("--itl-ms", type=float, default=ITL_MS)
    options = parser.parse_args()
    worst_ms = max(compare(streams, 4 * streams, options.tokens, options.itl_ms) for streams in options.streams)
    print(f"worst difference of a median: {worst_ms:.3f} ms (limit {LIMIT_MS} ms)")
    return 1 if worst_ms > LIMIT_MS else 0


if __name__ == "__main__":
    sys.exit(main())
