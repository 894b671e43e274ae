"""How sure a number is: certified percentiles, and bounds on a share. Binomial tails only; no library needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE = 0.99
Z_ONE_SIDED_95 = 1.6449
Z_TWO_SIDED_95 = 1.9600


class Bounds(NamedTuple):
    low: float
    high: float


def binomial_cdf(successes: int, trials: int, share: float) -> float:
    """P(X <= successes) of a binomial with 0 < share < 1; terms below the 40th standard deviation are left out."""
    if successes < 0:
        return 0.0
    if successes >= trials:
        return 1.0
    spread = math.sqrt(trials * share * (1 - share))
    first = max(0, math.floor(trials * share - 40 * spread - 40))
    whole, log_share, log_rest = math.lgamma(trials + 1), math.log(share), math.log1p(-share)
    terms = (
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * log_share + (trials - k) * log_rest)
        for k in range(first, successes + 1)
    )
    return min(1.0, math.fsum(terms))


def certified_rank(count: int, percentile: float) -> int | None:
    """Which of `count` values, from the largest down (1 is the largest), is surely at or above the percentile.

    MLPerf's early-stopping rule: the largest t with P(Binomial(count, 1 - percentile) <= t) < 1 - CONFIDENCE. None
    where even t = 1 is not sure: p99 needs 662 values.
    """
    share, doubt = 1 - percentile, 1 - CONFIDENCE
    if binomial_cdf(1, count, share) >= doubt:
        return None
    low, high = 1, max(2, math.ceil(count * share))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if binomial_cdf(middle, count, share) < doubt else (low, middle)
    return low


def certified(values: Sequence[float], percentile: float) -> float | None:
    """An upper bound of the percentile that holds with 99 % confidence; None if there are too few values."""
    rank = certified_rank(len(values), percentile)
    return None if rank is None else sorted(values, reverse=True)[rank - 1]


def floor_of(percentile: float) -> int:
    """The fewest values that can certify a percentile."""
    count = 1
    while certified_rank(count, percentile) is None:
        count *= 2
    low, high = count // 2, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if certified_rank(middle, percentile) is not None else (middle, high)
    return high


def is_certified_within(over: int, count: int, percentile: float) -> bool:
    """Whether `count` values of which `over` are above a limit certify that the percentile keeps the limit."""
    rank = certified_rank(count, percentile)
    return rank is not None and over < rank


def is_certified_beyond(over: int, count: int, percentile: float) -> bool:
    """Whether so many are above the limit that, with 99 % confidence, the percentile is above it too."""
    return count > 0 and 1 - binomial_cdf(over - 1, count, 1 - percentile) < 1 - CONFIDENCE


def wilson(successes: int, trials: int, z: float = Z_ONE_SIDED_95) -> Bounds:
    """Wilson's score bounds of a share; (0, 1) without trials."""
    if not trials:
        return Bounds(0.0, 1.0)
    share, z2 = successes / trials, z * z
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    reach = z / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    return Bounds(max(0.0, middle - reach), min(1.0, middle + reach))
