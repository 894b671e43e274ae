"""What a search looks for, and what it may cost: the part of a point that makes it a parent of others.

Which load comes next is decided by `benchmarks.search`, from what was observed and nothing else.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from matrix.facts import Fact, Positive, Seconds
from matrix.slo import Slo

Factor = Annotated[float, msgspec.Meta(gt=1)]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]


class Ramp(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="ramp", tag_field="kind"):
    """A staircase of loads until the server breaks: throughput falls, or too many requests fail."""

    factor: Factor = 2.0


class Refine(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="refine", tag_field="kind"):
    """The frontier of one server: climb to the stop, then measure where it is least known.

    `max_gap` is the mean error of the frontier that is good enough, as a share of throughput.
    """

    factor: Factor = 4.0
    max_gap: Share = 0.02
    max_replicates: Positive = 3


class Reach(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="reach", tag_field="kind"):
    """The highest load at which a certified percentile keeps an SLO, to within `tolerance` of the load."""

    slo: Slo
    factor: Factor = 2.0
    tolerance: Share = 0.05
    max_requests_per_level: Positive = 4000


Method = Ramp | Refine | Reach
MethodKind = Literal["ramp", "refine", "reach"]


class Bounds(Fact, frozen=True, kw_only=True):
    """What a search may cost. Loads are streams or requests per second; measurements count replicates."""

    first_load: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    last_load: Annotated[float, msgspec.Meta(gt=0)] = 1024.0
    max_measurements: Positive = 24
    max_minutes: Seconds = 240.0

    def __post_init__(self) -> None:
        if self.last_load < self.first_load:
            raise ValueError("last_load is below first_load")


class Seek(Fact, frozen=True, kw_only=True):
    """One search: its identity is the method, its bounds are policy."""

    method: Method
    bounds: Bounds = Bounds()


def kind_of(method: Method) -> MethodKind:
    """The word of the dataset, and of a recipe's `kind:`."""
    match method:
        case Ramp():
            return "ramp"
        case Refine():
            return "refine"
        case Reach():
            return "reach"
