"""A point: one measurement, its readable id, and the key that is its identity."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from matrix.canonical import plain
from matrix.facts import Fact, Positive
from matrix.search import Ramp, Reach, Refine, Seek
from matrix.serving import Layout, Serving
from matrix.workload import ReferenceWorkload, RunLength, TraceWorkload, Workload

if TYPE_CHECKING:
    from matrix.search import Method


class Concurrency(Fact, frozen=True, kw_only=True, tag="concurrency", tag_field="kind"):
    """Closed loop: `streams` requests in flight, each replaced as it ends."""

    streams: int


class Rate(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="rate", tag_field="kind"):
    """Open loop: requests start on a schedule drawn beforehand, whatever the server does.

    `burstiness` is the shape of gamma-distributed gaps: their variance is 1 / burstiness of a Poisson process'.
    At most `streams` requests are in flight; one that is due beyond that waits, and its wait is counted. Of a workload
    of sessions it is these that start at the rate, and are held; a trace's may arrive as `recorded`, stretched to it.
    """

    requests_per_s: Annotated[float, msgspec.Meta(gt=0, le=1e6)]
    arrival: Literal["poisson", "gamma", "constant", "recorded"] = "poisson"
    burstiness: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    streams: Positive = 256

    def __post_init__(self) -> None:
        """Gamma gaps of shape 1 are Poisson: one load has one spelling, for it is part of a point's key."""
        if (self.arrival == "gamma") == (self.burstiness == 1.0):
            raise ValueError("burstiness is for arrival `gamma`, and there it is not 1 (that is `poisson`)")


Load = Concurrency | Rate
Isolation = Literal["none", "strict", "cluster"]


class Point(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that makes one measurement different from another. The recipe stands for what it serves: its
    model, image and flags are in the digests of a series.

    Defaults are left out of the canonical JSON: a field added later keeps every existing key, and for the same
    reason a default here must never change. `alone`: measured on a server of its own, beside the same point measured
    on a shared one, so that what sharing changes is known. `repeat`: measured as the last on a server where the same
    point was the first, so that what order and age change is known. Both have keys, thus prompts, of their own.
    `search`: it is no measurement but the parent of some, and `load` is the largest they may have.
    """

    recipe: str
    layout_name: str
    layout: Layout
    serving: Serving = Serving()
    workload_id: str
    workload: Workload
    load: Load
    power_cap_w: int | None = None
    isolation: Isolation = "none"
    alone: bool = False
    repeat: bool = False
    search: Seek | None = None


def load_slug(load: Load) -> str:
    """`c64`, `q2p5` (requests per second), `q2p5-gamma0p25`, `q8-constant-s512`: unique for a load."""
    if isinstance(load, Concurrency):
        return f"c{load.streams}"
    parts = [f"q{slug_number(load.requests_per_s)}"]
    if load.arrival == "gamma":
        parts.append(f"gamma{slug_number(load.burstiness)}")
    elif load.arrival != "poisson":
        parts.append(load.arrival)
    if load.streams != _DEFAULT_RATE.streams:
        parts.append(f"s{load.streams}")
    return "-".join(parts)


def search_slug(method: Method, load: Load) -> str:
    """`ramp`, `refine`, `reach-ttft0p5-p99`; of rates `ramp-q`, `ramp-q-gamma0p25`."""
    parts = []
    match method:
        case Ramp():
            parts.append("ramp")
        case Refine():
            parts.append("refine")
        case Reach(slo=slo):
            limits = {"ttft": slo.ttft_s, "tpot": slo.tpot_s, "e2e": slo.e2e_s}
            parts += ["reach", *(f"{name}{slug_number(limit)}" for name, limit in limits.items() if limit is not None)]
            parts.append(f"p{slug_number(round(slo.percentile * 100, 6))}")
    if isinstance(load, Rate):
        parts.append(load_slug(with_size(load, 1.0)).replace("q1", "q", 1))
    return "-".join(parts)


def with_size(load: Load, size: float) -> Load:
    """The same kind of load with so many streams, or requests per second."""
    if isinstance(load, Concurrency):
        return msgspec.structs.replace(load, streams=round(size))
    return msgspec.structs.replace(load, requests_per_s=size)


def size_of(load: Load) -> float:
    """Streams of a closed loop, requests per second of an open one: what a search varies."""
    return float(load.streams) if isinstance(load, Concurrency) else load.requests_per_s


def slug_number(value: float) -> str:
    """The shortest decimal that reads back, without the dot that separates the parts of an id."""
    return repr(value).removesuffix(".0").replace(".", "p").replace("+", "")


def point_id(point: Point) -> str:
    """The readable name of a point, unique within a fleet; e.g. `r.tp8.1k1k.c64`."""
    search = point.search
    return named(point, load_slug(point.load) if search is None else search_slug(search.method, point.load))


def named(point: Point, load_text: str) -> str:
    """A point's id with its load written as `load_text`."""
    parts = [point.recipe, point.layout_name, point.workload_id, load_text]
    if point.power_cap_w is not None:
        parts.append(f"cap{point.power_cap_w}w")
    if point.isolation != "none":
        parts.append(point.isolation)
    if point.alone:
        parts.append("alone")
    if point.repeat:
        parts.append("repeat")
    return ".".join(parts)


def twin_of(point: Point) -> str | None:
    """The id of the point that this one is measured beside, for comparison; null for a point in its own right."""
    if not (point.alone or point.repeat):
        return None
    return point_id(msgspec.structs.replace(point, alone=False, repeat=False))


def digest(value: object) -> str:
    """sha256 (64 hex digits) of a value's canonical JSON: `matrix.canonical`'s plain value, without spaces."""
    return hashlib.sha256(msgspec.json.encode(plain(value))).hexdigest()


def point_key(point: Point) -> str:
    """A point's identity. How long it is measured and what is good enough are policy, names and sources are labels:
    these are left out. A search is its method at any load.
    """
    if point.search is not None:
        unsized = msgspec.structs.replace(point, search=None, load=with_size(point.load, 1.0))
        return digest([point_key(unsized), point.search.method])
    labels: dict[str, object] = {"run_length": RunLength(), "slo": None, "name": ""}
    if isinstance(point.workload, TraceWorkload):
        labels["source"] = ""
    elif isinstance(point.workload, ReferenceWorkload):
        labels["tokenizer"] = ""  # the set says it
    return digest(msgspec.structs.replace(point, workload=msgspec.structs.replace(point.workload, **labels)))


_DEFAULT_RATE = Rate(requests_per_s=1.0)
