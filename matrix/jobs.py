"""One job of a plan: a server group, the host it goes to, and tonight's points in tonight's order."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matrix.facts import SessionWorkload
from matrix.identity import args_digest, recipe_digest
from matrix.plan import Job, PlannedPoint, Server
from matrix.serving import device_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matrix.facts import Host
    from matrix.fleet import Fleet
    from matrix.group import ServerGroup


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

    Those in `first` come first, so that a cut night still has its frontiers; those with a server of their own come
    last, for it can only start when the shared one is gone.
    """
    shuffled = sorted(points, key=lambda point: point.id)
    random.Random(f"{seed}/{job_id}").shuffle(shuffled)  # noqa: S311 - an order, not a secret
    return sorted(shuffled, key=lambda point: (point.point.alone, point.id not in first))
