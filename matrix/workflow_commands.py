"""What `inferfleet render`, `select` and `github dispatch` do, as text in and text out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from matrix.atomic import write_atomic
from matrix.check import check
from matrix.dispatch import dispatch, sweeps_of
from matrix.errors import DataProblems, FleetError
from matrix.expand import expand
from matrix.fleet import DATA, load_fleet
from matrix.flowcheck import problems
from matrix.gitinfo import ROOT
from matrix.group import group
from matrix.pins import PINS, adopted, pins, with_pins
from matrix.planfile import read_plan, write_plan
from matrix.point import Point
from matrix.render import SWEEP, WORKFLOWS, committed_shards, render
from matrix.shard import pack
from matrix.waves import as_lines, of_shard, only, outputs, without_unpinned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matrix.fleet import Fleet
    from matrix.github import GitHub
    from matrix.shard import Shard

_EDITED = "The pin of an action was edited: `inferfleet render --adopt-pins` keeps it, `inferfleet render` undoes it"


def render_workflows(
    fleet_root: Path | None, root: Path | None, *, check_only: bool, adopt: bool = False, kept: Path = PINS
) -> str:
    """Write the workflow files of the fleet under `root`, or say which of them are not as they would be written.

    To `adopt` is to write the pins that the files have now into `kept` first.
    """
    fleet = load_fleet(fleet_root or DATA)
    if found := check(fleet):
        raise DataProblems(found)
    here = root or ROOT
    folder = here / WORKFLOWS
    present = {path.name: path.read_text() for path in sorted(folder.glob("*.yml"))}
    actions = pins(kept.read_text())
    newer = adopted(present, actions) if adopt else actions
    wanted = wanted_files(fleet, present, newer)
    stale = [f"{WORKFLOWS}/{name}" for name in present if SWEEP.fullmatch(name) and f"{WORKFLOWS}/{name}" not in wanted]
    theirs = {f"{WORKFLOWS}/{name}": text for name, text in present.items()}
    _refuse({**theirs, **wanted})
    changed = [name for name, text in wanted.items() if not _is(here / name, text)]
    if check_only and (changed or stale):
        remedy = _remedy(present, actions)
        raise FleetError(f"not as the fleet's data says: {', '.join(changed + stale)}. {remedy}")
    if newer != actions:
        write_atomic(kept, with_pins(kept.read_text(), newer).encode())
    for name in changed:
        write_atomic(here / name, wanted[name].encode())
    for name in stale:
        (here / name).unlink()
    pinned = [newer[action] for action in newer if newer[action] != actions[action]]
    what = ", ".join([*changed, *(f"{name} (deleted)" for name in stale), *pinned]) or "nothing changed"
    return f"{len(wanted)} files: {what}"


def _remedy(present: Mapping[str, str], actions: Mapping[str, str]) -> str:
    """Where a pin was edited, by Dependabot say, a plain `render` would undo it."""
    try:
        edited = adopted(present, actions) != actions
    except FleetError:
        edited = True
    return _EDITED if edited else "Run `inferfleet render`"


def wanted_files(fleet: Fleet, present: Mapping[str, str], actions: Mapping[str, str] | None = None) -> dict[str, str]:
    """Every generated file, given the workflow files there are now (name -> text): jobs stay in their shard."""
    points = (item for item in expand(fleet) if isinstance(item, Point))
    recipes = {found.job_id: found.recipe for found in group(fleet, points)}
    return render(fleet, pack(recipes, committed_shards(present)), actions)


def _refuse(files: Mapping[str, str]) -> None:
    found = [
        f"{name}: {problem}" for name, text in files.items() if name.endswith(".yml") for problem in problems(text)
    ]
    if found:
        raise FleetError("\n".join(found))


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


def select(
    fleet_root: Path | None,
    plan_path: Path,
    listed: str | None,
    names: str | None,
    not_after: str,
    out: Path,
    *,
    unpinned: bool = False,
) -> str:
    """Write the part of a plan that a run starts, and return the step outputs that start it.

    `listed` are a shard's ids, `names` recipes, jobs or points, each separated by spaces; null is everything.
    """
    plan = read_plan(plan_path)
    if not unpinned:
        plan = without_unpinned(plan)
    if listed is not None:
        plan = of_shard(plan, frozenset(listed.split()))
    if names is not None:
        plan = only(plan, names.split())
    values = outputs(plan, labels_of(fleet_root))
    write_plan(plan, out)
    return as_lines({**values, "not_after": not_after})


def labels_of(fleet_root: Path | None) -> frozenset[str]:
    """The runner labels of the fleet's hosts."""
    return frozenset(host.label for host in load_fleet(fleet_root or DATA).hosts.values())


def closing_time(not_after: str | None, hours: float | None) -> str:
    """When the last point may begin, as ISO time in UTC: the time given, or so many hours from now."""
    if (not_after is None) == (hours is None):
        raise FleetError("say either --not-after or --hours")
    if hours is not None:
        return _shown(datetime.now(UTC) + timedelta(hours=hours))
    return _shown(instant(not_after or ""))


def instant(text: str) -> datetime:
    """An ISO time; without a zone it is UTC."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise FleetError(f"{text!r} is not a time: write it as 2026-01-31T06:00:00Z") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _shown(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shards_of(root: Path | None) -> list[Shard]:
    """The shards that are committed under `root`."""
    folder = (root or ROOT) / WORKFLOWS
    return committed_shards({path.name: path.read_text() for path in sorted(folder.glob("sweep-*.yml"))})


def dispatch_sweeps(github: GitHub, plan_path: Path, plan_run: int, not_after: str, root: Path | None) -> str:
    """Start the sweeps of a plan. A `FleetError` names those that GitHub did not start; the others run."""
    plan = read_plan(plan_path)
    sweeps = sweeps_of(plan, shards_of(root))
    if refused := dispatch(github, sweeps, plan_run, not_after):
        raise FleetError("\n".join(refused))
    started = f"{len(plan.jobs)} jobs in sweeps {', '.join(sweeps)}; no point begins after {not_after}"
    return f"{started}\nto follow them: inferfleet github watch --night {plan_run}"
