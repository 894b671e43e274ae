"""From the fleet to a plan: which server groups a host runs tonight, in which order, on which seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matrix.blocked import why_blocked
from matrix.check import check
from matrix.errors import DataProblems, FleetError, nearest
from matrix.expand import Dropped, expand, point_of
from matrix.group import ServerGroup, group
from matrix.plan import Job, LeftOut, Plan, PlannedPoint, Server
from matrix.point import Point, digest, point_id, point_key
from matrix.select import EVERYTHING, require
from matrix.serving import device_count
from matrix.traits import traits_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matrix.facts import Host
    from matrix.fleet import Fleet
    from matrix.select import Selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What makes one execution of the plan different from the next."""

    run_id: str
    date: str
    seed: int
    git_sha: str


def build_plan(fleet: Fleet, host_id: str, night: Night, selector: Selector = EVERYTHING) -> Plan:
    """All selected server groups whose recipes ask for the GPU of `host_id`.

    Raises `DataProblems` when the fleet does not check, `FleetError` for an unknown host or an empty selection.
    """
    if problems := check(fleet):
        raise DataProblems(problems)
    if host_id not in fleet.hosts:
        raise FleetError(f"there is no host {host_id!r}: {nearest(host_id, fleet.hosts)}")
    points: list[Point] = []
    left_out: list[LeftOut] = []
    for item, unasked in _with_selection(fleet, selector):
        point = point_of(item)
        why = item.why if isinstance(item, Dropped) else _not_here(fleet, host_id, point) or unasked
        if why is None:
            points.append(point)
        else:
            elsewhere = fleet.recipes[point.recipe].gpu != fleet.hosts[host_id].gpu
            left_out.append(LeftOut(id=point_id(point), why=why, elsewhere=elsewhere))
    jobs = tuple(_job(fleet, fleet.hosts[host_id], found, night) for found in group(fleet, points))
    return Plan(
        run_id=night.run_id,
        night=night.date,
        seed=night.seed,
        git_sha=night.git_sha,
        jobs=jobs,
        left_out=tuple(left_out),
    )


def _with_selection(fleet: Fleet, selector: Selector) -> Iterator[tuple[Point | Dropped, str | None]]:
    """Every item of the matrix, and the option that leaves it out; null where it is asked for."""
    if not selector.conditions:
        yield from ((item, None) for item in expand(fleet))
        return
    traits = traits_of(fleet)
    having = [(item, traits(point_of(item))) for item in expand(fleet)]
    require(selector, [one for _, one in having])
    for item, one in having:
        missed = selector.missed(one)
        yield item, None if missed is None else f"not asked for: {missed}"


def _not_here(fleet: Fleet, host_id: str, point: Point) -> str | None:
    """Why a point is not planned on this host; None when it is."""
    host, gpu, bound = fleet.hosts[host_id], fleet.recipes[point.recipe].gpu, fleet.recipes[point.recipe].host
    if gpu != host.gpu:
        return f"needs {gpu}; host {host_id} has {host.gpu}"
    if bound is not None and bound != host_id:
        return f"runs only on host {bound}"
    reach = (host.devices or 0) * (host.machines if host.linked else 1)
    if reach and device_count(point.layout) > reach:
        return f"needs {device_count(point.layout)} devices; host {host_id} has {reach}"
    return None


def _job(fleet: Fleet, host: Host, found: ServerGroup, night: Night) -> Job:
    return Job(
        id=found.job_id,
        label=host.label,
        backend=host.backend or "unknown",
        recipe=found.recipe,
        recipe_digest=recipe_digest(fleet, found.recipe),
        server=server_of(fleet, found),
        points=tuple(_planned(point) for point in _shuffled(found, night)),
        expected_minutes=expected_minutes(fleet, found),
        blocked=why_blocked(fleet, found.points[0]) or _why_host_blocks(host),
    )


def server_of(fleet: Fleet, found: ServerGroup) -> Server:
    """The server a group of points needs, whatever host it runs on."""
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
        args_digest=digest([found.args, found.env] if found.env else found.args),
        env=dict(found.env),
    )


def expected_minutes(fleet: Fleet, found: ServerGroup) -> float:
    """One server start and all its points."""
    start = fleet.engines[fleet.recipes[found.recipe].engine].start_minutes
    return start + sum(_point_minutes(point) for point in found.points)


def _why_host_blocks(host: Host) -> str | None:
    if host.backend is None:
        return f"host {host.label} does not say how a job is started on it"
    return f"host {host.label} does not say how many devices it has" if host.devices is None else None


def recipe_digest(fleet: Fleet, recipe_id: str) -> str:
    """Identity of what is served, apart from the server's arguments: model, GPU, engine, precision, image.

    The list of points is left out on purpose: asking for one more concurrency must not begin a new history.
    """
    recipe = fleet.recipes[recipe_id]
    model = fleet.models[recipe.model]
    served = [recipe_id, recipe.model, model.weights, recipe.gpu, recipe.engine, recipe.precision, recipe.image]
    return digest(served if recipe.orchestrator is None else [*served, recipe.orchestrator])


def _shuffled(found: ServerGroup, night: Night) -> list[Point]:
    """Points in an order drawn from the night's seed, so that server age favours none of them over the nights."""
    points = list(found.points)
    random.Random(f"{night.seed}/{found.job_id}").shuffle(points)  # noqa: S311 - an order, not a secret
    return points


def _planned(point: Point) -> PlannedPoint:
    return PlannedPoint(id=point_id(point), key=point_key(point), point=point, expected_minutes=_point_minutes(point))


def _point_minutes(point: Point) -> float:
    return point.workload.run_length.min_s * _WARMUP_SHARE / 60


_WARMUP_SHARE = 1.3
"""Warm-up and the drain of the last requests, as a factor on the measured minutes; a default until history."""
