"""From the dataset to the page's records: the one module that knows both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow.compute as pc

from aggregate.dataset import to_rows
from aggregate.frontier import Direction, frontier_mask
from aggregate.frontiers import GROUP, entrants
from aggregate.sharing import sharing
from aggregate.site.page import PageModel, page_model
from aggregate.site.records import (
    AxisX,
    AxisY,
    DeviceKind,
    Figures,
    Frontier,
    Gap,
    Group,
    Measurement,
    Night,
    Origin,
    SharedAlone,
)
from aggregate.terminal import change_text

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import pandas as pd
    import pyarrow as pa

    from aggregate.rows import Row
    from aggregate.sharing import RecipeSharing
    from aggregate.site.published import PublishedRow
    from matrix.facts import Gpu

_X: dict[AxisX, tuple[str, Direction]] = {
    "interactivity": ("interactivity_tok_per_s", Direction.HIGHER),
    "ttft": ("ttft_s_p50", Direction.LOWER),
    "e2e": ("e2e_s_p50", Direction.LOWER),
}
_Y: dict[AxisY, str] = {"output": "output_tok_per_s_per_gpu", "total": "total_tok_per_s_per_gpu"}


def page_of(table: pa.Table, published: tuple[PublishedRow, ...], gpus: Mapping[str, Gpu]) -> PageModel:
    """The page of the newest run in `table`, with every series that may enter a frontier."""
    found = entrants(table)
    return page_model(
        night=_night(_newest_run(table)),
        groups=tuple(_group(rows, gpus) for _, rows in found.groupby(GROUP, sort=True)),
        measurements=tuple(_measurement(row) for row in found.to_dict("records")),
        frontiers=tuple(frontier for _, rows in found.groupby(GROUP, sort=True) for frontier in _frontiers(rows)),
        published=published,
        sharing=tuple(_shared_alone(one) for one in sharing(table).recipes),
    )


def _shared_alone(one: RecipeSharing) -> SharedAlone:
    throughput, tpot = map(change_text, one.differences)
    return SharedAlone(
        recipe=one.recipe, throughput=throughput, tpot=tpot, nights=one.observations, verdict=one.verdict
    )


def _newest_run(table: pa.Table) -> tuple[Row, ...]:
    """All points of the run planned last, without repeats: run ids of one night sort by the time they were made."""
    newest = max(zip(table["night"].to_pylist(), table["run_id"].to_pylist(), strict=True))[1]
    return tuple(row for row in to_rows(table.filter(pc.equal(table["run_id"], newest))) if not row.repeat)


def _night(rows: tuple[Row, ...]) -> Night:
    first = rows[0]
    gaps = tuple(_gap(row) for row in rows if row.outcome != "ok")
    return Night(
        night=first.night,
        run_id=first.run_id,
        git_sha=first.git_sha,
        planned=len(rows),
        ok=len(rows) - len(gaps),
        gaps=gaps,
    )


def _gap(row: Row) -> Gap:
    return Gap(
        point_id=row.point_id,
        job_id=row.job_id,
        outcome=row.outcome,
        reasons=tuple(row.reasons.split(",")) if row.reasons else (),
        detail=row.detail,
        attempt=row.attempt or None,
        host=row.host or "",
    )


def _group(rows: pd.DataFrame, gpus: Mapping[str, Gpu]) -> Group:
    first = rows.iloc[0]
    share = f"{float(first['range_ratio']):.0%}"
    return Group(
        id=_group_id(first.to_dict()),
        model=first["model"],
        workload=first["workload"],
        shape=f"Random prompts of up to {first['isl']:,} tokens in, {first['osl']:,} out (uniform from {share})",
        devices=tuple(_device(gpu, gpus) for gpu in sorted(set(rows["gpu"]))),
    )


def _group_id(row: Mapping[Hashable, object]) -> str:
    return "/".join(str(row[name]) for name in GROUP)


def _device(gpu: str, gpus: Mapping[str, Gpu]) -> DeviceKind:
    known = gpus.get(gpu)
    return DeviceKind(kind=known.device, name=known.name) if known else DeviceKind(kind=None, name=gpu)


def _measurement(row: Mapping[Hashable, object]) -> Measurement:
    """A representative as a dot; numpy's scalars become plain ones on the way."""
    plain = {str(name): _plain(value) for name, value in row.items()}
    label = f"{plain['recipe']} · {plain['layout_name']}"
    if plain["power_cap_w"] is not None:
        label += f" · {plain['power_cap_w']} W"
    if plain["rate_per_s"] is not None:  # a curve of its own: its loads are not those of a closed loop
        label += f" · {_arrivals(plain)}"
    return Measurement(
        id=str(plain["series"]),
        group=_group_id(row),
        series=label,
        label=label,
        concurrency=msgspec.convert(plain["concurrency"], int),
        rate_per_s=msgspec.convert(plain["rate_per_s"], float | None),
        figures=msgspec.convert(_figures(plain), Figures),
        origin=msgspec.convert(_origin(plain), Origin),
    )


def _arrivals(row: Mapping[str, object]) -> str:
    shape = f" of burstiness {row['burstiness']:g}" if row["arrival"] == "gamma" else ""
    return f"{row['arrival']} arrivals{shape}"


def _plain(value: object) -> object:
    if value is None or value != value:  # noqa: PLR0124 - NaN, pandas' word for null
        return None
    item = getattr(value, "item", None)
    return item() if callable(item) else value


def _figures(row: Mapping[str, object]) -> dict[str, object]:
    one_night = row["n_nights"] == 1
    return {
        "interactivity_tok_per_s": row["interactivity_tok_per_s"],
        "ttft_p50_s": row["ttft_s_p50"],
        "e2e_p50_s": row["e2e_s_p50"],
        "output_tok_per_s_per_device": row["output_tok_per_s_per_gpu"],
        "total_tok_per_s_per_device": row["total_tok_per_s_per_gpu"],
        "requests": row["n_requests"],
        "nights": row["n_nights"],
        "spread": None if one_night else row["spread"],
        "goodput_requests_per_s": row["goodput_requests_per_s"],
        "goodput_share": row["goodput_share"],
    }


def _origin(row: Mapping[str, object]) -> dict[str, object]:
    same = {name: row[name] for name in Origin.__struct_fields__ if name in row}
    return same | {
        "client_cpu_share": row["cpu_share"],
        "client_achieved_concurrency": row["achieved_concurrency"],
        "client_stamp_delay_p99_s": row["stamp_delay_s_p99"],
        "client_workers": _whole(row["workers"]),
    }


def _whole(value: object) -> int | None:
    """pandas makes a column of integers with a null in it one of floats."""
    return round(value) if isinstance(value, int | float) else None


def _frontiers(rows: pd.DataFrame) -> list[Frontier]:
    """One frontier per pair of axes, its members in order of x."""
    group = _group_id(rows.iloc[0].to_dict())
    found = []
    for x, (x_column, x_better) in _X.items():
        for y, y_column in _Y.items():
            mask = frontier_mask(rows[x_column], rows[y_column], x_better, Direction.HIGHER)
            members = rows[mask].sort_values([x_column, "series"], kind="stable")["series"]
            found.append(Frontier(group=group, x=x, y=y, members=tuple(members)))
    return found
