"""The published frontiers: one group per model and workload, one curve per recipe, and who is on the frontier.

Axes: x = interactivity_tok_per_s, y = output_tok_per_s_per_gpu, both better higher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pandas as pd

from aggregate.frontier import Direction, frontier_mask
from aggregate.series import K_NIGHTS, MAX_AGE_DAYS, newest_night, representatives, shared
from matrix.facts import Fact

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Hashable, Mapping

    import pyarrow as pa

X_COLUMN = "interactivity_tok_per_s"
Y_COLUMN = "output_tok_per_s_per_gpu"
COMPLETE_SHARE = 0.9
GROUP = ["model", "workload", "isl", "osl", "range_ratio"]
"""What may share a frontier: equal values in all of these."""

_PLANNED = ["night", "run_id", "point_key", "series", "outcome"]
_LABELS = ["recipe", "gpu", "engine", "precision", "isolation"]
_IN_POINT = [
    *("point_id", "point_key", "series", "layout_name", "devices", "concurrency", "rate_per_s"),
    *("power_cap_w", X_COLUMN, Y_COLUMN),
    *("n_nights", "spread", "night", "run_id", "attempt", "revision"),
]


class FrontierPoint(Fact, frozen=True, kw_only=True):
    """One series' median over its last nights. With a `rate_per_s`, `concurrency` is the most requests in flight.

    `x`, `y` in tokens per second (y per GPU). `spread` is (max - min) / median of y over those nights; 0 for one.
    `on_curve`: on its curve's own frontier; `on_frontier`: on the whole group's. `night`, `run_id`, `attempt` and
    `revision` name the newest row that went in.
    """

    point_id: str
    point_key: str
    series: str
    layout_name: str
    devices: int
    concurrency: int
    rate_per_s: float | None = None
    x: float
    y: float
    on_curve: bool
    on_frontier: bool
    n_nights: int
    spread: float
    night: str
    run_id: str
    attempt: int
    revision: int


class FrontierCurve(Fact, frozen=True, kw_only=True):
    """One recipe's points (at one power cap and isolation), ordered by x then point id."""

    recipe: str
    gpu: str
    engine: str
    precision: str
    power_cap_w: int | None
    isolation: str
    points: tuple[FrontierPoint, ...]


class FrontierGroup(Fact, frozen=True, kw_only=True):
    """All curves of one model and workload. `planned`/`ok` are of its latest run; partial if ok < 90 % of planned."""

    model: str
    workload: str
    isl: int
    osl: int
    range_ratio: float
    x_column: str = X_COLUMN
    y_column: str = Y_COLUMN
    x_better: Direction = Direction.HIGHER
    y_better: Direction = Direction.HIGHER
    run_id: str
    night: str
    planned: int
    ok: int
    partial: bool
    curves: tuple[FrontierCurve, ...]


def frontiers(
    table: pa.Table, *, k: int = K_NIGHTS, max_age_days: int = MAX_AGE_DAYS, as_of: dt.date | None = None
) -> tuple[FrontierGroup, ...]:
    """Every group of the dataset's current rows, in the order of their names. `as_of` null: the newest night.

    A point is represented by its newest planned series only: what an older recipe once reached is history.
    """
    planned = _planned_rows(table, as_of or newest_night(table))
    found = entrants(table, k=k, max_age_days=max_age_days, as_of=as_of)[GROUP + _LABELS + _IN_POINT]
    return tuple(_group(found, rows) for _, rows in planned.groupby(GROUP, sort=True))


def entrants(
    table: pa.Table, *, k: int = K_NIGHTS, max_age_days: int = MAX_AGE_DAYS, as_of: dt.date | None = None
) -> pd.DataFrame:
    """The representatives that may enter a frontier: of each point key, its newest planned series."""
    found = representatives(table, k=k, max_age_days=max_age_days, as_of=as_of)
    planned = _planned_rows(table, as_of or newest_night(table))
    alive = planned.groupby("point_key").tail(1)["series"]
    return found.loc[found["series"].isin(alive)]


def _planned_rows(table: pa.Table, until: dt.date | None) -> pd.DataFrame:
    """Every planned point up to a night, oldest run first."""
    planned: pd.DataFrame = shared(table).select(_PLANNED + GROUP).to_pandas()
    planned = planned[planned["night"] <= until.isoformat()] if until else planned
    return planned.sort_values(["night", "run_id"], kind="stable")


def _group(found: pd.DataFrame, planned: pd.DataFrame) -> FrontierGroup:
    """`planned` are all rows of one group, newest run last; `found` the representatives of all groups."""
    latest = planned.iloc[-1]
    tonight = planned[planned["run_id"] == latest["run_id"]]
    ok = int((tonight["outcome"] == "ok").sum())
    members = found[(found[GROUP] == latest[GROUP]).all(axis=1)]
    on_frontier = frontier_mask(members[X_COLUMN], members[Y_COLUMN], Direction.HIGHER, Direction.HIGHER)
    return FrontierGroup(
        model=latest["model"],
        workload=latest["workload"],
        isl=int(latest["isl"]),
        osl=int(latest["osl"]),
        range_ratio=float(latest["range_ratio"]),
        run_id=latest["run_id"],
        night=latest["night"],
        planned=len(tonight),
        ok=ok,
        partial=ok < COMPLETE_SHARE * len(tonight),
        curves=_curves(members.assign(on_frontier=on_frontier)),
    )


def _curves(members: pd.DataFrame) -> tuple[FrontierCurve, ...]:
    return tuple(_curve(rows) for _, rows in members.groupby([*_LABELS, "power_cap_w"], sort=True, dropna=False))


def _curve(rows: pd.DataFrame) -> FrontierCurve:
    on_curve = frontier_mask(rows[X_COLUMN], rows[Y_COLUMN], Direction.HIGHER, Direction.HIGHER)
    ordered = rows.assign(on_curve=on_curve).sort_values([X_COLUMN, "point_id", "series"], kind="stable")
    names = msgspec.convert(ordered.iloc[0][_LABELS].to_dict(), dict[str, str])
    cap = ordered.iloc[0]["power_cap_w"]
    points = tuple(_point(row) for row in ordered.to_dict("records"))
    return FrontierCurve(**names, power_cap_w=None if pd.isna(cap) else int(cap), points=points)


def _point(row: Mapping[Hashable, object]) -> FrontierPoint:
    same = {name: row[name] for name in FrontierPoint.__struct_fields__ if name in row}
    same["rate_per_s"] = row["rate_per_s"] if row["rate_per_s"] == row["rate_per_s"] else None
    return msgspec.convert(same | {"x": row[X_COLUMN], "y": row[Y_COLUMN]}, FrontierPoint)
