"""The exact 2-D Pareto frontier, ties kept."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

PREFILTER_FROM = 20_000
_BINS = 256


class Direction(StrEnum):
    """Which way an axis is better. Always stated: names such as "upper left" have been read both ways."""

    HIGHER = "higher"
    LOWER = "lower"


def frontier_mask(x: ArrayLike, y: ArrayLike, x_better: Direction, y_better: Direction) -> NDArray[np.bool_]:
    """True where no other point is at least as good on both axes and better on one; equal points stay together.

    A non-finite value is a ValueError: a NaN compares as neither, and the answer would depend on the order.
    """
    across, up = _oriented(x, x_better), _oriented(y, y_better)
    if across.shape != up.shape or across.ndim != 1:
        raise ValueError(f"x and y must be two equally long lists, not {across.shape} and {up.shape}")
    mask = np.zeros(across.shape, dtype=np.bool_)
    if across.size == 0:
        return mask
    survivors = _prefilter(across, up) if across.size >= PREFILTER_FROM else np.arange(across.size)
    mask[survivors[_non_dominated(across[survivors], up[survivors])]] = True
    return mask


def _oriented(values: ArrayLike, better: Direction) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("a frontier needs finite values")
    return array if better is Direction.HIGHER else -array


def _prefilter(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices not beaten by the best of a strictly higher x bin. Exact: binning is monotone, so that x is higher."""
    low, high = x.min(), x.max()
    with np.errstate(over="ignore"):
        width = (high - low) / _BINS
    if not 0 < width < np.inf:
        return np.arange(x.size)
    bins = np.minimum((x - low) / width, _BINS - 1).astype(np.intp)
    best = np.full(_BINS + 1, -np.inf)
    np.maximum.at(best, bins, y)
    best_from = np.maximum.accumulate(best[::-1])[::-1]
    return np.flatnonzero(y > best_from[bins + 1])


def _non_dominated(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.intp]:
    """Best x first: a point stays if it has the best y of its x, and one above every better x."""
    order = np.lexsort((-y, -x))
    xs, ys = x[order], y[order]
    is_start = np.concatenate(([True], xs[1:] != xs[:-1]))
    start = np.maximum.accumulate(np.where(is_start, np.arange(xs.size), 0))
    best_so_far = np.concatenate(([-np.inf], np.maximum.accumulate(ys)))
    kept: NDArray[np.intp] = order[(ys == ys[start]) & (ys > best_so_far[start])]
    return kept
