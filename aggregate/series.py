"""What stands for a series in a frontier: the median of its last nights, never its luckiest one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from aggregate.dataset import SCHEMA

if TYPE_CHECKING:
    import pandas as pd

K_NIGHTS = 3
MAX_AGE_DAYS = 28
SPREAD_OF = "output_tok_per_s_per_gpu"
MEDIANS = tuple(field.name for field in SCHEMA if pa.types.is_float32(field.type))
_NEWEST_LAST = ["night", "started_at", "run_id", "point_id", "revision"]


def newest_night(table: pa.Table) -> dt.date | None:
    """The latest night of the table; null if it has no row."""
    night = pc.max(table.column("night")).as_py()
    return dt.date.fromisoformat(night) if night else None


def shared(table: pa.Table) -> pa.Table:
    """The rows without those measured for comparison, alone or once more: these are no nights of a history."""
    twins = (pc.fill_null(table.column(name), fill_value=False) for name in ("alone", "repeat"))
    return table.filter(pc.invert(pc.or_(*twins)))


def representatives(
    table: pa.Table, *, k: int = K_NIGHTS, max_age_days: int = MAX_AGE_DAYS, as_of: dt.date | None = None
) -> pd.DataFrame:
    """One row per series with an ok result no older than `max_age_days` on `as_of` (default: the newest night).

    Measured columns are medians over the last `k` nights it was ok (a night's own rows are medianed first);
    all others are those of its newest row. `n_nights` says how many nights went in, `n_requests` how many good
    requests those nights had in all, `spread` is
    (max - min) / median of output tokens per second and GPU over them.
    """
    frame = _recent(table, as_of or newest_night(table) or dt.date.min, max_age_days)
    newest = frame.sort_values(_NEWEST_LAST, kind="stable").groupby("series", sort=True).tail(1).set_index("series")
    nights = frame.groupby(["series", "night"], sort=True)[list(MEDIANS)].median()
    last = nights.groupby(level="series", sort=True).tail(k)
    grouped = last.groupby(level="series", sort=True)
    medians = grouped.median().copy()  # a block per column becomes one block: adding to a hundred would be slow
    medians["n_nights"] = grouped.size()
    requests = frame.groupby(["series", "night"], sort=True)["requests_ok"].sum()
    medians["n_requests"] = requests.loc[last.index].groupby(level="series").sum()
    swing = grouped[SPREAD_OF].max() - grouped[SPREAD_OF].min()
    medians["spread"] = (swing / medians[SPREAD_OF]).where(medians[SPREAD_OF] > 0, 0.0)
    return newest.drop(columns=list(MEDIANS)).join(medians).reset_index().sort_values("series", ignore_index=True)


def _recent(everything: pa.Table, as_of: dt.date, max_age_days: int) -> pd.DataFrame:
    """ok shared rows of the nights in (as_of - max_age_days, as_of], measured columns in double precision."""
    table = shared(everything)
    oldest = dt.date.fromordinal(max(as_of.toordinal() - max_age_days, 1))
    night = table.column("night")
    wanted = pc.and_(pc.greater(night, oldest.isoformat()), pc.less_equal(night, as_of.isoformat()))
    recent = table.filter(pc.and_(wanted, pc.equal(table.column("outcome"), "ok")))
    frame: pd.DataFrame = recent.to_pandas()
    return frame.astype(dict.fromkeys(MEDIANS, "float64"))
