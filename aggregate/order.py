"""Order effects: the first point of a server against its repeat as the last. Pure: rows in, rows out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from matrix.words import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aggregate.rows import Row

MAX_DIFFERENCE = 0.05
"""Relative. On GPUs, 95 of 100 points came back within 4.3 % (throughput) and 3.6 % (interactivity) on the next night:
432 pairs of neighbouring nights that InferenceX published in December 2025. On one server it should be less."""

UNJUDGED = "order effect not judged: too few requests for an interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number of one run with its 95 % interval, from within that run: it does not know what changes between runs."""

    name: str
    value: float
    low: float
    high: float


def with_order_effects(rows: Iterable[Row]) -> list[Row]:
    """The same rows; a point and its repeat that disagree are both `invalid/order_effect`.

    Compared are two `ok` rows of one server, for others differ for other causes. A repeat that could not be judged says
    so in its detail. Judging again changes nothing.
    """
    found = list(rows)
    by_id = {row.point_id: row for row in found}
    said: dict[str, str] = {}
    for again in found:
        first = by_id.get(again.twin_of or "") if again.repeat else None
        if first is None or not _comparable(first, again):
            continue
        if detail := order_effect(first, again):
            said |= {first.point_id: detail, again.point_id: detail}
        elif not _judged(first, again):
            by_id[again.point_id] = _noted(again)
    return [_doubted(row, said[row.point_id]) if row.point_id in said else by_id[row.point_id] for row in found]


def order_effect(first: Row, again: Row) -> str | None:
    """How a repeat disagrees: by more than 5 % while its interval and the first's have no point in common. Else null.

    Judged is what has an interval: total tokens per second in the steady state, and the median time per output token.
    """
    said = [
        f"{one.name} {one.value:.4g} first, {other.value:.4g} {other.value / one.value - 1:+.1%} last"
        for one, other in _judged(first, again)
        if _disagree(one, other)
    ]
    return "; ".join(said) or None


def _judged(first: Row, again: Row) -> list[tuple[Estimate, Estimate]]:
    both = zip(_estimates(first), _estimates(again), strict=True)
    return [(one, other) for one, other in both if one is not None and other is not None]


def _comparable(first: Row, again: Row) -> bool:
    """One start of one server: two starts that took equally long to the last bit are not seen in practice."""
    one, other = ((row.attempt, row.host, row.job_id, row.server_start_s) for row in (first, again))
    return one == other and first.outcome == "ok" == again.outcome


def _estimates(row: Row) -> tuple[Estimate | None, Estimate | None]:
    bounds = row.steady_total_tok_per_s_interval_low, row.steady_total_tok_per_s_interval_high
    return (
        _estimate("tok/s", row.steady_total_tok_per_s, *bounds),
        _estimate("TPOT s", row.tpot_s_p50, row.tpot_s_p50_interval_low, row.tpot_s_p50_interval_high),
    )


def _estimate(name: str, value: float | None, low: float | None, high: float | None) -> Estimate | None:
    if not value or low is None or high is None:
        return None
    return Estimate(name=name, value=value, low=low, high=high)


def _disagree(one: Estimate, other: Estimate) -> bool:
    apart = one.high < other.low or other.high < one.low
    return apart and abs(other.value / one.value - 1) > MAX_DIFFERENCE


def _noted(row: Row) -> Row:
    if UNJUDGED in row.detail:
        return row
    return msgspec.structs.replace(row, detail=f"{row.detail} {UNJUDGED}".strip())


def _doubted(row: Row, detail: str) -> Row:
    return msgspec.structs.replace(
        row, outcome=Outcome.INVALID.value, reasons=Reason.ORDER_EFFECT.value, detail=f"{row.detail} {detail}".strip()
    )
