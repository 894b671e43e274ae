"""The selection language over rows of the dataset: the same words as for points that are still to be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from aggregate.dataset import to_rows
from matrix.select import Traits, select

if TYPE_CHECKING:
    from aggregate.rows import Row
    from matrix.select import Selector


def selected(table: pa.Table, selector: Selector) -> pa.Table:
    """The rows a selector takes; a `FleetError` names what there is when it takes none."""
    if not selector.conditions:
        return table
    numbered = list(enumerate(to_rows(table)))
    kept = [number for number, _ in select(selector, numbered, lambda pair: row_traits(pair[1]))]
    return table.take(pa.array(kept, pa.int64()))


def row_traits(row: Row) -> Traits:
    """What a row can be selected by: its own columns. Rows name no speculation and no family of models."""
    return Traits(
        model=(row.model,),
        gpu=(row.gpu,),
        engine=(row.engine,),
        precision=(row.precision,),
        workload=(row.workload,),
        recipe=(row.recipe,),
        layout=(row.layout_name,),
        spec=(),
        search=(row.search_method or "none",),
        isl=_known(row.isl),
        osl=_known(row.osl),
        conc=(row.concurrency,),
        tp=(row.tp,),
        pp=(row.pp,),
        dp=(row.dp,),
        ep=(row.ep,),
        devices=(row.devices,),
    )


def _known(length: int | None) -> tuple[int, ...]:
    return () if length is None else (length,)
