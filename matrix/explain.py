"""Why a point is there, or is not: from the line that asks for it to the plan that holds it or leaves it out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from matrix.blocked import why_blocked
from matrix.errors import FleetError, nearest
from matrix.expand import Dropped, expand, layout_name, point_of
from matrix.group import group
from matrix.plan import planned_points
from matrix.point import Point, point_id
from matrix.select import EVERYTHING
from matrix.traits import traits_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matrix.fleet import Fleet
    from matrix.plan import Plan
    from matrix.recipe import RecipeLayout
    from matrix.select import Selector


def explain(fleet: Fleet, name: str, selector: Selector = EVERYTHING, plan: Plan | None = None) -> str:
    """In words, for a point or for each reason among a recipe's points; raises a `FleetError` for neither.

    With a plan: whether that plan holds it. With a selector: whether it is meant.
    """
    items = list(expand(fleet))
    if name in fleet.recipes:
        own = [item for item in items if point_of(item).recipe == name]
        return "\n".join([_where(fleet, name), *_tally(fleet, own, selector, plan)])
    for item in items:
        if point_id(point_of(item)) == name:
            return "\n".join([name, *(f"  {line}" for line in _story(fleet, item, selector, plan))])
    raise FleetError(_no_such(fleet, name, [point_id(point_of(item)) for item in items]))


def _where(fleet: Fleet, recipe_id: str) -> str:
    document = fleet.documents[recipe_id]
    return f"{recipe_id}: {document.file}:{document.line((recipe_id,))}"


def _tally(fleet: Fleet, items: list[Point | Dropped], selector: Selector, plan: Plan | None) -> Iterator[str]:
    """What became of a recipe's points, the commonest fate first, each with an example."""
    points = [item for item in items if isinstance(item, Point)]
    yield f"  asks for {len(items)} points; {len(points)} can be measured, on {len(group(fleet, points))} server starts"
    fates: Counter[str] = Counter()
    example: dict[str, str] = {}
    for item in items:
        for fate in _fates(fleet, item, selector, plan):
            fates[fate] += 1
            example.setdefault(fate, point_id(point_of(item)))
    for fate, count in fates.most_common():
        yield f"  {count} x {fate} (e.g. {example[fate]})"


def _story(fleet: Fleet, item: Point | Dropped, selector: Selector, plan: Plan | None) -> Iterator[str]:
    point = point_of(item)
    yield _asked_by(fleet, point)
    if isinstance(item, Point):
        found = next(g for g in group(fleet, _measurable(fleet, point.recipe)) if item in g.points)
        yield f"shares one server start with {len(found.points) - 1} other points: job {found.job_id}"
    yield from _fates(fleet, item, selector, plan)


def _asked_by(fleet: Fleet, point: Point) -> str:
    recipe, document = fleet.recipes[point.recipe], fleet.documents[point.recipe]
    index = next(i for i, layout in enumerate(recipe.layouts) if layout_name(layout) == point.layout_name)
    line = document.line((point.recipe, "layouts", index, "points", point.workload_id))
    return f"asked for at {document.file}:{line}: layout {point.layout_name}, workload {point.workload_id}"


def _measurable(fleet: Fleet, recipe_id: str) -> list[Point]:
    return [item for item in expand(fleet) if isinstance(item, Point) and item.recipe == recipe_id]


def _fates(fleet: Fleet, item: Point | Dropped, selector: Selector, plan: Plan | None) -> Iterator[str]:
    """Each thing that happens to a point between the recipe and a result."""
    if isinstance(item, Dropped):
        yield f"dropped: {item.why}"
        return
    missed = selector.missed(traits_of(fleet)(item))
    if missed is not None:
        yield f"not selected: {missed}"
    if plan is None:
        blocked = why_blocked(fleet, item)
        yield "can be launched" if blocked is None else f"planned, never launched: {blocked}"
    else:
        yield _in_plan(plan, point_id(item))


def _in_plan(plan: Plan, name: str) -> str:
    held = planned_points(plan).get(name)
    if held is None:
        return "left out: " + next(left.why for left in plan.left_out if left.id == name)
    job, _ = held
    fate = "runs" if job.blocked is None else "never launched"
    return f"{fate} in job {job.id}" + (f": {job.blocked}" if job.blocked else "")


def _no_such(fleet: Fleet, name: str, known: list[str]) -> str:
    """A name that begins with a recipe's: say what that recipe does ask for."""
    owners = [recipe for recipe in fleet.recipes if name.startswith(f"{recipe}.")]
    if not owners:
        return f"no point or recipe {name!r}: {nearest(name, [*fleet.recipes, *known])}"
    owner = max(owners, key=len)
    asks = "\n".join(f"    {_asks(layout)}" for layout in fleet.recipes[owner].layouts)
    return f"{name}: {owner} does not ask for this point. It asks for:\n{asks}\n    at {_where(fleet, owner)}"


def _asks(layout: RecipeLayout) -> str:
    points = "; ".join(f"{workload} {', '.join(map(str, streams))}" for workload, streams in layout.points.items())
    return f"{layout_name(layout)}: {points}"
