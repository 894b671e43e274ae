"""The traits of points: what a selector looks at, from a fleet's facts or from a plan alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from matrix.search import kind_of
from matrix.select import Traits
from matrix.serving import device_count, pools
from matrix.workload import SizedWorkload

if TYPE_CHECKING:
    from collections.abc import Callable

    from matrix.facts import Model
    from matrix.fleet import Fleet
    from matrix.plan import Job, PlannedPoint
    from matrix.point import Point


def traits_of(fleet: Fleet) -> Callable[[Point], Traits]:
    """The function that gives a point of `fleet` its traits: but for the load, those of a layout and workload."""
    known: dict[tuple[str, str, str], Traits] = {}

    def traits(point: Point) -> Traits:
        cell = (point.recipe, point.layout_name, point.workload_id)
        if cell not in known:
            recipe = fleet.recipes[point.recipe]
            known[cell] = _traits(
                point,
                model=_names(recipe.model, fleet.models[recipe.model]),
                gpu=recipe.gpu,
                engine=recipe.engine,
                precision=recipe.precision,
            )
        return msgspec.structs.replace(known[cell], conc=(point.load.streams,), search=_search(point))

    return traits


def planned_traits(job: Job, planned: PlannedPoint) -> Traits:
    """The traits of a point of a plan: what is on a host that has the plan and not the fleet."""
    server = job.server
    return _traits(
        planned.point,
        model=_names(server.model_id, server.model),
        gpu=server.gpu,
        engine=server.engine,
        precision=server.precision,
    )


def _names(model_id: str, model: Model) -> tuple[str, ...]:
    return (model_id,) if model.family is None else (model_id, model.family)


def _search(point: Point) -> tuple[str]:
    return ("none" if point.search is None else kind_of(point.search.method),)


def _traits(point: Point, *, model: tuple[str, ...], gpu: str, engine: str, precision: str) -> Traits:
    workload, sizes = point.workload, pools(point.layout)
    lengths = ((workload.isl,), (workload.osl,)) if isinstance(workload, SizedWorkload) else ((), ())
    speculation = point.serving.speculation
    return Traits(
        model=model,
        gpu=tuple(getattr(pool, "gpu", None) or gpu for pool in sizes),
        engine=(engine,),
        precision=(precision,),
        workload=(point.workload_id,),
        recipe=(point.recipe,),
        layout=(point.layout_name,),
        spec=("none" if speculation is None else speculation.method,),
        search=_search(point),
        isl=lengths[0],
        osl=lengths[1],
        conc=(point.load.streams,),
        tp=tuple(pool.tp for pool in sizes),
        pp=tuple(pool.pp for pool in sizes),
        dp=tuple(pool.dp for pool in sizes),
        ep=tuple(pool.ep for pool in sizes),
        devices=(device_count(point.layout),),
    )
