"""The files of `make perf`: what a client saw, and how that compares with what the server did."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.truth import Comparison, Pair, Told, compare

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.perf.pacing import Served

_HEAD = 3


@dataclass(frozen=True, slots=True)
class Found:
    """`late_us` is the server's own lateness (p50, p99)."""

    comparison: Comparison
    late_us: Pair
    in_flight: float


def find(served: dict[int, Served], seen: dict[int, Told], streams: int) -> Found:
    comparison = compare({key: Told(one.arrived_ns, one.sent_ns.tolist()) for key, one in served.items()}, seen)
    assert comparison is not None, "the client saw none of the server's requests"
    p50, p99 = np.percentile(np.concatenate([one.late_ns for one in served.values()]) / 1e3, (50, 99)).tolist()
    return Found(comparison, (p50, p99), in_flight(served.values(), streams))


def read_seen(path: Path) -> dict[int, Told]:
    """Per request, int64s: id, sent, chunks, then the stamp of each chunk."""
    numbers = np.fromfile(path, dtype=np.int64)
    seen: dict[int, Told] = {}
    at = 0
    while at < len(numbers):
        identity, sent_ns, chunks = numbers[at : at + _HEAD].tolist()
        at += _HEAD + chunks
        seen[identity] = Told(sent_ns, numbers[at - chunks : at].tolist())
    return seen


def in_flight(served: Iterable[Served], streams: int) -> float:
    """Requests at the server at a time, averaged from when every stream had begun until the last request arrived."""
    spans = [(one.arrived_ns, int(one.sent_ns[-1])) for one in served]
    starts = sorted(start for start, _ in spans)
    if len(starts) <= streams:
        return float(len(starts))
    moves = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    begin, end = starts[streams - 1], starts[-1]
    level, area = 0, 0.0
    for (at, change), (later, _) in pairwise([*moves, (end, 0)]):
        level += change
        area += level * max(0.0, min(later, end) - max(at, begin))
    return area / (end - begin)
