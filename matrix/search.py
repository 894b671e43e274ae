"""A search: a planned parent that makes points as it runs, within stated bounds. Its children are keyed by it + load.

Which point comes next is decided by `benchmarks.search`, from what was observed and nothing else.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from matrix.facts import Fact, Positive, Seconds
from matrix.point import Concurrency, Load, Point, Rate, digest, load_slug, named, point_key, slug_number
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


class Bounds(Fact, frozen=True, kw_only=True):
    """What a search may cost. Loads are streams or requests per second; measurements count replicates."""

    first_load: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    last_load: Annotated[float, msgspec.Meta(gt=0)] = 1024.0
    max_measurements: Positive = 24
    max_minutes: Seconds = 240.0

    def __post_init__(self) -> None:
        if self.last_load < self.first_load:
            raise ValueError("last_load is below first_load")


class Search(Fact, frozen=True, kw_only=True):
    """`base` says everything but how much load: its own load gives the kind (and the arrival process of a rate)."""

    base: Point
    method: Method
    bounds: Bounds = Bounds()


def with_size(load: Load, size: float) -> Load:
    """The same kind of load with so many streams, or requests per second."""
    if isinstance(load, Concurrency):
        return msgspec.structs.replace(load, streams=round(size))
    return msgspec.structs.replace(load, requests_per_s=size)


def size_of(load: Load) -> float:
    """Streams of a closed loop, requests per second of an open one: what a search varies."""
    return float(load.streams) if isinstance(load, Concurrency) else load.requests_per_s


def search_id(search: Search) -> str:
    """The readable name of a search: its point's with the method for the load, as `r.tp8.1k1k.ramp`."""
    return named(search.base, _slug(search))


def search_key(search: Search) -> str:
    """A search's identity: bounds are policy, and are left out."""
    return digest([point_key(_unsized(search.base)), search.method])


def child(search: Search, size: float) -> Point:
    """The point a search measures at one load."""
    return msgspec.structs.replace(search.base, load=with_size(search.base.load, size))


def child_id(search: Search, size: float, replicate: int = 1) -> str:
    """`r.tp8.1k1k.ramp.c64`; a load measured again is `r.tp8.1k1k.ramp.c64-r2`."""
    again = f"-r{replicate}" if replicate > 1 else ""
    return named(search.base, f"{_slug(search)}.{load_slug(with_size(search.base.load, size))}{again}")


def child_key(search: Search, size: float) -> str:
    """The identity of a child's series: its parent and its load."""
    return digest([search_key(search), with_size(search.base.load, size)])


def _slug(search: Search) -> str:
    """`ramp`, `refine`, `reach-ttft0p5-p99`; of rates `ramp-q`, `ramp-q-gamma0p25`."""
    parts = []
    match search.method:
        case Ramp():
            parts.append("ramp")
        case Refine():
            parts.append("refine")
        case Reach(slo=slo):
            limits = {"ttft": slo.ttft_s, "tpot": slo.tpot_s, "e2e": slo.e2e_s}
            parts += ["reach", *(f"{name}{slug_number(limit)}" for name, limit in limits.items() if limit is not None)]
            parts.append(f"p{slug_number(round(slo.percentile * 100, 6))}")
    if isinstance(search.base.load, Rate):
        parts.append(load_slug(with_size(search.base.load, 1.0)).replace("q1", "q", 1))
    return "-".join(parts)


def _unsized(base: Point) -> Point:
    return msgspec.structs.replace(base, load=with_size(base.load, 1.0))
