"""What a change to the data changes: points, series that begin anew, server starts, GPU-hours. Two fleets in."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matrix.blocked import why_blocked, why_unpinned
from matrix.errors import listed
from matrix.estimate import expected_minutes
from matrix.expand import expand
from matrix.group import group
from matrix.identity import recipe_digest
from matrix.jobs import server_of
from matrix.point import Point, point_id, point_key
from matrix.serving import device_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matrix.fleet import Fleet
    from matrix.group import ServerGroup
    from matrix.plan import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeDiff:
    """A recipe's points by id, in the order of its layouts. `changed` has why a history begins anew.

    `image` is the change of image of the others, whose histories go on; empty where there is none.
    """

    id: str
    sign: str
    blocked: str = ""  # why none of it would be measured as it is now
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, str]
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDiff:
    """The recipes that differ, and totals before and after.

    `gpu_hours` are of one pass over everything, if all of it were launched.
    """

    recipes: tuple[RecipeDiff, ...]
    points: tuple[int, int]
    starts: tuple[int, int]
    gpu_hours: tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Place:
    point: Point
    group: ServerGroup


@dataclass(frozen=True, slots=True)
class _Side:
    fleet: Fleet
    groups: tuple[ServerGroup, ...]
    places: Mapping[str, Mapping[str, _Place]]

    @property
    def points(self) -> int:
        return sum(len(found.points) for found in self.groups)

    @property
    def gpu_hours(self) -> float:
        devices = [device_count(found.points[0].layout) for found in self.groups]
        minutes = [expected_minutes(self.fleet, found) for found in self.groups]
        return sum(count * each / 60 for count, each in zip(devices, minutes, strict=True))


def diff(before: Fleet, after: Fleet) -> FleetDiff:
    """What `after` measures that `before` did not, measures no longer, and measures differently."""
    old, new = _side(before), _side(after)
    ids = [*after.recipes, *(recipe for recipe in before.recipes if recipe not in after.recipes)]
    return FleetDiff(
        recipes=tuple(found for recipe in ids if (found := _recipe(old, new, recipe)) is not None),
        points=(old.points, new.points),
        starts=(len(old.groups), len(new.groups)),
        gpu_hours=(old.gpu_hours, new.gpu_hours),
    )


def _side(fleet: Fleet) -> _Side:
    groups = group(fleet, (item for item in expand(fleet) if isinstance(item, Point)))
    places: defaultdict[str, dict[str, _Place]] = defaultdict(dict)
    for found in groups:
        places[found.recipe] |= {point_id(point): _Place(point, found) for point in found.points}
    return _Side(fleet, groups, places)


def _recipe(old: _Side, new: _Side, recipe: str) -> RecipeDiff | None:
    before, after = old.places.get(recipe, {}), new.places.get(recipe, {})
    sign = "+" if recipe not in old.fleet.recipes else "-" if recipe not in new.fleet.recipes else "~"
    whys = {name: _why(old, new, before[name], after[name]) for name in after if name in before}
    found = RecipeDiff(
        id=recipe,
        sign=sign,
        blocked=_blocked(new, recipe),
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed={name: why for name, why in whys.items() if why},
        image="" if sign != "~" else _fields_changed(old.fleet, new.fleet, recipe, ("image",)),
    )
    return found if sign != "~" or found.added or found.removed or found.changed or found.image else None


def _blocked(side: _Side, recipe: str) -> str:
    groups = [found for found in side.groups if found.recipe == recipe]
    whys = [why_blocked(side.fleet, found.points[0]) or _loose(server_of(side.fleet, found)) for found in groups]
    return next((why for why in whys if why), "") if all(whys) else ""


def _loose(server: Server) -> str | None:
    why = why_unpinned(server)
    return f"{why}; `inferfleet pin` fixes it" if why else None


def _why(old: _Side, new: _Side, before: _Place, after: _Place) -> str:
    """Why a point's history begins anew; empty when it goes on."""
    reasons: list[str] = []
    recipe = after.point.recipe
    if point_key(before.point) != point_key(after.point):
        names = Point.__struct_fields__
        reasons.append("its " + " and ".join(n for n in names if getattr(before.point, n) != getattr(after.point, n)))
    if recipe_digest(old.fleet, recipe) != recipe_digest(new.fleet, recipe):
        reasons.append(_of_the_recipe(old.fleet, new.fleet, recipe))
    if before.group.args != after.group.args:
        reasons.append("server arguments " + _changes(_flags(before.group.args), _flags(after.group.args)))
    if before.group.env != after.group.env:
        reasons.append("variables " + _changes(before.group.env, after.group.env))
    return "; ".join(reasons)


