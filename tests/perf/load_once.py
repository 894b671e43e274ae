"""One load by our client in a fresh process: `python -m tests.perf.load_once PORT STREAMS REQUESTS TOKENS OUT`.

Prints one line of JSON, and writes OUT: per request, int64s: id, sent, chunks, then the stamp of each chunk. The
process is fresh so that its memory, CPU and start-up are the client's own.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from array import array
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
HEAVY = ("torch", "transformers", "pandas")


def prompts(tokens: int) -> Iterator[Prompt]:
    """Short ones: the prompt is not what is measured here."""
    for index in count():
        yield Prompt(token_ids=(index % 50_000, *range(1, 16)), output_tokens=tokens)


def main() -> int:
    port, streams, requests, tokens = map(int, sys.argv[1:5])
    target = Target(host="127.0.0.1", port=port, model="paced", dialect=Dialect())
    stop = StopRule(min_s=0.0, max_s=120.0, min_requests=requests, max_requests=requests)
    cpu_s = time.process_time()
    window = run_load(target, prompts(tokens), Concurrency(streams=streams), stop)
    line = {
        "ready_ns": READY_NS,
        "start_ns": window.start_ns,
        "cpu_s": time.process_time() - cpu_s,  # connecting and reading the answers through included
        "wall_s": (window.end_ns - window.start_ns) / 1e9,
        "rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "chunks": sum(record.chunks for record in window.records),
        "requests": len(window.records),
        "note": note(window, streams),
    }
    print(json.dumps(line))
    rows = [
        array("q", [record.index, record.sent_ns, record.chunks, *record.chunk_ns])
        for record in window.records
        if record.error is None
    ]
    Path(sys.argv[5]).write_bytes(b"".join(row.tobytes() for row in rows))
    return 0


def note(window: Window, streams: int) -> str:
    """What the client says of itself, by the same code as in a night."""
    from benchmarks.metrics import client_budget

    budget = client_budget(window, Concurrency(streams=streams))
    heavy = "".join(f", IMPORTS {name}" for name in HEAVY if name in sys.modules)
    stamps = "kernel stamps" if budget.kernel_stamps else "NO kernel stamps"
    delay = f"user space {(budget.stamp_delay_s_p99 or 0) * 1000:.1f} ms later at p99"
    return (
        f"{stamps}, {delay}, {budget.reads_with_several_events} shared reads{', IMPORTS ' * bool(heavy)}{heavy or ''}"
    )


if __name__ == "__main__":
    sys.exit(main())
