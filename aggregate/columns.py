"""Filling a `Row`: identity from the plan, numbers from a result that passed every check."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, get_args

import msgspec

from aggregate.rows import Row, series_of
from matrix.point import Rate, twin_of
from matrix.result import Metrics
from matrix.search import kind_of
from matrix.words import Outcome, Reason
from matrix.workload import ReferenceWorkload, SessionWorkload, SizedWorkload

if TYPE_CHECKING:
    from matrix.plan import Job, Plan, PlannedPoint
    from matrix.result import PointResult
    from matrix.words import Missing
    from matrix.workload import Workload

Cell = bool | int | float | str | None
Cells = dict[str, "Cell | Cells"]


def missing_row(plan: Plan, job: Job, planned: PlannedPoint, shard: str, why: Missing) -> Row:
    """The row of a planned point of which nothing came back: everything the plan knows, and no number."""
    point, server = planned.point, job.server
    isl, osl, range_ratio = _lengths(point.workload)
    row = Row(
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
        repeat=point.repeat,
        twin_of=twin_of(point),
        search_method=kind_of(point.search.method) if point.search else None,
        git_sha=plan.git_sha,
        seed=plan.seed,
        outcome="missing",
        detail=job.blocked or "",
        reasons=why.value,
    )
    row = _with_prompts(row, point.workload)
    return _with_rate(row, point.load) if isinstance(point.load, Rate) else row


def _lengths(workload: Workload) -> tuple[int, int, float] | tuple[None, None, None]:
    """Prompt tokens, output tokens and range ratio; conversations have no one length."""
    if isinstance(workload, SessionWorkload):
        return None, None, None
    return workload.isl, workload.osl, workload.ratio


def _with_prompts(row: Row, workload: Workload) -> Row:
    """What the prompts were made of: the workload's kind, the set of reference prompts, what is common to them."""
    row = msgspec.structs.replace(row, prompts=str(workload.__struct_config__.tag))
    if not isinstance(workload, SizedWorkload):
        return row
    return msgspec.structs.replace(
        row,
        prompt_set=workload.set if isinstance(workload, ReferenceWorkload) else None,
        shared_prefix_share=workload.shared_prefix_share,
        prefix_groups=workload.prefix_groups,
    )


def filled(row: Row, result: PointResult, driver: str | None) -> Row:
    """`row` with what the result says. A result still marked running was killed, and its numbers do not count; what a
    search had found by then does.
    """
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
        exempt=",".join(result.child.exempt) if result.child else "",
        **({} if result.finding is None else _flat(result.finding, "found_")),
        **(_measured(result) if result.outcome else {}),
    )


def _with_rate(row: Row, load: Rate) -> Row:
    """An open loop's `concurrency` is the most requests there may be in flight."""
    return msgspec.structs.replace(
        row, rate_per_s=load.requests_per_s, arrival=load.arrival, burstiness=load.burstiness
    )


def metrics_of(row: Row) -> Metrics | None:
    """The inverse of `filled` for metrics; null unless the row has them. A partial set is a `ValidationError`.

    A part that may be missing is null when all its columns are.
    """
    return None if row.duration_s is None else msgspec.convert(_gathered(row, Metrics, ""), type=Metrics)


def _gathered(row: Row, record: type[msgspec.Struct], prefix: str) -> Cells:
    cells: Cells = {}
    for field in msgspec.structs.fields(record):
        name = prefix + field.name
        part = _part_of(field.type)
        if part is None:
            cells[field.name] = getattr(row, name)
        else:
            inner = _gathered(row, part, f"{name}_")
            cells[field.name] = None if field.default is None and _is_empty(inner) else inner
    return cells


def _part_of(kind: object) -> type[msgspec.Struct] | None:
    """The record a field holds (or may hold), if it holds one."""
    kinds = (kind, *get_args(kind))
    return next((one for one in kinds if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)


def _is_empty(cells: Cells) -> bool:
    return all(_is_empty(value) if isinstance(value, dict) else value is None for value in cells.values())


def _flat(record: msgspec.Struct, prefix: str = "") -> dict[str, Cell]:
    """A column is named after the path of fields that leads to it; a missing part leaves its columns out."""
    cells: dict[str, Cell] = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, msgspec.Struct):
            cells |= _flat(value, f"{prefix}{name}_")
        elif value is not None:
            cells[prefix + name] = value
    return cells


def _measured(result: PointResult) -> dict[str, Cell]:
    cells = {} if result.metrics is None else _flat(result.metrics)
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
        "cache_hit_rate": result.cache_hit_rate,
        "cache_reason": result.cache_reason,
    }
