"""What sharing a server changes: points measured on a shared server and, the same night, alone on one of their own.

One observation is a job's mean over its points of ln(shared / alone) in one night: they had the same server, so they
are not independent. A recipe's observations are tested for equivalence (two one-sided t tests at 5 %, which is a 90 %
interval within the margin), per metric. A recipe that differs should be split.
"""

from __future__ import annotations

import datetime as dt
import math
from itertools import groupby
from typing import TYPE_CHECKING, Literal

import pyarrow.compute as pc

from aggregate.series import newest_night
from aggregate.student import one_sided
from matrix.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    import pyarrow as pa

MARGIN = 0.01
CONFIDENCE = 0.95
MIN_OBSERVATIONS = 3
"""Fewer say little of how much they vary: with two, the interval is nine times their standard deviation wide."""
MAX_AGE_DAYS = 365
METRICS = ("output_tok_per_s", "tpot_s_p50")

Verdict = Literal["equivalent", "differs", "undecided"]


class Pair(Fact, frozen=True, kw_only=True):
    """One point measured both ways in one run; `point_id` is the shared one's. Relative: shared over alone, less 1."""

    run_id: str
    night: str
    recipe: str
    job_id: str
    point_id: str
    output_tok_per_s_shared: float
    output_tok_per_s_alone: float
    output_tok_per_s_difference: float
    tpot_s_p50_shared: float
    tpot_s_p50_alone: float
    tpot_s_p50_difference: float


class Difference(Fact, frozen=True, kw_only=True):
    """Shared over alone, less 1, in the geometric mean of the observations; its 90 % interval null where too few."""

    metric: str
    mean: float
    low: float | None
    high: float | None
    verdict: Verdict


class RecipeSharing(Fact, frozen=True, kw_only=True):
    """One recipe as it is served now. `differs` if any metric does, `equivalent` if all are, else `undecided`."""

    recipe: str
    observations: int
    pairs: int
    newest: str
    differences: tuple[Difference, ...]
    verdict: Verdict


class Sharing(Fact, frozen=True, kw_only=True):
    """Everything known of it: verdicts by recipe, those that fail first, and all pairs they rest on, newest first."""

    margin: float = MARGIN
    confidence: float = CONFIDENCE
    recipes: tuple[RecipeSharing, ...]
    pairs: tuple[Pair, ...]


_OF_PAIR = ("run_id", "night", "recipe", "job_id", "recipe_digest", "attempt", "host", *METRICS)


def sharing(table: pa.Table, as_of: dt.date | None = None) -> Sharing:
    """From the current rows of a dataset: the pairs of the last year, of each recipe's newest digest only."""
    frame = _pairs(table, as_of or newest_night(table))
    recipes = [_recipe(str(recipe), rows) for recipe, rows in frame.groupby("recipe", sort=True)]
    order: tuple[Verdict, ...] = ("differs", "undecided", "equivalent")
    return Sharing(
        recipes=tuple(sorted(recipes, key=lambda one: order.index(one.verdict))),
        pairs=tuple(_pair(row) for row in frame.itertuples(index=False)),
    )


def _pairs(table: pa.Table, until: dt.date | None) -> pd.DataFrame:
    """ok twins beside their ok shared point: one attempt, one host, so that only the company differs."""
    good = table.filter(pc.equal(table.column("outcome"), "ok"))
    alone = good.filter(pc.fill_null(good.column("alone"), fill_value=False))
    oldest = "" if until is None else (until - dt.timedelta(days=MAX_AGE_DAYS)).isoformat()
    alone = alone.filter(pc.greater(alone.column("night"), oldest))
    beside = good.filter(pc.is_in(good.column("run_id"), alone.column("run_id").combine_chunks().unique()))
    twins: pd.DataFrame = alone.select([*_OF_PAIR, "twin_of"]).to_pandas().rename(columns={"twin_of": "point_id"})
    shared: pd.DataFrame = beside.select([*_OF_PAIR, "point_id"]).to_pandas()
    keys = [name for name in (*_OF_PAIR, "point_id") if name not in METRICS]
    frame = shared.merge(twins, on=keys, suffixes=("_shared", "_alone")).sort_values(
        ["night", "run_id", "point_id"], ascending=[False, False, True], kind="stable"
    )
    measured = [f"{metric}_{where}" for metric in METRICS for where in ("shared", "alone")]
    frame = frame[(frame[measured] > 0).all(axis=1)]  # answers of one token have no time between tokens
    newest = frame.groupby("recipe")["recipe_digest"].transform("first")
    return frame[frame["recipe_digest"] == newest]


