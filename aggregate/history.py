"""`history.json`: what the dataset tells the next night's plan. Derived, so it can always be made again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from aggregate.series import K_NIGHTS, shared
from aggregate.sharing import sharing, to_split
from matrix.history import History, PointHistory
from matrix.rota import CERTIFIED_REQUESTS

if TYPE_CHECKING:
    import pyarrow as pa

VERDICTS = ("ok", "invalid", "recipe_failed")
"""Outcomes that say something about the recipe."""

_SERVED = ["recipe_digest", "server_args_digest", "image"]
_COLUMNS = [
    *("night", "started_at", "ended_at", "run_id", "point_key", "job_id", *_SERVED),
    *("outcome", "duration_s", "requests_ok", "server_start_s", "interactivity_tok_per_s"),
    "output_tok_per_s_per_gpu",
]


def history_of(table: pa.Table) -> History:
    """From the current rows of a dataset: every point that ever had a verdict, every job whose server ever started."""
    frame: pd.DataFrame = shared(table).select(_COLUMNS).to_pandas()
    frame = frame.sort_values(["night", "started_at", "run_id"], kind="stable", na_position="first")
    verdicts = frame[frame["outcome"].isin(VERDICTS)]
    return History(
        to_split=to_split(sharing(table)),
        until=None if frame.empty else str(frame["night"].iloc[-1]),
        points={str(key): _point(rows) for key, rows in verdicts.groupby("point_key", sort=True)},
        starts=_starts(frame),
    )


def _point(rows: pd.DataFrame) -> PointHistory:
    """`rows` are one point's verdicts, oldest first. Only those made with what the newest was made with count."""
    newest = rows.iloc[-1]
    same = rows[(rows[_SERVED].fillna("") == newest[_SERVED].fillna("")).all(axis=1)]
    good = same[same["outcome"] == "ok"]
    certified = good[good["requests_ok"] >= CERTIFIED_REQUESTS]
    usual = good[good["requests_ok"] < CERTIFIED_REQUESTS] if len(certified) < len(good) else good
    last = usual[usual["night"].isin(sorted(usual["night"].unique())[-K_NIGHTS:])]
    # an ok row has passed the clock check: its wall clock and the monotonic one agree within a percent
    minutes = (last["ended_at"] - last["started_at"]).dt.total_seconds() / 60
    return PointHistory(
        recipe_digest=str(newest["recipe_digest"]),
        args_digest=str(newest["server_args_digest"]),
        image=None if pd.isna(newest["image"]) else str(newest["image"]),
        seen=str(newest["night"]),
        ok=_night(good),
        failures=_failures(same),
        certified=_night(certified),
        minutes=_positive(minutes.median()),
        measured_s=_positive(last["duration_s"].median()),
        x=_positive(last["interactivity_tok_per_s"].median()),
        y=_positive(last["output_tok_per_s_per_gpu"].median()),
    )


def _failures(rows: pd.DataFrame) -> int:
    """Nights since the last ok one."""
    nights = rows.groupby("night", sort=True)["outcome"].agg(lambda outcomes: "ok" in set(outcomes))
    return len(nights) if not nights.any() else len(nights) - 1 - int(nights.to_numpy().nonzero()[0][-1])


def _night(rows: pd.DataFrame) -> str | None:
    return None if rows.empty else str(rows["night"].iloc[-1])


def _positive(value: float) -> float | None:
    return float(value) if pd.notna(value) and value > 0 else None


def _starts(frame: pd.DataFrame) -> dict[str, float]:
    """Minutes until ready: a job's own nights are medianed, then its last nights."""
    started = frame[frame["server_start_s"] > 0]
    nights = started.groupby(["job_id", "night"], sort=True)["server_start_s"].median()
    last = nights.groupby(level="job_id", sort=True).tail(K_NIGHTS).groupby(level="job_id", sort=True).median()
    return {str(job): float(seconds) / 60 for job, seconds in last.items()}
