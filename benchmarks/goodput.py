"""Requests that are good: whole, and within every limit. A user's clock starts when the request was due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.latency import delay_of, e2e_of, is_short, tpot_of, ttft_of
from matrix.result import Goodput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.records import RequestRecord
    from matrix.slo import Slo


def goodput(records: Sequence[RequestRecord], slo: Slo, ok_per_s: float) -> Goodput:
    """Of all requests sent: failed and short ones are not good, whatever their latency.

    `ok_per_s` is how many ended well in a second: the good ones' rate is their share of it.
    """
    good = sum(is_good(record, slo) for record in records)
    ok = sum(record.error is None for record in records)
    return Goodput(
        limits=", ".join(f"{name} <= {limit:g} s" for name, limit in _limits(slo).items()),
        requests_per_s=ok_per_s * good / ok if ok else 0.0,
        share=good / len(records) if records else 0.0,
    )


def is_good(record: RequestRecord, slo: Slo) -> bool:
    """A limit on what a request does not have (a TPOT of one token) is kept; one on missing output is not."""
    return not any(is_over(record, slo).values())


def is_over(record: RequestRecord, slo: Slo) -> dict[str, bool]:
    """By limit of the SLO, whether this request breaks it. In an open loop TTFT and E2E count from the schedule."""
    lost = record.error is not None or is_short(record) or record.first_ns is None
    delay_s = delay_of(record)
    seen = {
        "ttft": [value + delay_s for value in ttft_of(record)],
        "tpot": list(tpot_of(record)),
        "e2e": [value + delay_s for value in e2e_of(record)],
    }
    return {name: lost or any(value > limit for value in seen[name]) for name, limit in _limits(slo).items()}


def _limits(slo: Slo) -> dict[str, float]:
    limits = {"ttft": slo.ttft_s, "tpot": slo.tpot_s, "e2e": slo.e2e_s}
    return {name: limit for name, limit in limits.items() if limit is not None}
