"""What a client says against what the server did: errors of stamps, of latencies, and of the load itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from tests.perf.pacing import Served, Stamps

Pair = tuple[float, float]
_HEAD = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as a client saw it, CLOCK_MONOTONIC."""

    sent_ns: int
    chunk_ns: Stamps


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """(median, p99) in ms."""

    ttft: Pair
    icl: Pair
    tpot: Pair
    e2e: Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`stamp_error_us` is (p50, p99, max) of receive stamp minus send stamp; `late_us` the server's own (p50, p99).

    `true` runs from the request's arrival in the server's kernel to each token's send. `in_flight` is the server's
    count, averaged from when every stream had begun until the last request arrived.
    """

    true: Latencies
    reported: Latencies
    stamp_error_us: tuple[float, float, float]
    late_us: Pair
    in_flight: float
    lost: int


def read_seen(path: Path) -> dict[int, Seen]:
    """Per request, int64s: id, sent, chunks, then the stamp of each chunk."""
    numbers = np.fromfile(path, dtype=np.int64)
    seen: dict[int, Seen] = {}
    at = 0
    while at < len(numbers):
        identity, sent_ns, chunks = numbers[at : at + _HEAD].tolist()
        at += _HEAD + chunks
        seen[identity] = Seen(sent_ns, numbers[at - chunks : at])
    return seen


def compare(served: dict[int, Served], seen: dict[int, Seen], streams: int) -> Comparison:
    """`lost` requests are those that either side did not see, or that have another number of tokens."""
    both = [key for key, one in served.items() if key in seen and len(seen[key].chunk_ns) == len(one.sent_ns)]
    errors = np.concatenate([seen[key].chunk_ns - served[key].sent_ns for key in both]) / 1e3
    late = np.concatenate([one.late_ns for one in served.values()]) / 1e3
    return Comparison(
        true=_latencies([(served[key].arrived_ns, served[key].sent_ns) for key in both]),
        reported=_latencies([(seen[key].sent_ns, seen[key].chunk_ns) for key in both]),
        stamp_error_us=(*np.percentile(np.abs(errors), (50, 99)).tolist(), float(np.abs(errors).max())),
        late_us=_pair(late),
        in_flight=_in_flight([(one.arrived_ns, int(one.sent_ns[-1])) for one in served.values()], streams),
        lost=len(served.keys() | seen.keys()) - len(both),
    )


def _latencies(requests: list[tuple[int, Stamps]]) -> Latencies:
    gaps = np.concatenate([np.diff(stamps) for _, stamps in requests])
    long = [stamps for _, stamps in requests if len(stamps) > 1]
    return Latencies(
        ttft=_pair(np.array([stamps[0] - start for start, stamps in requests]) / 1e6),
        icl=_pair(gaps / 1e6),
        tpot=_pair(np.array([(stamps[-1] - stamps[0]) / (len(stamps) - 1) for stamps in long]) / 1e6),
        e2e=_pair(np.array([stamps[-1] - start for start, stamps in requests]) / 1e6),
    )


def _pair(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Pair:
    if not len(values):
        return 0.0, 0.0
    p50, p99 = np.percentile(values, (50, 99)).tolist()
    return p50, p99


def _in_flight(spans: list[Pair], streams: int) -> float:
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
