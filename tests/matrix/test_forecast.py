from __future__ import annotations

from dataclasses import replace

from matrix.forecast import HORIZON_NIGHTS, after, forecast
from matrix.pack import pack
from matrix.rota import rota
from tests.matrix.nights import POLICY, TODAY, a_candidate, a_yard, seen

POLICY_ONLY_POINTS = replace(POLICY, pair_share=0.0, certified_nights=None)


def test_what_does_not_fit_tonight_fits_on_the_nights_it_is_expected() -> None:
    """Five jobs of 200 minutes: the sentinels' 399 minutes hold one, the 171 behind them none."""
    candidates = [a_candidate(f"p{number}", minutes=190.0, every_nights=7) for number in range(5)]
    first = forecast(candidates, {}, TODAY, POLICY_ONLY_POINTS, 1, a_yard(a=1))
    assert sorted(first.values()) == [TODAY, TODAY, TODAY + 1, TODAY + 1, TODAY + 2]


def test_a_forecast_is_what_the_nights_then_plan_when_nothing_fails() -> None:
    candidates = [a_candidate(f"p{number}", minutes=150.0, every_nights=7) for number in range(12)]
    yard, memory = a_yard(a=1), {"p3": seen(9)}
    expected = forecast(candidates, memory, TODAY, POLICY_ONLY_POINTS, 1, yard)
    found: dict[str, int] = {}
    for night in range(TODAY, TODAY + 7):
        jobs = pack(rota(candidates, memory, night, POLICY_ONLY_POINTS, 1).wanted, yard, POLICY_ONLY_POINTS).jobs
        for job in jobs:
            found.setdefault(job.wants[0].candidate.id, night)
        memory = after(memory, jobs, night)
    assert found == expected


def test_what_never_fits_has_no_night() -> None:
    impossible = a_candidate("p", minutes=10_000.0)
    assert forecast([impossible], {}, TODAY, POLICY, 1, a_yard(a=1)) == {}
    assert HORIZON_NIGHTS == 28


def test_a_measured_point_is_remembered_with_its_new_arguments_and_its_certificate() -> None:
    one = a_candidate("p", certified_minutes=30.0)
    for night in range(TODAY, TODAY + 28):
        jobs = pack(rota([one], {"p": seen(1)}, night, POLICY, 1).wanted, a_yard(a=1), POLICY).jobs
        memory = after({"p": seen(3, served="before", failures=2)}, jobs, night)
        assert (memory["p"].served, memory["p"].seen, memory["p"].failures) == ("s", night, 0)
        if any(want.certified for want in jobs[0].wants):
            assert memory["p"].certified == night
            return
    raise AssertionError("it was never certified in 28 nights")
