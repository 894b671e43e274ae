"""Measured frontiers, and what a search makes of them: `tests/data/README.md` says where they come from."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.search.curve import log_y_at, pchip
from benchmarks.search.decide import decide
from benchmarks.search.refine import levels_of
from benchmarks.search.steps import Measure, Observation
from matrix.finding import Finding
from matrix.parent import Search
from matrix.search import Bounds, Refine
from tests.benchmarks.virtual_server import BASE

if TYPE_CHECKING:
    from numpy.typing import NDArray

CURVES = Path(__file__).parents[1] / "data" / "frontier_curves.csv"


@dataclass(frozen=True, slots=True)
class RealCurve:
    """Logarithms of concurrency, interactivity and throughput; between the measured loads, the monotone cubic."""

    name: str
    log_size: NDArray[np.float64]
    log_x: NDArray[np.float64]
    log_y: NDArray[np.float64]

    def measured(self, size: float, rng: np.random.Generator, noise: float) -> Observation:
        at = np.clip(np.array([math.log(size)]), self.log_size[0], self.log_size[-1])
        x, y = (
            math.exp(float(pchip(self.log_size, axis, at)[0]) + (rng.normal(0, noise) if noise else 0.0))
            for axis in (self.log_x, self.log_y)
        )
        return Observation(
            size=size, requests=100, failed=0, minutes=1.0, tok_per_s=y, log_se=noise, x=x, x_log_se=noise, y=y
        )

    def error(self, seen: list[Observation]) -> float:
        """Mean |log throughput estimated / true| over the curve's whole range of interactivity."""
        levels = levels_of(seen)
        size, x, y = np.array([(math.log(one.size), one.log_x, one.log_y) for one in levels]).T
        at = np.linspace(self.log_x.min(), self.log_x.max(), 400)
        return float(np.abs(log_y_at(size, x, y, at) - log_y_at(self.log_size, self.log_x, self.log_y, at)).mean())


def real_curves(path: Path = CURVES) -> list[RealCurve]:
    rows: dict[str, list[tuple[float, float, float]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            numbers = (float(row["concurrency"]), 1000 / float(row["tpot_ms"]), float(row["output_tok_per_s_per_gpu"]))
            rows.setdefault(row["curve"], []).append(numbers)
    return [RealCurve(name, *np.log(np.array(points)).T) for name, points in rows.items()]


def refined(curve: RealCurve, noise: float = 0.0, seed: int = 0) -> tuple[Finding, list[Observation]]:
    first, last = math.exp(curve.log_size[0]), math.exp(curve.log_size[-1])
    bounds = Bounds(first_load=round(first), last_load=round(last), max_measurements=40, max_minutes=1e6)
    search = Search(base=BASE, method=Refine(), bounds=bounds)
    rng = np.random.default_rng(seed)
    seen: list[Observation] = []
    while isinstance(said := decide(search, seen), Measure):
        seen.append(curve.measured(said.size, rng, noise))
    return said, seen