def _pair(row: object) -> Pair:
    values = {name: getattr(row, name) for name in ("run_id", "night", "recipe", "job_id", "point_id")}
    for metric in METRICS:
        shared, alone = (float(getattr(row, f"{metric}_{where}")) for where in ("shared", "alone"))
        values |= {f"{metric}_shared": shared, f"{metric}_alone": alone, f"{metric}_difference": shared / alone - 1}
    return Pair(**values)


def _recipe(recipe: str, rows: pd.DataFrame) -> RecipeSharing:
    pairs = sorted((_pair(row) for row in rows.itertuples(index=False)), key=_observed)
    groups = [list(found) for _, found in groupby(pairs, key=_observed)]
    differences = tuple(
        _difference(metric, [_mean([_log_ratio(pair, metric) for pair in found]) for found in groups])
        for metric in METRICS
    )
    return RecipeSharing(
        recipe=recipe,
        observations=len(groups),
        pairs=len(pairs),
        newest=max(pair.night for pair in pairs),
        differences=differences,
        verdict=_together([one.verdict for one in differences]),
    )


def _observed(pair: Pair) -> tuple[str, str]:
    return pair.run_id, pair.job_id


def _log_ratio(pair: Pair, metric: str) -> float:
    return math.log1p(getattr(pair, f"{metric}_difference"))


def _together(verdicts: Sequence[Verdict]) -> Verdict:
    if "differs" in verdicts:
        return "differs"
    return "equivalent" if set(verdicts) == {"equivalent"} else "undecided"


def _difference(metric: str, logs: Sequence[float]) -> Difference:
    mean, reach = _mean(logs), _reach(logs)
    low, high = (None, None) if reach is None else (math.expm1(mean - reach), math.expm1(mean + reach))
    return Difference(metric=metric, mean=math.expm1(mean), low=low, high=high, verdict=_verdict(low, high))


def _reach(logs: Sequence[float]) -> float | None:
    """Half of the 90 % t interval of the mean; null for too few."""
    count = len(logs)
    if count < MIN_OBSERVATIONS:
        return None
    mean = _mean(logs)
    variance = sum((one - mean) ** 2 for one in logs) / (count - 1)
    return one_sided(CONFIDENCE, count - 1) * math.sqrt(variance / count)


def _verdict(low: float | None, high: float | None) -> Verdict:
    """The margin in logs is symmetric: 1 % more and its inverse."""
    least, most = 1 / (1 + MARGIN) - 1, MARGIN
    if low is None or high is None:
        return "undecided"
    if least < low and high < most:
        return "equivalent"
    return "differs" if high < least or low > most else "undecided"


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found)


def to_split(found: Sharing) -> dict[str, str]:
    """The recipes that fail, each with a sentence for its maintainer."""
    return {one.recipe: _sentence(one) for one in found.recipes if one.verdict == "differs"}


def _sentence(one: RecipeSharing) -> str:
    said = [
        f"{each.metric} {each.mean:+.1%} (90 % interval {each.low:+.1%} to {each.high:+.1%})"
        for each in one.differences
        if each.verdict == "differs" and each.low is not None and each.high is not None
    ]
    return f"on a shared server {' and '.join(said)} than alone, in {one.observations} nights"
