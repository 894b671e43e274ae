"""How well refinement knows real frontiers, beside doubling: `python -m tests.perf.refinement_on_curves [CSV]`.

The CSV has the columns of `tests/data/frontier_curves.csv`. It prints points and the mean error of throughput at equal
interactivity. Doubling has no error here: these curves were measured at its very points.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.benchmarks.real_curves import CURVES, real_curves, refined


def main(path: Path) -> None:
    rows = []
    for curve in real_curves(path):
        for noise in (0.0, 0.01):
            found, seen = refined(curve, noise)
            error = curve.error(seen)
            rows.append((noise, len(curve.log_size), len(seen), error, found.gap or 0.0))
            if not noise:
                print(f"{len(seen):3} of {len(curve.log_size):3}  error {error:6.2%}  {found.stop:8}  {curve.name}")
    for noise in (0.0, 0.01):
        mine = [row for row in rows if row[0] == noise]
        doubling, points, mean_error, gap = (sum(row[place] for row in mine) / len(mine) for place in (1, 2, 3, 4))
        print(
            f"noise {noise:.0%}: {len(mine)} curves, {points:.2f} points (doubling {doubling:.2f}), "
            f"mean error {mean_error:.2%}, mean gap said {gap:.2%}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else CURVES)
