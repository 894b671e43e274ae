"""One job of a plan: a server group, the host it goes to, and tonight's points in tonight's order."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from matrix.identity import args_digest, recipe_digest
from matrix.plan import Job, PlannedPoint, Server
from matrix.point import point_id, point_key
from matrix.serving import device_count
from matrix.workload import SessionWorkload

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matrix.facts import Host
    from matrix.fleet import Fleet
    from matrix.group import ServerGroup
    from matrix.point import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What makes one execution of the plan different from the next."""

    run_id: str
    date: str
    seed: int
    git_sha: str


def runners_of(fleet: Fleet, jobs: Iterable[Job]) -> dict[str, tuple[str, ...]]:
    """The names of the runners that may take the jobs, by label. A label with machines nobody named is left out."""
    named: dict[str, tuple[str, ...]] = {}
    for label in sorted({job.label for job in jobs}):
        hosts = [host for host in fleet.hosts.values() if host.label == label]
        if hosts and all(host.runners for host in hosts):
            named[label] = tuple(sorted({name for host in hosts for name in host.runners}))
    return named


def job_of(
    fleet: Fleet,
    host: Host,
    found: ServerGroup,
    points: Sequence[PlannedPoint],
    expected_minutes: float,
    blocked: str | None,
) -> Job:
    """`points` of the group, in the order they are to be measured."""
    return Job(
        id=found.job_id,
        label=host.label,
        backend=host.backend or "unknown",
        recipe=found.recipe,
        recipe_digest=recipe_digest(fleet, found.recipe),
        server=server_of(fleet, found),
        points=tuple(points),
        expected_minutes=expected_minutes,
        blocked=blocked,
        of_points=len(found.points),
    )


def server_of(fleet: Fleet, found: ServerGroup) -> Server:
    """The server a group of points needs, whatever host it runs on and whichever of them are measured."""
    recipe = fleet.recipes[found.recipe]
    layout = found.points[0].layout
    return Server(
        engine=recipe.engine,
        dialect=fleet.engines[recipe.engine].dialect,
        model_id=recipe.model,
        model=fleet.models[recipe.model],
        gpu=recipe.gpu,
        precision=recipe.precision,
        layout=layout,
        devices=device_count(layout),
        image=recipe.image,
        args=found.args,
        args_digest=args_digest(found),
        env=dict(found.env),
        prefix_cache=isinstance(found.points[0].workload, SessionWorkload),
    )


def in_order(points: Iterable[PlannedPoint], first: frozenset[str], job_id: str, seed: int) -> list[PlannedPoint]:
    """An order drawn from the night's seed, so that server age favours no point over the nights.

    Those in `first` come first, so that a cut night still has its frontiers; searches come after all that, for they
    may break the server; those with a server of their own come last, for it can only start when the shared one is gone.
    """
    shuffled = sorted(points, key=lambda point: point.id)
    random.Random(f"{seed}/{job_id}").shuffle(shuffled)  # noqa: S311 - an order, not a secret
    return sorted(shuffled, key=lambda one: (one.point.alone, one.point.search is not None, one.id not in first))


def repeat_of(point: Point, minutes: float) -> PlannedPoint:
    """The first point of a server measured once more as its last: another point, with an id and a key of its own."""
    again = msgspec.structs.replace(point, repeat=True)
    return PlannedPoint(
        id=point_id(again), key=point_key(again), point=again, expected_minutes=minutes, why="the first once more"
    )


def repeated_first(ordered: Sequence[PlannedPoint], repeat_from: int | None) -> PlannedPoint | None:
    """The point of an ordered job that is to be measured once more when the others on its server are done."""
    sharing = [planned for planned in ordered if not planned.point.alone and planned.point.search is None]
    if repeat_from is None or len(sharing) < max(repeat_from, 2):
        return None
    return sharing[0] if is_repeatable(sharing[0].point) else None


def is_repeatable(point: Point) -> bool:
    """Whether a second measurement on the same server would say what order does, and nothing else."""
    return point.workload.run_length.repeat_first and point.search is None


def with_repeat(ordered: Sequence[PlannedPoint], again: PlannedPoint) -> list[PlannedPoint]:
    """`again` is the last on the shared server, but for searches, which may break it. Those with a server of their own
    come after that.
    """
    sharing = [planned for planned in ordered if not planned.point.alone and planned.point.search is None]
    return [*sharing, again, *(planned for planned in ordered if planned not in sharing)]
