"""Expansion: recipes x layouts x workloads x concurrencies or searches -> points, and what was dropped, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matrix.arguments import CONTEXT_MARGIN_TOKENS, value_breaks
from matrix.facts import Fact
from matrix.point import Concurrency, Point, point_id, size_of
from matrix.search import Bounds, Seek
from matrix.serving import Layout, layout_slug
from matrix.workload import SizedWorkload, TraceWorkload

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
                yield _drop_if_impossible(fleet, recipe, layout, point)


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
    for workload_id, streams, search in _asked(fleet, layout):
        yield Point(
            recipe=recipe_id,
            layout_name=name,
            layout=sizes,
            serving=serving,
            workload_id=workload_id,
            workload=fleet.workloads[workload_id],
            load=Concurrency(streams=streams),
            search=search,
        )


def _asked(fleet: Fleet, layout: RecipeLayout) -> Iterator[tuple[str, int, Seek | None]]:
    """(workload, streams, search): the points of a layout, then its searches with the most streams they may make."""
    for workload, concurrencies in layout.points.items():
        yield from ((workload, streams, None) for streams in concurrencies)
    for workload, searches in layout.searches.items():
        limits = fleet.workloads[workload].run_length.search
        for asked in searches:
            first, last = asked.loads
            bounds = Bounds(
                first_load=first,
                last_load=last,
                max_measurements=limits.max_measurements,
                max_minutes=limits.max_minutes,
            )
            yield workload, last, Seek(method=asked.method, bounds=bounds)


def _drop_if_impossible(fleet: Fleet, recipe: Recipe, layout: RecipeLayout, point: Point) -> Point | Dropped:
    model = fleet.models[recipe.model]
    tokens = context_tokens(point)
    if model.max_context is not None and tokens is not None and tokens > model.max_context:
        why = f"needs a context of {tokens} tokens; {recipe.model} holds {model.max_context}"
        return Dropped(id=point_id(point), point=point, why=why)
    if point.search is not None and (refusal := _why_no_search(recipe, layout, point, point.search)):
        return Dropped(id=point_id(point), point=point, why=refusal)
    return point


def _why_no_search(recipe: Recipe, layout: RecipeLayout, point: Point, search: Seek) -> str | None:
    """A search has one server for all its loads, and none of them may profit from what another left there."""
    if isinstance(point.workload, TraceWorkload):
        return "a search measures many loads on one server; replayed traces share none"
    if point.serving.kv_offload is not None:
        return "a search measures many loads on one server; an offloaded KV cache shares none"
    first, last = round(search.bounds.first_load), round(size_of(point.load))
    for name, value in {**recipe.flags, **layout.flags}.items():
        if breaks := value_breaks(value, first, last):
            return f"a search has one server, and flag {name!r} changes above {breaks[0]} streams: end it there"
    return None


def context_tokens(point: Point) -> int | None:
    """The longest request of a point, with room for what a server adds to a prompt; null for an unknown trace."""
    workload = point.workload
    tokens = workload.isl + workload.osl if isinstance(workload, SizedWorkload) else workload.longest_tokens
    return None if tokens is None else tokens + CONTEXT_MARGIN_TOKENS
