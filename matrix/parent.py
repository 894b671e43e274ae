"""A search as a planned parent: it makes points as it runs, and its children are keyed by it + load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from matrix.facts import Fact
from matrix.point import Point, digest, load_slug, named, point_id, point_key, search_slug, with_size
from matrix.search import Bounds, Method, Seek, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class Search(Fact, frozen=True, kw_only=True):
    """`base` says everything but how much load: its own load gives the kind (and the arrival process of a rate)."""

    base: Point
    method: Method
    bounds: Bounds = Bounds()


def search_of(point: Point) -> Search | None:
    """The search that a point stands for; None for one that is a measurement."""
    if point.search is None:
        return None
    base = msgspec.structs.replace(point, search=None)
    return Search(base=base, method=point.search.method, bounds=point.search.bounds)


def as_point(search: Search) -> Point:
    """The parent: a point with the largest load that the search may make."""
    load = with_size(search.base.load, search.bounds.last_load)
    return msgspec.structs.replace(search.base, load=load, search=Seek(method=search.method, bounds=search.bounds))


def search_id(search: Search) -> str:
    """The readable name of a search: its point's with the method for the load, as `r.tp8.1k1k.ramp`."""
    return point_id(as_point(search))


def search_key(search: Search) -> str:
    """A search's identity: bounds are policy, and are left out."""
    return point_key(as_point(search))


def child(search: Search, size: float) -> Point:
    """The point a search measures at one load."""
    return msgspec.structs.replace(search.base, load=with_size(search.base.load, size))


def child_id(search: Search, size: float, replicate: int = 1) -> str:
    """`r.tp8.1k1k.ramp.c64`; a load measured again is `r.tp8.1k1k.ramp.c64-r2`."""
    again = f"-r{replicate}" if replicate > 1 else ""
    method = search_slug(search.method, search.base.load)
    return named(search.base, f"{method}.{load_slug(with_size(search.base.load, size))}{again}")


def child_key(search: Search, size: float) -> str:
    """The identity of a child's series: its parent and its load."""
    return digest([search_key(search), with_size(search.base.load, size)])


def counted(points: Sequence[Point]) -> str:
    """`12 points`, `12 points and 2 searches`."""
    searches = sum(point.search is not None for point in points)
    text = f"{len(points) - searches} points"
    return f"{text} and {searches} search{'es' if searches > 1 else ''}" if searches else text


def search_text(search: Seek) -> str:
    """`ramp from 1 to 512 streams: at most 24 measurements or 120 minutes`."""
    bounds = search.bounds
    return (
        f"{kind_of(search.method)} from {bounds.first_load:g} to {bounds.last_load:g} streams: "
        f"at most {bounds.max_measurements} measurements or {bounds.max_minutes:g} minutes"
    )
