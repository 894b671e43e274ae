"""What a peer says of its run: the same line and the same file as `tests.perf.load_once`, without our packages."""

from __future__ import annotations

import json
import resource
import time
from array import array
from pathlib import Path

READY_NS = time.perf_counter_ns()
_CPU_S = time.process_time()


def report(ready_ns: int, start_ns: int, rows: list[array[int]], out: str) -> None:
    chunks = sum(row[2] for row in rows)
    cpu_s = time.process_time() - _CPU_S
    line = {
        "ready_ns": ready_ns,
        "start_ns": start_ns,
        "cpu_s": cpu_s,
        "wall_s": (max(row[-1] for row in rows) - start_ns) / 1e9,
        "rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "chunks": chunks,
        "requests": len(rows),
        "note": "",
    }
    print(json.dumps(line))
    Path(out).write_bytes(b"".join(row.tobytes() for row in rows))
