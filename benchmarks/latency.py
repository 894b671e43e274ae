"""One request's latencies, in seconds. Each is empty where the request does not have it. See `README.md`."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.records import RequestRecord

_NS = 1e-9


def ttft_of(record: RequestRecord) -> tuple[float, ...]:
    """First content chunk after send."""
    return () if record.first_ns is None else ((record.first_ns - record.sent_ns) * _NS,)


def e2e_of(record: RequestRecord) -> tuple[float, ...]:
    """Last content chunk after send."""
    return () if record.last_ns is None else ((record.last_ns - record.sent_ns) * _NS,)


def tpot_of(record: RequestRecord) -> tuple[float, ...]:
    """Seconds per output token after the first; nothing for a request with fewer than two tokens."""
    tokens = record.output_tokens or 0
    if tokens < 2 or record.first_ns is None or record.last_ns is None:
        return ()
    return ((record.last_ns - record.first_ns) * _NS / (tokens - 1),)


def chunk_gaps_s(record: RequestRecord) -> tuple[float, ...]:
    """Between neighbouring content chunks."""
    return tuple((after - before) * _NS for before, after in pairwise(record.chunk_ns))


def delay_of(record: RequestRecord) -> float:
    """How much later than scheduled it was sent; 0 in a closed loop."""
    return 0.0 if record.scheduled_ns is None else (record.sent_ns - record.scheduled_ns) * _NS


def is_short(record: RequestRecord) -> bool:
    """Ended well, with fewer tokens than asked for (or without saying how many)."""
    return record.error is None and (record.output_tokens or 0) < record.asked_output_tokens
