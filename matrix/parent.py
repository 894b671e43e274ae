"""A search as a planned parent: it makes points as it runs, and its children are keyed by it + load."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from matrix.facts import Fact
from matrix.plan import PlannedPoint
from matrix.point import Point, digest, load_slug, named, point_key, search_slug, with_size
from matrix.search import Bounds, Method, Reach, Seek, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_LOAD = 1e6
_LOAD = re.compile(
    r"[cq](?P<size>[0-9]+(?:p[0-9]+)?(?:e-?[0-9]+)?)(?:-(?!r[0-9])[a-z0-9]+)*(?:-r(?P<again>[0-9]{1,4}))?", re.ASCII
)


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


def child_of_name(search: Search, name: str) -> tuple[float, int] | None:
    """The load and the replicate of a child with this id; None for any other name. The inverse of `child_id`."""
    before, _, after = named(search.base, f"{search_slug(search.method, search.base.load)}.@").partition("@")
    if not (name.startswith(before) and name.endswith(after)):
        return None
    match = _LOAD.fullmatch(name.removeprefix(before).removesuffix(after))
    if match is None:
        return None
    size, replicate = float(match["size"].replace("p", ".")), int(match["again"] or 1)
    return (size, replicate) if 0 < size <= MOST_LOAD and child_id(search, size, replicate) == name else None


def planned_child(parent: PlannedPoint, size: float, replicate: int = 1, min_requests: int = 1) -> PlannedPoint:
    """The point of one measurement. What a percentile needs in requests is asked on top of the workload's minimum, and
    the SLO that is searched for is the one its goodput is counted by.
    """
    search = search_of(parent.point)
    if search is None:
        raise ValueError(f"{parent.id} is no search")
    point = child(search, size)
    length, slo = point.workload.run_length, point.workload.slo
    workload = msgspec.structs.replace(
        point.workload,
        run_length=msgspec.structs.replace(length, min_requests=max(length.min_requests, min_requests)),
        slo=search.method.slo if isinstance(search.method, Reach) else slo,
    )
    return PlannedPoint(
        id=child_id(search, size, replicate),
        key=child_key(search, size),
        point=msgspec.structs.replace(point, workload=workload),
        expected_minutes=parent.expected_minutes / search.bounds.max_measurements,
    )


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
