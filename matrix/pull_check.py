"""What a pull request changes, as one bounded record. Made beside the pull request's own code, read on `main` as bytes.

It is data, never text to be shown as it is: whoever shows it makes the words, and treats every string as hostile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from matrix.check import check
from matrix.diff import diff
from matrix.errors import DataProblems, FleetError, cut, one_line
from matrix.facts import Fact, Id
from matrix.fleet import load_fleet
from matrix.result import Amount, Count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from matrix.diff import RecipeDiff
    from matrix.fleet import Fleet

ARTIFACT, FILE = "pull-check", "check.json"
PULL_CHECK_SCHEMA = 1
MOST_PROBLEMS = 40
MOST_RECIPES = 60
MOST_WHYS = 4
LINE_CHARS = 300

Line = Annotated[str, msgspec.Meta(max_length=LINE_CHARS, pattern=r"^[ -~]*$(?!\n)")]


class RecipeChange(Fact, frozen=True, kw_only=True):
    """One recipe that is new (+), gone (-) or different (~): counts of its points, and why histories begin anew.

    `blocked` is why none of it would be measured as it is now.
    """

    id: Id
    sign: Literal["+", "-", "~"]
    gpu: Id
    added: Count
    removed: Count
    changed: Count
    whys: Annotated[tuple[Line, ...], msgspec.Meta(max_length=MOST_WHYS)] = ()
    blocked: Line = ""


class Totals(Fact, frozen=True, kw_only=True):
    """Before and after."""

    points: tuple[Count, Count]
    starts: tuple[Count, Count]
    gpu_hours: tuple[Amount, Amount]


class PullCheck(Fact, frozen=True, kw_only=True):
    """`problems` and `recipes` are the first of `problem_count` and `recipe_count`. `totals` is null with problems.

    `stale` says what `inferfleet render --check` says, empty when every generated file is as it would be.
    """

    schema_version: int = PULL_CHECK_SCHEMA
    problems: Annotated[tuple[Line, ...], msgspec.Meta(max_length=MOST_PROBLEMS)] = ()
    problem_count: Count = 0
    recipes: Annotated[tuple[RecipeChange, ...], msgspec.Meta(max_length=MOST_RECIPES)] = ()
    recipe_count: Count = 0
    totals: Totals | None = None
    stale: Line = ""


def pull_check(before: Path, after: Path, rendered: Callable[[], str]) -> PullCheck:
    """What the data in `after` changes against `before`; `rendered` raises where generated files are old."""
    try:
        fleet = load_fleet(after)
        found = [str(problem) for problem in check(fleet)]
    except DataProblems as error:
        found = [str(problem) for problem in error.problems]
    if found:
        return _of_problems(found)
    try:
        old = load_fleet(before)
        change = diff(old, fleet)
    except FleetError as error:
        return _of_problems([f"the data before it cannot be read: {error}"])
    return PullCheck(
        recipes=tuple(_change(one, fleet, old) for one in change.recipes[:MOST_RECIPES]),
        recipe_count=len(change.recipes),
        totals=Totals(points=change.points, starts=change.starts, gpu_hours=change.gpu_hours),
        stale=_stale(rendered),
    )


def _of_problems(found: list[str]) -> PullCheck:
    lines = (line(" ".join(text.split())) for text in found[:MOST_PROBLEMS])
    return PullCheck(problems=tuple(lines), problem_count=len(found))


def _stale(rendered: Callable[[], str]) -> str:
    try:
        rendered()
    except FleetError as error:
        return line(str(error))
    return ""


def _change(one: RecipeDiff, fleet: Fleet, old: Fleet) -> RecipeChange:
    recipe = fleet.recipes.get(one.id) or old.recipes[one.id]
    return RecipeChange(
        id=one.id,
        sign="+" if one.sign == "+" else "-" if one.sign == "-" else "~",
        gpu=recipe.gpu,
        added=len(one.added),
        removed=len(one.removed),
        changed=len(one.changed),
        whys=tuple(line(why) for why in _first((*_image_lines(one), *one.changed.values()))),
        blocked=line(one.blocked),
    )


def _image_lines(one: RecipeDiff) -> tuple[str, ...]:
    return (f"{one.image}: measured anew at once, its histories go on",) if one.image else ()


def _first(whys: Iterable[str]) -> list[str]:
    """Each once, in order."""
    return list(dict.fromkeys(whys))[:MOST_WHYS]


def line(text: str) -> str:
    """Any text as one line that a record may hold."""
    return cut(one_line(text), LINE_CHARS)
