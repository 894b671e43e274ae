"""What a GPU-hour costs, and for how long that was so. Any night can be recomputed with the price then or now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from matrix.facts import Amount, Fact, Id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$(?!\n)")]
Buyer = Literal["hyperscaler", "neocloud", "rental-3-years", "listed"]


class Price(Fact, frozen=True, kw_only=True):
    """Dollars per GPU and hour by who pays, in force from `since` until the day before `until` (null: still).

    `kw_per_gpu` is provisioned power all in: the GPU's share of its server, network, cooling and losses.
    `dating` says how the days are known.
    """

    gpu: Id
    usd_per_gpu_hour: dict[Buyer, Amount]
    kw_per_gpu: Amount | None = None
    since: Day
    until: Day | None = None
    dating: str
    unknown: dict[str, str] = {}
    weak: dict[str, str] = {}
    source: str


def prices_on(prices: Mapping[str, Price], gpu: str, day: date) -> dict[str, Price]:
    """The prices of a GPU in force on a day, by id; several where several sources speak."""
    iso = day.isoformat()
    return {
        name: price
        for name, price in prices.items()
        if price.gpu == gpu and price.since <= iso and (price.until is None or iso < price.until)
    }
