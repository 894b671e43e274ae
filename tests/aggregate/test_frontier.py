"""The frontier is the definition's, ties and all."""

from __future__ import annotations

import moocore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aggregate import frontier
from aggregate.frontier import Direction, frontier_mask

HIGHER, LOWER = Direction.HIGHER, Direction.LOWER
directions = st.sampled_from([HIGHER, LOWER])
coarse = st.integers(-3, 3).map(float)
any_float = st.floats(allow_nan=False, allow_infinity=False)
pairs = st.one_of(
    st.lists(st.tuples(coarse, coarse), max_size=60), st.lists(st.tuples(any_float, any_float), max_size=30)
)


def by_definition(x: list[float], y: list[float], x_better: Direction, y_better: Direction) -> list[bool]:
    """O(n^2): nobody is at least as good on both axes and better on one."""
    across = [value if x_better is HIGHER else -value for value in x]
    up = [value if y_better is HIGHER else -value for value in y]
    points = list(zip(across, up, strict=True))
    return [not any(a >= p and b >= q and (a, b) != (p, q) for a, b in points) for p, q in points]


@given(pairs, directions, directions)
def test_the_mask_is_the_definitions(points: list[tuple[float, float]], dx: Direction, dy: Direction) -> None:
    x, y = [p[0] for p in points], [p[1] for p in points]
    assert frontier_mask(x, y, dx, dy).tolist() == by_definition(x, y, dx, dy)


@given(pairs, directions, directions)
def test_the_prefilter_never_changes_the_answer(
    points: list[tuple[float, float]], dx: Direction, dy: Direction
) -> None:
    x, y = [p[0] for p in points], [p[1] for p in points]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frontier, "PREFILTER_FROM", 1)
        assert frontier_mask(x, y, dx, dy).tolist() == by_definition(x, y, dx, dy)


@given(st.permutations(range(12)))
def test_the_order_of_the_points_does_not_matter(order: list[int]) -> None:
    x = np.array([1, 1, 2, 2, 3, 3, 0, 5, 5, 4, 2, 1], dtype=float)
    y = np.array([9, 9, 7, 8, 3, 8, 9, 1, 1, 1, 8, 2], dtype=float)
    assert (
        frontier_mask(x[order], y[order], HIGHER, HIGHER).tolist()
        == frontier_mask(x, y, HIGHER, HIGHER)[order].tolist()
    )


def clouds() -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    random = np.random.default_rng(1)
    size = frontier.PREFILTER_FROM + 1000
    angle = random.uniform(0, np.pi / 2, size)
    return {
        "uniform": (random.random(size), random.random(size)),
        "grid of ties": (random.integers(0, 300, size).astype(float), random.integers(0, 300, size).astype(float)),
        "all on the frontier": (np.cos(angle), np.sin(angle)),
        "one x": (np.ones(size), random.random(size)),
        "huge range": (random.uniform(-1, 1, size) * 1.7e308, random.random(size)),
    }


@pytest.mark.parametrize("name", list(clouds()))
def test_many_points_agree_with_another_implementation(name: str) -> None:
    x, y = clouds()[name]
    oracle = moocore.is_nondominated(np.column_stack([x, y]), maximise=True, keep_weakly=True)
    assert (frontier_mask(x, y, HIGHER, HIGHER) == oracle).all()


@pytest.mark.fault(76)
def test_no_points_one_point_and_equal_points() -> None:
    assert frontier_mask([], [], HIGHER, LOWER).tolist() == []
    assert frontier_mask([1.0], [1.0], HIGHER, LOWER).tolist() == [True]
    assert frontier_mask([1.0, 1.0, 0.0], [1.0, 1.0, 1.0], HIGHER, HIGHER).tolist() == [True, True, False]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        frontier_mask([1.0, bad], [1.0, 2.0], HIGHER, HIGHER)
    with pytest.raises(ValueError, match="finite"):
        frontier_mask([1.0, 2.0], [bad, 1.0], HIGHER, HIGHER)


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="equally long"):
        frontier_mask([1.0], [1.0, 2.0], HIGHER, HIGHER)
