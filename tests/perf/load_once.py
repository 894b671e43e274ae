"""One load by our client in a fresh process: `python -m tests.perf.load_once PORT STREAMS REQUESTS TOKENS OUT`.

Writes OUT as `record.write_stamps` does and prints one JSON line. The process is fresh so that its memory, CPU and
start-up are the client's own.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.client import run_load
from benchmarks.records import Prompt, StopRule, Target
from matrix.dialect import Dialect
from matrix.point import Concurrency

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.records import Window

READY_NS = time.monotonic_ns()


def prompts(tokens: int) -> Iterator[Prompt]:
    """Short ones: the prompt is not what is measured here."""
    for index in count():
        yield Prompt(token_ids=(index % 50_000, *range(1, 16)), output_tokens=tokens)


def main() -> int:
    port, streams, requests, tokens = map(int, sys.argv[1:5])
    target = Target(host="127.0.0.1", port=port, model="paced", dialect=Dialect())
    stop = StopRule(min_s=0.0, max_s=120.0, min_requests=requests - streams + 1)
    window = run_load(target, prompts(tokens), Concurrency(streams=streams), stop)
    cpu_s = time.process_time()
    rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"ready_ns": READY_NS, "rss_bytes": rss_bytes, "process_cpu_s": cpu_s, **report(window, streams)}))
    write_stamps(window, Path(sys.argv[5]))
    return 0


def report(window: Window, streams: int) -> dict[str, object]:
    """What the client says of this window, by the same code as in a night."""
    from benchmarks.metrics import client_budget, summarize

    metrics = summarize(window, devices=1)
    assert metrics is not None, window.records[:2]
    budget = client_budget(window, Concurrency(streams=streams))
    found = {"ttft": metrics.ttft_s, "icl": metrics.icl_s, "tpot": metrics.tpot_s, "e2e": metrics.e2e_s}
    return {
        "start_ns": window.start_ns,
        "wall_s": metrics.duration_s,
        "cpu_s": window.health.cpu_s,
        "failed": metrics.requests_failed,
        "chunks": sum(record.chunks for record in window.records),
        "requests": len(window.records),
        "in_flight": budget.achieved_concurrency,
        "stamp_delay_p99_ms": (budget.stamp_delay_s_p99 or 0.0) * 1000,
        "kernel_stamps": budget.kernel_stamps,
        "several": budget.reads_with_several_events,
        "reported_ms": {name: [stats.p50 * 1000, stats.p99 * 1000] for name, stats in found.items()},
    }


def write_stamps(window: Window, out: Path) -> None:
    """Per request, int64s: id, sent, chunks, then the stamp of each chunk."""
    import numpy as np

    parts = [
        np.array([record.index, record.sent_ns, record.chunks, *record.chunk_ns], dtype=np.int64)
        for record in window.records
        if record.error is None
    ]
    np.concatenate(parts).tofile(out)


if __name__ == "__main__":
    sys.exit(main())
