"""What a server did between two moments, by the clock: of every request in flight then, the warm-up's last too.

Counting a window's own requests instead leaves out at its begin what the warm-up's still take of the server, and puts
in at its end the time in which streams drain. Both are as long as a request, and a window may be no longer than that.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks.records import RequestRecord, Window

_NS = 1e-9


class Counted(NamedTuple):
    """Of a request that was cut, everything counts by the share of its output that came inside."""

    duration_s: float
    requests: float
    input_tokens: int
    output_tokens: int


def counted_part(window: Window) -> tuple[int, int]:
    """(begin, end) in ns: from the first send (of the last worker to begin) for as long as the load was on.

    A closed loop is on until the first request ends (well) that no other follows, an open one until its last send.
    Where that leaves nothing, until the last byte.
    """
    begin_ns = window.start_ns if window.joined_ns is None else window.joined_ns
    last_ns = max((record.sent_ns for record in window.records), default=begin_ns)
    if any(record.scheduled_ns is not None for record in window.records):
        end_ns = last_ns
    else:
        everyone = (*window.records, *window.beside)
        ends = (record.end_ns for record in everyone if record.error is None)
        end_ns = min((end for end in ends if end > last_ns), default=last_ns)
    return begin_ns, end_ns if end_ns > begin_ns else max(window.end_ns, begin_ns)


def counted_load(window: Window) -> Counted:
    """Of the part in which the load was on; where nothing came in it, until the last byte."""
    begin_ns, end_ns = counted_part(window)
    done = counted(window, begin_ns, end_ns)
    return done if done.output_tokens else counted(window, begin_ns, max(window.end_ns, end_ns))


def counted(window: Window, begin_ns: int, end_ns: int) -> Counted:
    """Requests that ended well only.

    Prompts go by the output too: counted when they are read, a window that happens to end before the next round of
    prompts lacks one in twenty of them after a minute, and half of them after ten seconds.
    """
    requests = tokens_in = tokens_out = 0.0
    for record in (*window.records, *window.beside):
        if record.error is None:
            share = _share(record, begin_ns, end_ns)
            requests += share
            tokens_in += share * (record.input_tokens or 0)
            tokens_out += share * (record.output_tokens or 0)
    return Counted((end_ns - begin_ns) * _NS, requests, round(tokens_in), round(tokens_out))


def _share(record: RequestRecord, begin_ns: int, end_ns: int) -> float:
    """How much of its output came after `begin_ns` and not after `end_ns`; its tokens spread evenly over its chunks."""
    if record.first_ns is None or record.last_ns is None:
        return float(begin_ns < record.end_ns <= end_ns)
    if begin_ns < record.first_ns and record.last_ns <= end_ns:
        return 1.0
    stamps = record.chunk_ns
    if len(stamps):
        return (bisect_right(stamps, end_ns) - bisect_right(stamps, begin_ns)) / len(stamps)
    took_ns = max(1, record.last_ns - record.first_ns)
    return max(0, min(record.last_ns, end_ns) - max(record.first_ns, begin_ns)) / took_ns
