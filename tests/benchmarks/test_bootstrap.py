from __future__ import annotations

import numpy as np
import pytest

from benchmarks.bootstrap import RESAMPLES, block_bootstrap, block_length, median, ratio


def waves(seed: int, count: int = 400, memory: float = 0.7) -> np.ndarray:
    """Log-normal values, each like the one before it; the true median is 1."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.2, count)
    log = np.empty(count)
    log[0] = noise[0]
    for place in range(1, count):
        log[place] = memory * log[place - 1] + noise[place]
    return np.asarray(np.exp(log))


def covered(block: int) -> float:
    found = [block_bootstrap(waves(seed), median, block) for seed in range(100)]
    return sum(one is not None and one.low <= 1 <= one.high for one in found) / len(found)


def test_blocks_make_the_interval_honest_where_neighbours_resemble_each_other() -> None:
    assert covered(block_length(400, 16)) > 0.85
    assert covered(1) < 0.7


def test_the_standard_error_is_that_of_the_logarithm() -> None:
    """For independent values the median's error is 1.2533 sigma / sqrt(n)."""
    samples = (np.exp(np.random.default_rng(seed).normal(0, 0.3, 900)) for seed in range(30))
    found = [block_bootstrap(values, median, 1) for values in samples]
    assert np.mean([one.log_se for one in found if one]) == pytest.approx(1.2533 * 0.3 / 30, rel=0.15)


def test_the_same_data_gives_the_same_interval() -> None:
    assert block_bootstrap(waves(1), median, 8) == block_bootstrap(waves(1), median, 8)


def test_pairs_stay_together() -> None:
    """Twice the tokens always take twice the time: their ratio has no spread."""
    times = waves(3)
    found = block_bootstrap(np.stack([2 * times, times], axis=1), ratio, 5)
    assert found is not None
    assert found.low == pytest.approx(2)
    assert found.high == pytest.approx(2)
    assert found.log_se == pytest.approx(0, abs=1e-9)


def test_too_few_blocks_tell_nothing() -> None:
    assert block_bootstrap([1.0, 2.0, 3.0, 4.0], median, 1) is None
    assert block_bootstrap([1.0] * 24, median, 5) is None
    assert block_bootstrap([1.0] * 25, median, 5) is not None
    assert block_bootstrap([0.0] * 25, median, 5) is None
    assert block_bootstrap([], median, 1) is None


def test_a_long_run_fits_in_memory() -> None:
    found = block_bootstrap(waves(2, 40_000), median, 40)
    assert found is not None
    assert found.high - found.low < 0.05
    assert RESAMPLES * 40_000 * 8 > 100_000_000


def test_a_block_is_a_round_of_the_streams_where_that_leaves_enough_blocks() -> None:
    assert block_length(1000, 1) == 10
    assert block_length(1000, 64) == 64
    assert block_length(1000, 512) == 100
    assert block_length(1, 8) == 1
