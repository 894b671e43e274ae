"""What searches found, for people: the newest finding of each, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow.compute as pc

from aggregate.dataset import to_rows
from matrix.facts import Fact
from matrix.finding import Finding, finding_text
from matrix.search import MethodKind

if TYPE_CHECKING:
    import pyarrow as pa

    from aggregate.rows import Row


class FoundSearch(Fact, frozen=True, kw_only=True):
    """The newest run of a search that measured anything, in words and in numbers (loads are of `unit`)."""

    point_id: str
    point_key: str
    series: str
    model: str
    workload: str
    isl: int | None
    osl: int | None
    range_ratio: float | None
    recipe: str
    gpu: str
    layout_name: str
    method: MethodKind
    unit: str
    text: str
    stop: str
    size: float | None
    break_size: float | None
    gap: float | None
    certified_gap: float | None
    measurements: int
    minutes: float
    detail: str
    outcome: str
    night: str
    run_id: str


_OF_THE_ROW = (
    *("point_id", "point_key", "series", "model", "workload", "isl", "osl", "range_ratio"),
    *("recipe", "gpu", "layout_name"),
    *("outcome", "night", "run_id"),
)


def findings_of(table: pa.Table) -> tuple[FoundSearch, ...]:
    """Of every search in these rows, ordered by its id: the newest night that has a finding with a measurement."""
    rows = to_rows(table.filter(pc.greater(table.column("found_measurements"), 0)))
    newest = {row.point_key: row for row in sorted(rows, key=lambda row: (row.night, row.run_id))}
    return tuple(_found(row) for row in sorted(newest.values(), key=lambda row: row.point_id))


def _found(row: Row) -> FoundSearch:
    finding = finding_in(row)
    method = msgspec.convert(row.search_method, MethodKind)
    unit = "streams" if row.rate_per_s is None else "requests/s"
    return FoundSearch(
        **{name: getattr(row, name) for name in _OF_THE_ROW},
        method=method,
        unit=unit,
        text=finding_text(method, unit, finding),
        stop=finding.stop.value,
        size=finding.size,
        break_size=finding.break_size,
        gap=finding.gap,
        certified_gap=finding.certified_gap,
        measurements=finding.measurements,
        minutes=finding.minutes,
        detail=finding.detail,
    )


def finding_in(row: Row) -> Finding:
    """The finding of a search's row, as its runner wrote it."""
    cells = {name: getattr(row, f"found_{name}") for name in Finding.__struct_fields__}
    return msgspec.convert(cells, Finding)
