"""One job of a plan: a server group, the host it goes to, and tonight's points in tonight's order."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    )


def in_order(points: Iterable[PlannedPoint], first: frozenset[str], job_id: str, seed: int) -> list[PlannedPoint]:
    """An order drawn from the night's seed, so that server age favours no point over the nights.

    Those in `first` come first, so that a cut night still has its frontiers; searches come after all that, for they
    may break the server; those with a server of their own come last, for it can only start when the shared one is gone.
    """
    shuffled = sorted(points, key=lambda point: point.id)
    random.Random(f"{seed}/{job_id}").shuffle(shuffled)  # noqa: S311 - an order, not a secret
    return sorted(shuffled, key=lambda one: (one.point.alone, one.point.search is not None, one.id not in first))
