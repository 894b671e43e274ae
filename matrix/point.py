"""A point: one measurement, its readable id, and the key that is its identity."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec

from matrix.facts import Fact, Positive, RandomWorkload, Workload


class Layout(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """How a model is spread over devices. `ep` and `dp_attention` re-use the devices of the other axes."""

    tp: int = 1
    pp: int = 1
    pcp: int = 1
    dp: int = 1
    ep: int = 1
    dp_attention: bool = False


class Concurrency(Fact, frozen=True, kw_only=True, tag="concurrency", tag_field="kind"):
    """Closed loop: `streams` requests in flight, each replaced as it ends."""

    streams: int


class Rate(Fact, frozen=True, kw_only=True, omit_defaults=True, tag="rate", tag_field="kind"):
    """Open loop: requests start on a schedule drawn beforehand, whatever the server does.

    `burstiness` is the shape of gamma-distributed gaps: their variance is 1 / burstiness of a Poisson process'.
    At most `streams` requests are in flight; one that is due beyond that waits, and its wait is counted.
    """

    requests_per_s: Annotated[float, msgspec.Meta(gt=0, le=1e6)]
    arrival: Literal["poisson", "gamma", "constant"] = "poisson"
    burstiness: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    streams: Positive = 256

    def __post_init__(self) -> None:
        """Gamma gaps of shape 1 are Poisson: one load has one spelling, for it is part of a point's key."""
        if (self.arrival == "gamma") == (self.burstiness == 1.0):
            raise ValueError("burstiness is for arrival `gamma`, and there it is not 1 (that is `poisson`)")


Load = Concurrency | Rate
Isolation = Literal["none", "strict", "cluster"]


class Point(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that makes one measurement different from another.

    Defaults are left out of the canonical JSON: a field added later keeps every existing key, and for the same
    reason a default here must never change.
    """

    recipe: str
    layout_name: str
    layout: Layout
    workload_id: str
    workload: Workload
    load: Load
    power_cap_w: int | None = None
    isolation: Isolation = "none"


def device_count(layout: Layout) -> int:
    """Devices one server uses. The only place this is computed: per-device figures divide by it."""
    return layout.tp * layout.pp * layout.pcp * layout.dp


def layout_slug(layout: Layout) -> str:
    """`tp8`, `tp4-dp2-ep8-dpa`: the axes that differ from 1, tensor parallelism always."""
    parts = [f"tp{layout.tp}"]
    for axis in ("pp", "pcp", "dp", "ep"):
        size = getattr(layout, axis)
        if size != 1:
            parts.append(f"{axis}{size}")
    if layout.dp_attention:
        parts.append("dpa")
    return "-".join(parts)


def load_slug(load: Load) -> str:
    """`c64`, `q2p5` (requests per second), `q2p5-gamma0p25`, `q8-constant-s512`: unique for a load."""
    if isinstance(load, Concurrency):
        return f"c{load.streams}"
    parts = [f"q{slug_number(load.requests_per_s)}"]
    if load.arrival == "gamma":
        parts.append(f"gamma{slug_number(load.burstiness)}")
    elif load.arrival == "constant":
        parts.append("constant")
    if load.streams != _DEFAULT_RATE.streams:
        parts.append(f"s{load.streams}")
    return "-".join(parts)


def slug_number(value: float) -> str:
    """The shortest decimal that reads back, without the dot that separates the parts of an id."""
    return repr(value).removesuffix(".0").replace(".", "p").replace("+", "")


def point_id(point: Point) -> str:
    """The readable name of a point, unique within a fleet; e.g. `r.tp8.1k1k.c64`."""
    return named(point, load_slug(point.load))


def named(point: Point, load_text: str) -> str:
    """A point's id with its load written as `load_text`."""
    parts = [point.recipe, point.layout_name, point.workload_id, load_text]
    if point.power_cap_w is not None:
        parts.append(f"cap{point.power_cap_w}w")
    if point.isolation != "none":
        parts.append(point.isolation)
    return ".".join(parts)


def digest(value: object) -> str:
    """sha256 (64 hex digits) of a value's canonical JSON: sorted keys, no spaces, defaults left out."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()


def point_key(point: Point) -> str:
    """A point's identity. How long it is measured is policy, not identity, and is left out."""
    workload = msgspec.structs.replace(point.workload, run_length=_NO_RUN_LENGTH, name="")
    return digest(msgspec.structs.replace(point, workload=workload))


_DEFAULT_RATE = Rate(requests_per_s=1.0)
_NO_RUN_LENGTH = RandomWorkload(name="", isl=1, osl=1).run_length
