"""Why a point is there, or is not: from the line that asks for it to the plan that holds it or leaves it out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from matrix.blocked import why_blocked
from matrix.errors import FleetError, nearest
from matrix.expand import Dropped, expand, layout_name, point_of
from matrix.group import group
from matrix.point import Point, point_id
from matrix.select import EVERYTHING
from matrix.traits import traits_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matrix.fleet import Fleet
    from matrix.plan import LeftOut, Plan
    from matrix.recipe import RecipeLayout
    from matrix.select import Selector

NOTHING: Mapping[str, str] = MappingProxyType({})


def explain(
    fleet: Fleet,
    name: str,
    selector: Selector = EVERYTHING,
    plan: Plan | None = None,
    to_split: Mapping[str, str] = NOTHING,
) -> str:
    """The fate of a point, or of a recipe's points, in words. With a plan, its selector has spoken already.

    `to_split` is what the dataset says of recipes that should not share a server.

    Raises a `FleetError` for a name that is neither; where the name begins with a recipe's, it says what that asks for.
    """
    items = list(expand(fleet))
    asked = _Question(
        fleet=fleet, selector=selector, planned=None if plan is None else _planned(plan), to_split=to_split
    )
    if name in fleet.recipes:
        own = [item for item in items if point_of(item).recipe == name]
        return "\n".join([_where(fleet, name), *(f"  {line}" for line in asked.tally(own))])
    for item in items:
        if point_id(point_of(item)) == name:
            own = [other for other in items if point_of(other).recipe == point_of(item).recipe]
            return "\n".join([name, *(f"  {line}" for line in asked.story(item, own))])
    raise FleetError(_no_such(fleet, name, [point_id(point_of(item)) for item in items]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    fleet: Fleet
    selector: Selector
    planned: Mapping[str, str] | None
    to_split: Mapping[str, str]

    def tally(self, items: list[Point | Dropped]) -> Iterator[str]:
        """What becomes of a recipe's points, the commonest fate first, each with an example."""
        points = [item for item in items if isinstance(item, Point)]
        starts = len(group(self.fleet, points))
        yield f"asks for {len(items)} points; {len(points)} can be measured, on {starts} server starts"
        yield from self._hint(point_of(items[0]).recipe)
        named = [(fate, point_id(point_of(item))) for item in items for fate in self.fates(item)]
        examples = dict(reversed(named))
        for fate, count in Counter(fate for fate, _ in named).most_common():
            yield f"{count} x {fate} (e.g. {examples[fate]})"

    def story(self, item: Point | Dropped, siblings: list[Point | Dropped]) -> Iterator[str]:
        """One point: who asks for it, whose server it shares, what becomes of it."""
        yield _asked_by(self.fleet, point_of(item))
        groups = group(self.fleet, [other for other in siblings if isinstance(other, Point)])
        for found in groups:
            if item in found.points:
                yield f"one of {len(found.points)} points on one server start, job {found.job_id}"
                if len(found.points) > 1:
                    yield from self._hint(found.recipe)
        yield from self.fates(item)

    def _hint(self, recipe: str) -> Iterator[str]:
        if recipe in self.to_split:
            yield f"sharing changes its numbers: {self.to_split[recipe]}; layouts of their own give loads other servers"

    def fates(self, item: Point | Dropped) -> Iterator[str]:
        if isinstance(item, Dropped):
            yield f"dropped: {item.why}"
            return
        if self.planned is not None:
            yield self.planned[point_id(item)]
            return
        if missed := self.selector.missed(traits_of(self.fleet)(item)):
            yield f"not selected: {missed}"
        blocked = why_blocked(self.fleet, item)
        gpu = self.fleet.recipes[item.recipe].gpu
        yield f"runs on a host with {gpu}" if blocked is None else f"planned, never launched: {blocked}"


def _planned(plan: Plan) -> dict[str, str]:
    """Every point's fate in a plan."""
    fates = {left.id: _left_out(left) for left in plan.left_out}
    for job in plan.jobs:
        where = f"planned on {job.label}"
        if job.begins_minutes is not None:
            where += f", about {_clock(job.begins_minutes)} into the night"
        if job.blocked is not None:
            where += f", never launched: {job.blocked}"
        fates |= {planned.id: f"{where}: {planned.why}" if planned.why else where for planned in job.points}
    return fates


def _left_out(left: LeftOut) -> str:
    text = f"left out: {left.why}"
    if left.night is not None:
        text += f"; expected on {left.night}"
    return text if left.missing_gpus is None else f"{text}; {left.missing_gpus} more GPUs are needed"


def _clock(minutes: float) -> str:
    """`0:05`, `11:40`."""
    return f"{int(minutes) // 60}:{int(minutes) % 60:02d}"


def _where(fleet: Fleet, recipe_id: str) -> str:
    document = fleet.documents[recipe_id]
    return f"{recipe_id}: {document.file}:{document.line((recipe_id,))}"


def _asked_by(fleet: Fleet, point: Point) -> str:
    recipe, document = fleet.recipes[point.recipe], fleet.documents[point.recipe]
    index = next(i for i, layout in enumerate(recipe.layouts) if layout_name(layout) == point.layout_name)
    line = document.line((point.recipe, "layouts", index, "points", point.workload_id))
    return f"asked for at {document.file}:{line}: layout {point.layout_name}, workload {point.workload_id}"


def _no_such(fleet: Fleet, name: str, known: list[str]) -> str:
    owners = [recipe for recipe in fleet.recipes if name.startswith(f"{recipe}.")]
    if not owners:
        return f"no point or recipe {name!r}: {nearest(name, [*fleet.recipes, *known])}"
    owner = max(owners, key=len)
    asks = "\n".join(f"    {_asks(layout)}" for layout in fleet.recipes[owner].layouts)
    return f"{name}: nobody asks for this point. {_where(fleet, owner)} asks for\n{asks}"


def _asks(layout: RecipeLayout) -> str:
    points = "; ".join(f"{workload} {', '.join(map(str, streams))}" for workload, streams in layout.points.items())
    return f"{layout_name(layout)}: {points}"
