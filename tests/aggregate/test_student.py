from __future__ import annotations

from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregate.student import one_sided, within


@pytest.mark.parametrize(
    ("degrees", "t95", "t99"),
    [(1, 6.3138, 31.8205), (2, 2.9200, 6.9646), (3, 2.3534, 4.5407), (6, 1.9432, 3.1427), (29, 1.6991, 2.4620)],
)
def test_the_quantiles_are_those_of_the_printed_tables(degrees: int, t95: float, t99: float) -> None:
    assert one_sided(0.95, degrees) == pytest.approx(t95, abs=5e-5)
    assert one_sided(0.99, degrees) == pytest.approx(t99, abs=5e-5)


@settings(deadline=None)
@given(degrees=st.integers(1, 300), confidence=st.floats(0.5, 0.999))
def test_a_quantile_is_where_the_distribution_reaches_it(degrees: int, confidence: float) -> None:
    t = one_sided(confidence, degrees)
    assert within(t, degrees) == pytest.approx(2 * confidence - 1, abs=1e-9)
    assert t >= NormalDist().inv_cdf(confidence) - 1e-9
