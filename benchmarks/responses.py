"""From a finished request to its `RequestRecord`. Runs outside the timed reads."""

from __future__ import annotations

from itertools import accumulate, pairwise
from operator import sub
from typing import TYPE_CHECKING

from benchmarks.answer import DETAIL_CHARS, DONE, Answer
from benchmarks.http1 import StreamFault
from benchmarks.records import RequestError, RequestRecord
from benchmarks.sse import parse
from matrix.errors import one_line

if TYPE_CHECKING:
    from array import array

    from benchmarks.exchange import Exchange


def record_of(exchange: Exchange) -> tuple[RequestRecord, int]:
    """The record, and how many of its reads completed more than one content event (their gaps are lost)."""
    fault = _fault_of(exchange)
    answer = exchange.answer if fault is None else Answer()
    stamps = answer.stamps
    sent_ns = exchange.begun_ns if exchange.sent_ns is None else exchange.sent_ns
    gaps = _believable_gaps(stamps, sent_ns, exchange.closed_ns)
    record = RequestRecord(
        index=exchange.index,
        asked_input_tokens=exchange.asked_input_tokens,
        asked_output_tokens=exchange.asked_output_tokens,
        sent_ns=sent_ns,
        end_ns=max(stamps[-1] if stamps else sent_ns, min(exchange.end_ns, exchange.closed_ns)),
        first_ns=stamps[0] if stamps else None,
        last_ns=stamps[-1] if stamps else None,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        chunks=len(stamps),
        worst_gap_ns=max(gaps, default=0),
        chunk_ns=stamps,
        text_digest=answer.text_digest,
        error=fault[0] if fault else None,
        status=exchange.status,
        detail=printable(fault[1]) if fault else "",
        scheduled_ns=exchange.scheduled_ns,
        cached_tokens=answer.cached_tokens,
        turn_of=exchange.turn_of,
    )
    return record, _reads_with_several(stamps)


def printable(text: str) -> str:
    """At most DETAIL_CHARS of printable ASCII: safe in a log, a table and a terminal."""
    return one_line(text[:DETAIL_CHARS])


def _fault_of(exchange: Exchange) -> tuple[RequestError, str] | None:
    """Reads the answer through; what is wrong with it, if anything."""
    if exchange.error is not None:
        return exchange.error, exchange.detail
    if exchange.plain and exchange.digest() and exchange.answer.done and not exchange.parts:
        return None
    try:
        exchange.follow()
        if exchange.status != 200:
            return RequestError.HTTP_STATUS, _sample(exchange)
        whole = exchange.answer.done or _read_closely(exchange)
    except StreamFault as fault:
        return RequestError.BAD_STREAM, str(fault)
    return None if whole else (RequestError.TRUNCATED_STREAM, "ended before [DONE]")


def _read_closely(exchange: Exchange) -> bool:
    """False when the stream ended before `[DONE]`. Raises StreamFault."""
    head, framing = exchange.head, exchange.framing
    if head is None or framing is None or not head.event_stream:
        kind = head.headers.get("content-type", "") if head else ""
        raise StreamFault(f"content-type {kind!r} instead of an event stream: {_sample(exchange)}")
    parsed = parse(framing.pieces, at_start=not exchange.digested)
    exchange.answer.take_events(parsed.events)
    if exchange.answer.done or parsed.rest == DONE:  # some servers end without the last blank line
        return True
    if parsed.rest is not None and framing.done:
        raise StreamFault(f"event without a blank line at the end: {parsed.rest[:80]!r}")
    return False


def _sample(exchange: Exchange) -> str:
    body = b"".join(data for _, data in exchange.framing.pieces) if exchange.framing else b""
    return body[: DETAIL_CHARS * 4].decode("utf-8", "replace").strip()


def _believable_gaps(stamps: array[int], sent_ns: int, closed_ns: int) -> list[int]:
    """The gaps between stamps. Stamps of a wall clock that was stepped are first bent to what can have been."""
    if not stamps:
        return []
    gaps = list(map(sub, stamps[1:], stamps))
    if stamps[0] < sent_ns or stamps[-1] > closed_ns or min(gaps, default=0) < 0:
        bent = accumulate((max(sent_ns, min(stamp, closed_ns)) for stamp in stamps), max)
        for at, stamp in enumerate(list(bent)):
            stamps[at] = stamp
        gaps = list(map(sub, stamps[1:], stamps))
    return gaps


def _reads_with_several(stamps: array[int]) -> int:
    """Events that came in one read share its stamp."""
    different = set(stamps)
    if len(different) == len(stamps):
        return 0
    return len({stamp for stamp, after in pairwise(stamps) if stamp == after})
