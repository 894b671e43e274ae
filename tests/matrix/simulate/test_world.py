from __future__ import annotations

from statistics import mean

import pytest

from matrix.simulate.world import MEASURED, PERFECT, SUCCESS, luck


def test_luck_is_uniform_and_the_same_for_the_same_words() -> None:
    drawn = [luck("point", 1, number) for number in range(4000)]
    assert mean(drawn) == pytest.approx(0.5, abs=0.02)
    assert min(drawn) < 0.01
    assert 0.99 < max(drawn) < 1
    assert luck("a", 1) == luck("a", 1) != luck("a", 2)


@pytest.mark.parametrize("gpu", [*SUCCESS, "another"])
def test_a_job_of_one_point_succeeds_as_often_as_was_published(gpu: str) -> None:
    tries = range(6000)
    good = sum(
        not MEASURED.start_fails(gpu, luck("s", gpu, number)) and not MEASURED.point_fails(gpu, luck("p", gpu, number))
        for number in tries
    )
    assert good / len(tries) == pytest.approx(SUCCESS.get(gpu, 0.778), abs=0.025)


def test_durations_spread_around_what_is_expected() -> None:
    lasted = [MEASURED.lasts(10.0, luck("d", number)) for number in range(4000)]
    assert mean(lasted) == pytest.approx(10.0, rel=0.02)
    assert min(lasted) < 8.0
    assert max(lasted) > 12.0
    assert all(MEASURED.lasts(10.0, extreme) > 0 for extreme in (0.0, 1.0))


def test_in_a_perfect_world_nothing_fails_and_all_is_on_time() -> None:
    assert not any(PERFECT.start_fails("h200", luck(number)) for number in range(100))
    assert not any(PERFECT.point_fails("h200", luck(number)) for number in range(100))
    assert PERFECT.lasts(10.0, 0.9) == 10.0
