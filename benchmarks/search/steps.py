"""What a search says next: a load to measure, or what it found."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from matrix.facts import Fact

Amount = Annotated[float, msgspec.Meta(ge=0)]


class Stop(StrEnum):
    """Why a search ended."""

    THROUGHPUT_FELL = "throughput_fell"
    ERRORS = "errors"
    GAP = "gap"
    RESOLVED = "resolved"
    EDGE = "edge"
    NOTHING_KEEPS_IT = "nothing_keeps_it"
    BOUND = "bound"
    BUDGET = "budget"


class Measure(Fact, frozen=True, kw_only=True):
    """Measure this load next. `min_requests` is more than the workload's own minimum where a percentile needs it."""

    size: float
    replicate: int = 1
    min_requests: int = 1


class Finding(Fact, frozen=True, kw_only=True):
    """What a search found. `size` null: nothing.

    ramp: `size` is the smallest load whose throughput is not significantly below the highest, `break_size` the first
    load that was too much. refine: `gap` is the mean error of the frontier to be expected, `certified_gap` the most
    it can be if throughput and interactivity are monotone; both shares of throughput. reach: `size` is the highest
    load that surely keeps the SLO, `break_size` the lowest that does not.
    """

    stop: Stop
    size: Amount | None
    break_size: Amount | None = None
    gap: Amount | None = None
    certified_gap: Amount | None = None
    measurements: int
    minutes: Amount
    detail: str = ""


class Observation(Fact, frozen=True, kw_only=True):
    """One measurement as a search sees it.

    `tok_per_s` (input and output) is of the steady part, where there is one; `x` and `y` are the published axes of
    the frontier: interactivity and output tokens/s of the whole run. `*_log_se` are standard errors of logarithms,
    infinite where there is too little to tell. `over` counts, by limit of an SLO, the requests that broke it.
    """

    size: float
    requests: int
    failed: int
    minutes: float
    tok_per_s: float
    log_se: float
    x: float
    x_log_se: float
    y: float
    over: dict[str, int] = {}
