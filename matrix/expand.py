"""Expansion: recipes x layouts x workloads x concurrencies -> points, and what was dropped with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matrix.arguments import CONTEXT_MARGIN_TOKENS
from matrix.facts import Fact, SizedWorkload
from matrix.point import Concurrency, Point, point_id
from matrix.serving import Layout, layout_slug

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matrix.fleet import Fleet
    from matrix.recipe import Recipe, RecipeLayout


class Dropped(Fact, frozen=True, kw_only=True):
    """A combination a recipe asks for that cannot be measured."""

    id: str
    point: Point
    why: str


def expand(fleet: Fleet) -> Iterator[Point | Dropped]:
    """Every point of every recipe, in the order of the files. Lazy: nothing is held."""
    for recipe_id, recipe in fleet.recipes.items():
        for layout in recipe.layouts:
            for point in _points(fleet, recipe_id, recipe, layout):
                yield _drop_if_impossible(fleet, recipe, point)


def point_of(item: Point | Dropped) -> Point:
    """The point that was asked for, whether or not it can be measured."""
    return item.point if isinstance(item, Dropped) else item


def layout_of(layout: RecipeLayout) -> Layout:
    """The sizes of a recipe's layout, without what it asks to measure."""
    return Layout(**{name: getattr(layout, name) for name in Layout.__struct_fields__})


def layout_name(layout: RecipeLayout) -> str:
    """Its given name, else the slug of its sizes."""
    return layout.name or layout_slug(layout_of(layout))


def _points(fleet: Fleet, recipe_id: str, recipe: Recipe, layout: RecipeLayout) -> Iterator[Point]:
    name, sizes = layout_name(layout), layout_of(layout)
    serving = recipe.serving if layout.serving is None else layout.serving
    for workload_id, concurrencies in layout.points.items():
        for streams in concurrencies:
            yield Point(
                recipe=recipe_id,
                layout_name=name,
                layout=sizes,
                serving=serving,
                workload_id=workload_id,
                workload=fleet.workloads[workload_id],
                load=Concurrency(streams=streams),
            )


def _drop_if_impossible(fleet: Fleet, recipe: Recipe, point: Point) -> Point | Dropped:
    model = fleet.models[recipe.model]
    tokens = context_tokens(point)
    if model.max_context is not None and tokens is not None and tokens > model.max_context:
        why = f"needs a context of {tokens} tokens; {recipe.model} holds {model.max_context}"
        return Dropped(id=point_id(point), point=point, why=why)
    return point


def context_tokens(point: Point) -> int | None:
    """The longest request of a point, with room for what a server adds to a prompt; null for an unknown trace."""
    workload = point.workload
    tokens = workload.isl + workload.osl if isinstance(workload, SizedWorkload) else workload.longest_tokens
    return None if tokens is None else tokens + CONTEXT_MARGIN_TOKENS
