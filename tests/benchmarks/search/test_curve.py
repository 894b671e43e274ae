from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.search.curve import log_y_at, pchip

widths = st.lists(st.floats(0.1, 5), min_size=1, max_size=7)


@given(widths, st.data())
def test_the_cubic_meets_its_points_and_never_overshoots(steps: list[float], data: st.DataObject) -> None:
    knots = np.concatenate([[0.0], np.cumsum(steps)])
    values = np.array(data.draw(st.lists(st.floats(-9, 9), min_size=knots.size, max_size=knots.size)))
    assert pchip(knots, values, knots) == pytest.approx(values, abs=1e-9)
    for place in range(knots.size - 1):
        inside = pchip(knots, values, np.linspace(knots[place], knots[place + 1], 21))
        low, high = sorted(values[place : place + 2])
        assert (inside >= low - 1e-9).all()
        assert (inside <= high + 1e-9).all()


@given(widths, st.floats(-3, 3), st.floats(-3, 3))
def test_a_straight_line_stays_one(steps: list[float], slope: float, start: float) -> None:
    knots = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.linspace(0, knots[-1], 50)
    assert pchip(knots, start + slope * knots, at) == pytest.approx(start + slope * at, abs=1e-9)


def test_it_agrees_with_another_implementation() -> None:
    """scipy.interpolate.PchipInterpolator([0, 1, 3, 4, 7], [1, 3, 2, 2.5, 9])([0.5, 2, 3.5, 5, 6.5])."""
    at = np.array([0.5, 2.0, 3.5, 5.0, 6.5])
    said = pchip(np.array([0.0, 1.0, 3.0, 4.0, 7.0]), np.array([1.0, 3.0, 2.0, 2.5, 9.0]), at)
    assert said == pytest.approx([2.354166666667, 2.5, 2.158018867925, 3.752969951083, 7.383276554857])


def test_throughput_is_read_off_at_an_interactivity() -> None:
    """x falls and y rises with load: the curve is y = -x here, and flat outside what was measured."""
    size, x = np.array([0.0, 1.0, 2.0]), np.array([5.0, 4.0, 2.0])
    said = log_y_at(size, x, -x, np.array([4.5, 4.0, 3.0, 9.0, 1.0]))
    assert said == pytest.approx([-4.5, -4.0, -3.0, -5.0, -2.0], abs=1e-2)
