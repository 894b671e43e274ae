from __future__ import annotations

from matrix.rota import Seen
from matrix.sentinels import sentinels
from tests.matrix.nights import a_candidate, a_curve


def placed(x: float, y: float) -> Seen:
    return Seen(served="s", seen=1, ok=1, x=x, y=y)


def test_a_short_curve_is_watched_whole() -> None:
    assert sentinels(a_curve("k", 3), {}) == {"k.c1", "k.c2", "k.c3"}


def test_before_any_measurement_the_loads_say_which_are_the_ends_and_the_middle() -> None:
    loads = {"a": 1.0, "b": 2.0, "c": 8.0, "d": 30.0, "e": 64.0}
    curve = [a_candidate(name, curve="k", load=load) for name, load in loads.items()]
    assert sentinels(curve, {}) == {"a", "c", "e"}


def test_afterwards_the_frontier_says_where_it_bends() -> None:
    """Throughput hardly rises beyond `knee`, interactivity hardly falls before it."""
    frontier = {"fast": (100.0, 10.0), "early": (95.0, 30.0), "knee": (85.0, 90.0), "late": (40.0, 95.0),
                "full": (10.0, 100.0)}  # fmt: skip
    curve = [a_candidate(name, curve="k", load=1.0) for name in frontier]
    memory = {name: placed(x, y) for name, (x, y) in frontier.items()}
    assert sentinels(curve, memory) == {"fast", "knee", "full"}


def test_one_point_may_be_both_ends() -> None:
    measured = {"best": (100.0, 100.0), "b": (50.0, 50.0), "c": (40.0, 30.0), "d": (30.0, 20.0)}
    curve = [a_candidate(name, curve="k", load=1.0) for name in measured]
    assert sentinels(curve, {name: placed(x, y) for name, (x, y) in measured.items()}) == {"best", "b"}


def test_curves_are_watched_each_on_its_own() -> None:
    found = sentinels([*a_curve("k", 9), *a_curve("l", 9)], {})
    assert {name.split(".")[0] for name in found} == {"k", "l"}
    assert len(found) == 6
