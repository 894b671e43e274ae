"""Grouping: points whose open server arguments are equal share ONE server start.

Points with another power cap or isolation profile never share, nor do conversations and offloaded KV caches: what one
of their points leaves in the server's memory would serve the next. Whether the rest shares *validly* is watched
at run time (prefix-cache hits, order effects); here it is only decided who may share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matrix.arguments import Needs, render
from matrix.expand import context_tokens, layout_name
from matrix.point import digest, point_id
from matrix.recipe import Steps
from matrix.serving import pools
from matrix.workload import SessionWorkload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matrix.fleet import Fleet
    from matrix.point import Point
    from matrix.recipe import FlagValue

Alone = tuple[str, int] | None
GroupKey = tuple[str, str, int | None, str, Alone, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerGroup:
    """One server start. `args` serve the most demanding of its points; empty where there is no one server to start."""

    job_id: str
    recipe: str
    args: tuple[str, ...]
    env: Mapping[str, str]
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """What a layout sets: its own flags and environment over its recipe's. `stepped`: by concurrency, even."""

    flags: Mapping[str, FlagValue]
    env: Mapping[str, str]
    stepped: bool


def group(fleet: Fleet, points: Iterable[Point]) -> tuple[ServerGroup, ...]:
    """Partition points into server groups, in order of first appearance."""
    groups: dict[GroupKey, list[Point]] = {}
    settings = {(recipe, name): one for recipe in fleet.recipes for name, one in _settings(fleet, recipe).items()}
    opened: dict[tuple[str, str, int], tuple[str, ...]] = {}
    for point in points:
        found = settings[point.recipe, point.layout_name]
        cell = (point.recipe, point.layout_name, point.load.streams if found.stepped else 0)
        if cell not in opened:
            opened[cell] = _render(fleet, point, found, None)
        key = (point.recipe, point.layout_name, point.power_cap_w, point.isolation, _alone(point), opened[cell])
        groups.setdefault(key, []).append(point)
    return tuple(_close(fleet, key, settings[key[0], key[1]], members) for key, members in groups.items())


def _settings(fleet: Fleet, recipe_id: str) -> dict[str, _Set]:
    recipe = fleet.recipes[recipe_id]
    found: dict[str, _Set] = {}
    for layout in recipe.layouts:
        flags = {**recipe.flags, **layout.flags}
        stepped = any(isinstance(value, Steps) for value in flags.values())
        found[layout_name(layout)] = _Set(flags=flags, env={**recipe.env, **layout.env}, stepped=stepped)
    return found


def _alone(point: Point) -> Alone:
    """A point that shares its server with no other says here which it is."""
    if point.serving.kv_offload is not None or isinstance(point.workload, SessionWorkload):
        return point.workload_id, point.load.streams
    return None


def _render(fleet: Fleet, point: Point, settings: _Set, needs: Needs | None) -> tuple[str, ...]:
    if pools(point.layout) != (point.layout,):
        return ()
    engine = fleet.engines[fleet.recipes[point.recipe].engine]
    return render(engine, point.layout, settings.flags, point.load.streams, needs)


def _close(fleet: Fleet, key: GroupKey, settings: _Set, members: list[Point]) -> ServerGroup:
    contexts = [context_tokens(point) for point in members]
    needs = Needs(
        largest_concurrency=max(point.load.streams for point in members),
        context_tokens=None if None in contexts else max(filter(None, contexts)),
    )
    return ServerGroup(
        job_id=_job_id(key),
        recipe=key[0],
        args=_render(fleet, members[0], settings, needs),
        env=settings.env,
        points=tuple(sorted(members, key=point_id)),
    )


def _job_id(key: GroupKey) -> str:
    """Readable, and stable when a concurrency or workload is added: only the open arguments are hashed in.

    Ten digits: a layout with a thousand groups has two of one name once in two million fleets.
    """
    recipe, layout, cap, isolation, alone, args = key
    hashed = [cap, isolation, args] if alone is None else [cap, isolation, args, alone]
    return f"{recipe}.{layout}.{digest(hashed)[:10]}"
