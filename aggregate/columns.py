"""Filling a `Row`: identity from the plan, numbers from a result that passed every check."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, get_type_hints

import msgspec

from aggregate.rows import Row, series_of
from matrix.facts import TraceWorkload
from matrix.result import Metrics, Stats
from matrix.words import Outcome, Reason

if TYPE_CHECKING:
    from matrix.facts import Workload
    from matrix.plan import Job, Plan, PlannedPoint
    from matrix.result import PointResult
    from matrix.words import Missing

Cell = bool | int | float | str | None
_DISTRIBUTIONS = frozenset(name for name, kind in get_type_hints(Metrics).items() if kind is Stats)


def missing_row(plan: Plan, job: Job, planned: PlannedPoint, shard: str, why: Missing) -> Row:
    """The row of a planned point of which nothing came back: everything the plan knows, and no number."""
    point, server = planned.point, job.server
    isl, osl, range_ratio = _lengths(point.workload)
    return Row(
        run_id=plan.run_id,
        night=plan.night,
        attempt=0,
        shard=shard,
        point_id=planned.id,
        point_key=planned.key,
        series=series_of(planned.key, job.recipe_digest, server.args_digest),
        job_id=job.id,
        recipe=job.recipe,
        recipe_digest=job.recipe_digest,
        server_args_digest=server.args_digest,
        model=server.model_id,
        gpu=server.gpu,
        devices=server.devices,
        engine=server.engine,
        precision=server.precision,
        image=server.image,
        layout_name=point.layout_name,
        tp=point.layout.tp,
        pp=point.layout.pp,
        pcp=point.layout.pcp,
        dp=point.layout.dp,
        ep=point.layout.ep,
        dp_attention=point.layout.dp_attention,
        workload=point.workload_id,
        isl=isl,
        osl=osl,
        range_ratio=range_ratio,
        concurrency=point.load.streams,
        power_cap_w=point.power_cap_w,
        isolation=point.isolation,
        alone=point.alone,
        git_sha=plan.git_sha,
        seed=plan.seed,
        outcome="missing",
        detail=job.blocked or "",
        reasons=why.value,
    )


def _lengths(workload: Workload) -> tuple[int, int, float] | tuple[None, None, None]:
    """Prompt tokens, output tokens and range ratio; a trace has no one length."""
    if isinstance(workload, TraceWorkload):
        return None, None, None
    return workload.isl, workload.osl, workload.ratio


def filled(row: Row, result: PointResult, driver: str | None) -> Row:
    """`row` with what the result says. A result still marked running was killed, and its numbers do not count."""
    outcome, reasons = (result.outcome, result.reasons) if result.outcome else (Outcome.INFRA_FAILED, (Reason.KILLED,))
    seen = result.provenance
    return msgspec.structs.replace(
        row,
        attempt=result.attempt,
        outcome=outcome.value,
        reasons=",".join(reasons),
        detail=result.detail,
        started_at=result.started_at.astimezone(UTC),
        ended_at=result.ended_at.astimezone(UTC) if result.ended_at else None,
        host=seen.host,
        driver=driver,
        engine_version=seen.engine_version,
        order=seen.order,
        server_age_s=seen.server_age_s,
        server_start_s=seen.server_start_s,
        **(_measured(result) if result.outcome else {}),
    )


def metrics_of(row: Row) -> Metrics | None:
    """The inverse of `filled` for metrics; null unless the row has them. A partial set is a `ValidationError`."""
    if row.duration_s is None:
        return None
    cells: dict[str, Cell | dict[str, Cell]] = {}
    for name in Metrics.__struct_fields__:
        if name in _DISTRIBUTIONS:
            cells[name] = {statistic: getattr(row, f"{name}_{statistic}") for statistic in Stats.__struct_fields__}
        else:
            cells[name] = getattr(row, name)
    return msgspec.convert(cells, type=Metrics)


def _measured(result: PointResult) -> dict[str, Cell]:
    """Metric columns are named as the fields they come from, a distribution's statistics behind its name."""
    cells: dict[str, Cell] = {}
    if result.metrics is not None:
        for name in result.metrics.__struct_fields__:
            value = getattr(result.metrics, name)
            cells |= _spread(name, value) if isinstance(value, Stats) else {name: value}
    if result.client is not None:
        cells |= msgspec.structs.asdict(result.client)
    if result.energy is not None:
        energy = result.energy
        cells |= {"energy_j": energy.energy_j, "mean_power_w": energy.mean_power_w, "energy_method": energy.method}
    quality = result.quality
    return cells | {
        "energy_reason": result.energy_reason,
        "length_ratio": quality.length_ratio,
        "greedy_match": quality.greedy_match,
        "quality_reason": quality.reason,
    }


def _spread(name: str, stats: Stats) -> dict[str, Cell]:
    return {f"{name}_{statistic}": value for statistic, value in msgspec.structs.asdict(stats).items()}
