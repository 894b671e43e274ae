"""What the matrix commands of the front door do, as text in and text out."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import msgspec

from matrix.atomic import write_atomic
from matrix.blocked import why_blocked
from matrix.check import check
from matrix.diff import diff, diff_text
from matrix.errors import DataProblems, FleetError, nearest
from matrix.expand import Dropped, expand, point_of
from matrix.explain import explain
from matrix.fleet import DATA, Fleet, load_fleet
from matrix.gitinfo import git_sha
from matrix.group import ServerGroup, group
from matrix.importers import files
from matrix.importers import recordings as recordings_of
from matrix.jobs import Night, server_of
from matrix.official import unpinned
from matrix.parent import counted, search_text
from matrix.planfile import write_plan
from matrix.planner import NOT_ASKED_FOR, build_plan
from matrix.point import Point, point_id, point_key
from matrix.pull_check import pull_check
from matrix.recipe_new import new_recipe, write_recipe
from matrix.schema import schemas
from matrix.select import EVERYTHING, select
from matrix.traits import traits_of
from matrix.workflow_commands import render_workflows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from matrix.plan import Plan, Server
    from matrix.select import Selector


def _checked(root: Path | None) -> Fleet:
    fleet = load_fleet(root or DATA)
    if not (fleet.engines or fleet.recipes):
        raise FleetError(f"{root or DATA}: holds no fleet data; name a folder like matrix/data")
    if problems := check(fleet):
        raise DataProblems(problems)
    return fleet


def _points(fleet: Fleet) -> list[Point]:
    return [item for item in expand(fleet) if isinstance(item, Point)]


def check_fleet(root: Path | None, *, official: bool = False) -> str:
    """One line of counts when everything agrees; raises `DataProblems` with all that does not.

    `official` asks in addition that nothing can change under its name.
    """
    fleet = _checked(root)
    if official and (problems := unpinned(fleet)):
        raise DataProblems(problems)
    points = _points(fleet)
    starts = len(group(fleet, points))
    return f"ok: {len(fleet.recipes)} recipes, {counted(points)}, {starts} server starts"


def import_inferencex(
    masters: tuple[Path, ...], runners: Path, flags: Path | None, out: Path, *, all_places: bool
) -> str:
    """The report of the import, and whether the fleet in `out` now agrees with itself."""
    imported = files.import_inferencex(masters, runners, flags, out)
    if not imported.recipes:
        named = ", ".join(map(str, masters))
        raise FleetError(
            f"{named}: no configuration in it could be imported\n{imported.report.text(every_place=all_places)}"
        )
    return f"{imported.report.text(every_place=all_places)}\n{out}: {check_fleet(out)}"


def list_points(root: Path | None, selector: Selector = EVERYTHING) -> Iterator[str]:
    """Point ids in the order of the files; a dropped one with its reason."""
    for item in _selected(_checked(root), selector):
        if isinstance(item, Dropped):
            yield f"{item.id}  (dropped: {item.why})"
        else:
            yield point_id(item) if item.search is None else f"{point_id(item)}  ({search_text(item.search)})"


def list_jobs(root: Path | None, selector: Selector = EVERYTHING) -> Iterator[str]:
    """Job ids with the number of points each server start serves, of jobs that hold a selected point."""
    fleet = _checked(root)
    chosen = {point_id(item) for item in _selected(fleet, selector) if isinstance(item, Point)}
    for found in group(fleet, _points(fleet)):
        count = sum(point_id(point) in chosen for point in found.points)
        if count:
            some = "" if count == len(found.points) else f"{count} of "
            yield f"{found.job_id}  ({some}{counted(found.points)} on one server)"


def explain_point(root: Path | None, name: str, selector: Selector) -> str:
    """Why a point or recipe is in the matrix, or is not."""
    return explain(_checked(root), name, selector)


def _selected(fleet: Fleet, selector: Selector) -> Iterable[Point | Dropped]:
    if not selector.conditions:
        return expand(fleet)
    traits = traits_of(fleet)
    return select(selector, expand(fleet), lambda item: traits(point_of(item)))


def show(root: Path | None, name: str) -> str:
    """A recipe, a job or a point, as JSON, with what its server is started with."""
    fleet = _checked(root)
    groups = group(fleet, _points(fleet))
    if name in fleet.recipes:
        jobs = [_job_text(found) for found in groups if found.recipe == name]
        return "\n".join([_pretty(fleet.recipes[name]), *jobs])
    for found in groups:
        if found.job_id == name:
            return _job_text(found)
        for point in found.points:
            if point_id(point) == name:
                return f"{_pretty(point)}\nkey {point_key(point)}\n{_job_text(found)}"
    known = [*fleet.recipes, *(found.job_id for found in groups), *(point_id(p) for g in groups for p in g.points)]
    raise FleetError(f"no recipe, job or point {name!r}: {nearest(name, known)}")


def _job_text(found: ServerGroup) -> str:
    points = "\n".join(f"  {point_id(point)}" for point in found.points)
    return f"job {found.job_id}\n  server arguments: {' '.join(found.args)}\n{points}"


def _pretty(record: object) -> str:
    return msgspec.json.format(msgspec.json.encode(record), indent=2).decode()


def servers(root: Path | None, name: str) -> list[tuple[str, Server]]:
    """The servers of a job, of a point's job, or of all a recipe's jobs, by job id; those that may be launched."""
    fleet = _checked(root)
    groups = group(fleet, _points(fleet))
    meant = [g for g in groups if name in (g.recipe, g.job_id) or name in map(point_id, g.points)]
    if not meant:
        known = [*fleet.recipes, *(found.job_id for found in groups)]
        raise FleetError(f"no recipe, job or point {name!r}: {nearest(name, known)}")
    blocked = [why_blocked(fleet, found.points[0]) for found in meant]
    if all(blocked):
        raise FleetError(f"{meant[0].job_id} is never launched: {blocked[0]}")
    return [(found.job_id, server_of(fleet, found)) for found, why in zip(meant, blocked, strict=True) if why is None]


def start_recipe(root: Path | None, name: str, sibling: str, facts: Mapping[str, str]) -> Iterator[str]:
    """Write a recipe that begins as a copy of `sibling`, and say what is left to do."""
    fleet = load_fleet(root or DATA)
    new = new_recipe(fleet, name, sibling, facts)
    write_recipe(new)
    yield from new.lines()
    yield f"then: inferfleet check; inferfleet show {name}; inferfleet recipe diff"


def diff_recipes(before: Path, root: Path | None) -> Iterator[str]:
    """What the fleet in `root` changes against the one in `before`."""
    try:
        old = _checked(before)
    except DataProblems as error:
        raise FleetError(f"the data to compare with does not check:\n{error}") from None
    if not old.recipes:
        raise FleetError(f"{before}: holds no recipes to compare with; name a folder like matrix/data")
    return diff_text(diff(old, _checked(root)))


def report_change(before: Path, root: Path | None, out: Path) -> str:
    """Write the record of what `root` changes against `before`; what is in it."""
    after = root or DATA
    found = pull_check(before, after, lambda: render_workflows(after, None, check_only=True))
    write_atomic(out, msgspec.json.encode(found))
    return f"{out}: {found.problem_count} problems, {found.recipe_count} recipes change"


def write_schemas(root: Path | None, out: Path) -> Iterator[str]:
    """Write the editor schemas, and say how an editor finds them."""
    for name, schema in schemas(load_fleet(root or DATA)).items():
        write_atomic(out / name, schema)
        yield str(out / name)
    beside = os.path.relpath(out / "recipes.schema.json", (root or DATA) / "recipes" / "VENDOR")
    yield f"a recipe's first line, for editors: # yaml-language-server: $schema={beside}"


def make_plan(root: Path | None, host: str, night: Night, selector: Selector, out: Path) -> str:
    """Write the plan and say what is in it."""
    plan = build_plan(load_fleet(root or DATA), host, night, selector)
    write_plan(plan, out)
    return f"{out}: {summary(plan)}"


def explain_plan(root: Path | None, host: str, name: str, selector: Selector) -> str:
    """Why a point or recipe would be in the plan of this host, or would not. Writes nothing."""
    fleet = load_fleet(root or DATA)
    return explain(fleet, name, plan=build_plan(fleet, host, tonight(None, 0), selector))


def plan_into(root: Path | None, host: str, runs: Path) -> tuple[Path, str]:
    """Plan everything a host can run, in a new folder `runs/<run id>/`; the folder, and what is in the plan."""
    plan = build_plan(load_fleet(root or DATA), host, tonight(None, None))
    folder = runs / plan.run_id
    write_plan(plan, folder / "plan.json")
    return folder, summary(plan)


def summary(plan: Plan) -> str:
    """`run …: 2 server starts, 10 points, about 4 minutes; 3 left out`, of those this host could have measured."""
    points = counted([planned.point for job in plan.jobs for planned in job.points if not planned.point.repeat])
    minutes = sum(job.expected_minutes for job in plan.jobs)
    text = f"run {plan.run_id}: {len(plan.jobs)} server starts, {points}, about {minutes:.0f} minutes"
    asked = [left.why for left in plan.left_out if not left.why.startswith(NOT_ASKED_FOR)]
    if not plan.jobs and asked:
        ((why, count),) = Counter(asked).most_common(1)
        return f"{text}; left out are all {len(asked)} that were asked for, {count} of them because: {why}"
    left_out = sum(not left.elsewhere for left in plan.left_out)
    return f"{text}; {left_out} left out" if left_out else text


MOST_AHEAD_DAYS = 14
"""A dataset whose newest night is further off shows nothing else: a frontier forgets what is 28 days older."""


def tonight(night: str | None, seed: int | None) -> Night:
    """The identity of an execution that begins now."""
    now = datetime.now(UTC)
    try:
        day = date.fromisoformat(night) if night else now.date()
    except ValueError:
        raise FleetError(f"--night {night!r} is not a date: write it as 2026-01-31") from None
    if (ahead := (day - now.date()).days) > MOST_AHEAD_DAYS:
        raise FleetError(f"--night {night} is {ahead} days ahead: beside it, all that was measured would be too old")
    return Night(
        run_id=f"local-{now:%Y%m%dt%H%M%S}-{secrets.token_hex(2)}",
        date=day.isoformat(),
        seed=secrets.randbits(62) if seed is None else seed,
        git_sha=git_sha(),
    )


def import_trace(
    recordings: tuple[Path, ...], whose: recordings_of.Whose, name: str, source: str, out: Path
) -> Iterator[str]:
    """Says what a workload of the trace has to say, and what of the recordings is not in it."""
    trace, left = recordings_of.import_recordings(recordings, whose, name, source, out)
    yield f"{out}: {len(trace.sessions)} sessions, {trace.requests} requests"
    yield f"digest: {trace.digest}"
    yield f"longest_tokens: {trace.longest_tokens}"
    yield from left.lines()