def _of_the_recipe(before: Fleet, after: Fleet, recipe: str) -> str:
    fields = ("model", "gpu", "engine", "precision", "orchestrator")
    changes = _fields_changed(before, after, recipe, fields)
    return changes or f"the weights of {after.recipes[recipe].model}"


def _fields_changed(before: Fleet, after: Fleet, recipe: str, fields: Sequence[str]) -> str:
    old, new = before.recipes[recipe], after.recipes[recipe]
    return _changes(*({name: str(getattr(one, name) or "none") for name in fields} for one in (old, new)))


def _flags(args: Sequence[str]) -> dict[str, str]:
    """`--name value` pairs, and names alone, by name."""
    flags: dict[str, str] = {}
    name = ""
    for arg in args:
        if arg.startswith("--"):
            name = arg
            flags[name] = ""
        else:
            flags[name] = arg
    return flags


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """`x 1 -> 2, +y 3, -z`."""
    texts: list[str] = []
    for name in sorted({*before, *after}):
        if name not in before:
            texts.append(f"+{name} {after[name]}".rstrip())
        elif name not in after:
            texts.append(f"-{name} {before[name]}".rstrip())
        elif before[name] != after[name]:
            texts.append(f"{name} {before[name]} -> {after[name]}")
    return ", ".join(texts)


def diff_text(found: FleetDiff) -> Iterator[str]:
    """For people: by recipe, points of one reason together, then what it costs."""
    for recipe in found.recipes:
        yield f"{recipe.sign} {recipe.id}"
        yield from _recipe_text(recipe)
    added, removed = (sum(len(getattr(one, kind)) for one in found.recipes) for kind in ("added", "removed"))
    changed = sum(len(one.changed) for one in found.recipes)
    yield f"points: {found.points[0]} -> {found.points[1]} ({added} added, {removed} removed, {changed} changed)"
    yield f"server starts: {found.starts[0]} -> {found.starts[1]}"
    before, after = found.gpu_hours
    yield f"GPU-hours of one pass over everything: {before:.1f} -> {after:.1f} ({after - before:+.1f})"


def _recipe_text(recipe: RecipeDiff) -> Iterator[str]:
    for sign, names in (("+", recipe.added), ("-", recipe.removed)):
        if names:
            yield f"    {sign} {_short(recipe.id, names)}"
    by_why: defaultdict[str, list[str]] = defaultdict(list)
    for name, why in recipe.changed.items():
        by_why[why].append(name)
    if recipe.blocked:
        yield f"    ! nothing of it is measured as it is now: {recipe.blocked}"
    for why, same in by_why.items():
        yield f"    ~ {_short(recipe.id, same)}: a new history begins: {why}"
    if recipe.image:
        yield f"    = {recipe.image}: measured anew at once; no history begins for that"


def _short(recipe: str, names: Sequence[str]) -> str:
    """`7 points (tp1.1k1k c4 c8, tp1.8k1k c4)`: what a layout and workload have in common is said once."""
    by_shape: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        shape, _, load = name.removeprefix(f"{recipe}.").rpartition(".")
        by_shape[shape].append(load)
    shapes = [
        " ".join([shape, *sorted(loads, key=lambda load: (len(load), load))]) for shape, loads in by_shape.items()
    ]
    return f"{len(names)} points ({listed(shapes)})"
