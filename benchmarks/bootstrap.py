"""Block-bootstrap intervals within one run: how far its number could move had its noise fallen differently.

Neighbouring requests share a batch and a moment of the server, so whole blocks of them are drawn again, never single
ones. How far the number moves from run to run is another question, and only repeated runs answer it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RESAMPLES = 400
MIN_BLOCKS = 5
_CELLS = 1 << 21  # values held at once


class Spread(NamedTuple):
    """A 95 % interval, and the standard error of the statistic's logarithm."""

    low: float
    high: float
    log_se: float


def block_length(count: int, streams: int) -> int:
    """Requests a block holds: the cube-root rule, or one round of the streams where that is longer."""
    return max(1, math.ceil(math.cbrt(count)), min(streams, count // (2 * MIN_BLOCKS)))


def block_bootstrap(values: Sequence[float] | Array, statistic: Callable[[Array], Array], block: int) -> Spread | None:
    """Circular blocks of `values` (in order of time), the same draw for the same data. None below MIN_BLOCKS blocks.

    `statistic` maps (resamples, values) to one number per resample, all positive. Rows of `values` stay together.
    """
    array = np.asarray(values, dtype=np.float64)
    count = len(array)
    if count < MIN_BLOCKS * block or count < 2:
        return None
    rng = np.random.Generator(np.random.Philox(key=count))
    found = np.concatenate([statistic(array[at]) for at in _draws(rng, count, block)])
    if not (found > 0).all():
        return None
    low, high = np.percentile(found, (2.5, 97.5)).tolist()
    return Spread(low, high, float(np.log(found).std(ddof=1)))


def median(samples: Array) -> Array:
    return np.asarray(np.median(samples, axis=1))


def ratio(samples: Array) -> Array:
    """Of pairs: the sum of the firsts over the sum of the seconds."""
    sums = samples.sum(axis=1)
    return np.asarray(sums[:, 0] / sums[:, 1])


def _draws(rng: np.random.Generator, count: int, block: int) -> Iterator[NDArray[np.int64]]:
    """Indices of RESAMPLES resamples, in batches that fit in memory."""
    blocks = math.ceil(count / block)
    batch = max(1, min(RESAMPLES, _CELLS // count))
    for start in range(0, RESAMPLES, batch):
        firsts = rng.integers(0, count, size=(min(batch, RESAMPLES - start), blocks))
        at = (firsts[:, :, None] + np.arange(block)) % count
        yield at.reshape(len(firsts), -1)[:, :count]
