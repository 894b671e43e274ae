"""What a search is told, and the load it asks for next; what it found in the end is `matrix.finding.Finding`."""

from __future__ import annotations

from matrix.facts import Fact


class Measure(Fact, frozen=True, kw_only=True):
    """Measure this load next. `min_requests` is more than the workload's own minimum where a percentile needs it."""

    size: float
    replicate: int = 1
    min_requests: int = 1


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
