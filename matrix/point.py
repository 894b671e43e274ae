"""A point: one measurement, its readable id, and the key that is its identity."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from matrix.canonical import plain
from matrix.facts import Fact, RunLength, TraceWorkload, Workload
from matrix.serving import Layout, Serving


class Concurrency(Fact, frozen=True, kw_only=True, tag="concurrency", tag_field="kind"):
    """Closed loop: `streams` requests in flight, each replaced as it ends."""

    streams: int


Load = Concurrency
Isolation = Literal["none", "strict", "cluster"]


class Point(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that makes one measurement different from another. The recipe stands for what it serves: its
    model, image and flags are in the digests of a series.

    Defaults are left out of the canonical JSON: a field added later keeps every existing key, and for the same
    reason a default here must never change. `alone`: measured on a server of its own, beside the same point measured
    on a shared one, so that what sharing changes is known.
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


def point_id(point: Point) -> str:
    """The readable name of a point, unique within a fleet; e.g. `r.tp8.1k1k.c64`."""
    parts = [point.recipe, point.layout_name, point.workload_id, f"c{point.load.streams}"]
    if point.power_cap_w is not None:
        parts.append(f"cap{point.power_cap_w}w")
    if point.isolation != "none":
        parts.append(point.isolation)
    if point.alone:
        parts.append("alone")
    return ".".join(parts)


def digest(value: object) -> str:
    """sha256 (64 hex digits) of a value's canonical JSON: `matrix.canonical`'s plain value, without spaces."""
    return hashlib.sha256(msgspec.json.encode(plain(value))).hexdigest()


def point_key(point: Point) -> str:
    """A point's identity. How long it is measured is policy, names and sources are labels: these are left out."""
    labels: dict[str, object] = {"run_length": RunLength(), "name": ""}
    if isinstance(point.workload, TraceWorkload):
        labels["source"] = ""
    return digest(msgspec.structs.replace(point, workload=msgspec.structs.replace(point.workload, **labels)))
