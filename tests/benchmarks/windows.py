"""Windows made by hand: requests one by one, in seconds."""

from __future__ import annotations

from benchmarks.records import ClientHealth, RequestError, RequestRecord, Window

HEALTH = ClientHealth(
    kernel_stamps=True, stamp_delay_ns=(), cpu_s=0.0, reads=0, reads_with_several_events=0, wall_clock_drift_s=0.0
)
S = 10**9


def request(
    index: int,
    sent_s: float,
    ttft_s: float = 0.1,
    tpot_s: float = 0.01,
    tokens: int = 11,
    *,
    asked: int | None = None,
    scheduled_s: float | None = None,
    error: RequestError | None = None,
) -> RequestRecord:
    """`tokens` chunks of one token each; a failed one has none of them."""
    first_ns = round((sent_s + ttft_s) * S)
    stamps = tuple(first_ns + round(place * tpot_s * S) for place in range(tokens)) if error is None else ()
    return RequestRecord(
        index=index,
        asked_input_tokens=20,
        asked_output_tokens=tokens if asked is None else asked,
        sent_ns=round(sent_s * S),
        end_ns=stamps[-1] if stamps else first_ns,
        first_ns=stamps[0] if stamps else None,
        last_ns=stamps[-1] if stamps else None,
        input_tokens=20 if error is None else None,
        output_tokens=tokens if error is None else None,
        chunks=len(stamps),
        chunk_ns=stamps,
        error=error,
        scheduled_ns=None if scheduled_s is None else round(scheduled_s * S),
    )


def window_of(*records: RequestRecord, warm_end_s: float | None = None, health: ClientHealth = HEALTH) -> Window:
    return Window(
        start_ns=min(one.sent_ns for one in records),
        end_ns=max(one.end_ns for one in records),
        records=records,
        health=health,
        warm_end_ns=None if warm_end_s is None else round(warm_end_s * S),
    )
