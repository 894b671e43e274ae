"""How many requests were in flight, from their records alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.records import RequestRecord


def most_in_flight(records: Iterable[RequestRecord]) -> int:
    """The most at one moment: the streams of a closed loop."""
    moves = sorted(move for record in records for move in ((record.sent_ns, 1), (record.end_ns, -1)))
    now = most = 0
    for _, change in moves:
        now += change
        most = max(most, now)
    return most


def mean_in_flight(records: Iterable[RequestRecord], begin_ns: int, end_ns: int) -> float:
    """The mean between two moments, the first before the second."""
    return mean_of_spans(((record.sent_ns, record.end_ns) for record in records), begin_ns, end_ns)


def mean_of_spans(spans: Iterable[tuple[int, int]], begin_ns: int, end_ns: int) -> float:
    """How many of these stretches of time there were at once, in the mean between two moments."""
    return sum(max(0, min(last, end_ns) - max(first, begin_ns)) for first, last in spans) / (end_ns - begin_ns)
