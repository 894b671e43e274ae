"""The published frontiers: one group per model and workload, one curve per recipe, and who is on the frontier.

Axes: x = interactivity_tok_per_s, y = output_tok_per_s_per_gpu, both better higher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aggregate.frontier import Direction
from matrix.facts import Fact

if TYPE_CHECKING:
    import datetime as dt

    import pyarrow as pa

X_COLUMN = "interactivity_tok_per_s"
Y_COLUMN = "output_tok_per_s_per_gpu"
COMPLETE_SHARE = 0.9


class FrontierPoint(Fact, frozen=True, kw_only=True):
    """One series' median over its last nights.

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
    table: pa.Table, *, k: int = 3, max_age_days: int = 28, as_of: dt.date | None = None
) -> tuple[FrontierGroup, ...]:
    """Every group of the dataset (current rows), ordered by model, workload. `as_of` null: the newest night."""
    raise NotImplementedError
