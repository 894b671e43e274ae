"""Grouping: points whose open server arguments are equal share ONE server start.

Points with another power cap or isolation profile never share. Whether sharing is *valid* is watched at run
time (prefix-cache hits, order effects); here it is only decided who may share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matrix.arguments import Needs, render
from matrix.expand import context_tokens, layout_name
from matrix.point import digest, point_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matrix.fleet import Fleet
    from matrix.point import Point
    from matrix.recipe import FlagValue

GroupKey = tuple[str, str, int | None, str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerGroup:
    """One server start. `args` serve the most demanding of its points."""

    job_id: str
    recipe: str
    args: tuple[str, ...]
    points: tuple[Point, ...]


def group(fleet: Fleet, points: Iterable[Point]) -> tuple[ServerGroup, ...]:
    """Partition points into server groups, in order of first appearance."""
    groups: dict[GroupKey, list[Point]] = {}
    flags = {(recipe, name): merged for recipe in fleet.recipes for name, merged in _flags(fleet, recipe).items()}
    opened: dict[tuple[str, str, int], tuple[str, ...]] = {}
    for point in points:
        cell = (point.recipe, point.layout_name, point.load.streams)
        if cell not in opened:
            opened[cell] = _render(fleet, point, flags[point.recipe, point.layout_name], None)
        key = (point.recipe, point.layout_name, point.power_cap_w, point.isolation, opened[cell])
        groups.setdefault(key, []).append(point)
    return tuple(_close(fleet, key, flags[key[0], key[1]], members) for key, members in groups.items())


def _flags(fleet: Fleet, recipe_id: str) -> dict[str, Mapping[str, FlagValue]]:
    """A layout's flags win over its recipe's."""
    recipe = fleet.recipes[recipe_id]
    return {layout_name(layout): {**recipe.flags, **layout.flags} for layout in recipe.layouts}


def _render(fleet: Fleet, point: Point, flags: Mapping[str, FlagValue], needs: Needs | None) -> tuple[str, ...]:
    engine = fleet.engines[fleet.recipes[point.recipe].engine]
    return render(engine, point.layout, flags, point.load.streams, needs)


def _close(fleet: Fleet, key: GroupKey, flags: Mapping[str, FlagValue], members: list[Point]) -> ServerGroup:
    contexts = [context_tokens(point) for point in members]
    needs = Needs(
        largest_concurrency=max(point.load.streams for point in members),
        context_tokens=None if None in contexts else max(filter(None, contexts)),
    )
    return ServerGroup(
        job_id=_job_id(key),
        recipe=key[0],
        args=_render(fleet, members[0], flags, needs),
        points=tuple(sorted(members, key=point_id)),
    )


def _job_id(key: GroupKey) -> str:
    """Readable, and stable when a concurrency or workload is added: only the open arguments are hashed in."""
    recipe, layout, cap, isolation, args = key
    return f"{recipe}.{layout}.{digest([cap, isolation, args])[:6]}"
