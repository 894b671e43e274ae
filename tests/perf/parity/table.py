"""How two tools' results of one load compare with the spread of each tool's own repeats."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIGURES = (
    "completed",
    "total_input_tokens",
    "total_output_tokens",
    "duration",
    "request_throughput",
    "output_throughput",
    "total_token_throughput",
    *(f"{how}_{what}_ms" for what in ("ttft", "tpot", "itl", "e2el") for how in ("mean", "median", "p99")),
)
"""What both tools report of every run."""
EXACT = frozenset({"completed", "total_input_tokens", "total_output_tokens"})


class Row(NamedTuple):
    """`difference` is ours against theirs; `spread` the larger of the two ranges; both as shares of their median."""

    figure: str
    ours: float
    theirs: float
    difference: float
    spread: float
    agrees: bool


def compare(ours: Sequence[Mapping[str, float]], theirs: Sequence[Mapping[str, float]]) -> list[Row]:
    """Counts must be equal in every repeat; the rest must differ by no more than a tool differs from itself."""
    return [_row(name, [one[name] for one in ours], [one[name] for one in theirs]) for name in FIGURES]


def _row(figure: str, ours: list[float], theirs: list[float]) -> Row:
    centre = median(theirs)
    scale = abs(centre) or 1.0
    difference = (median(ours) - centre) / scale
    spread = max(max(values) - min(values) for values in (ours, theirs)) / scale
    agrees = ours == theirs if figure in EXACT else abs(difference) <= spread
    return Row(figure, median(ours), centre, difference, spread, agrees)


def show(rows: Sequence[Row]) -> str:
    lines = [f"  {'':24} {'inferfleet':>12} {'vllm bench':>12} {'difference':>11} {'spread':>8}"]
    for row in rows:
        verdict = "" if row.agrees else "  DIFFERS"
        lines.append(
            f"  {row.figure:24} {row.ours:12.3f} {row.theirs:12.3f} {row.difference:+11.2%} {row.spread:8.2%}{verdict}"
        )
    return "\n".join(lines)
