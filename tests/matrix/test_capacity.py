from __future__ import annotations

from dataclasses import replace

import pytest

from matrix.capacity import YardNeed, needs
from matrix.pack import Yard
from matrix.rota import Candidate
from tests.matrix.nights import POLICY, a_candidate, a_curve, a_yard

FULL = POLICY.window_minutes * (1 - POLICY.retry_share)


def need(candidates: list[Candidate], yard: Yard) -> YardNeed:
    (found,) = needs(candidates, {}, POLICY, yard)
    return found


def test_a_sentinel_costs_its_start_every_night_and_its_neighbours_a_seventh() -> None:
    curve = a_curve("k", 5)
    alone = POLICY.pair_share * 5 * (10.0 + 2.0)
    assert need(curve, a_yard(a=1)).needed_minutes == pytest.approx(10.0 + 3 * 2.0 + 2 * 2.0 / 7 + alone)


def test_a_weekly_workload_costs_a_seventh() -> None:
    assert need([a_candidate("p", every_nights=7)], a_yard(a=1)).needed_minutes == pytest.approx(12.0 / 7)


def test_a_label_is_short_by_the_machines_that_would_do_and_the_gpus_they_hold() -> None:
    candidates = [a_candidate(f"p{number}", minutes=FULL / 2 - 10.0, gpus=16) for number in range(7)]
    found = need(candidates, a_yard(a=2))
    assert (found.machines, found.short, found.short_gpus) == (2, 2, 32)
    assert need(candidates, a_yard(a=4)).short == 0


def test_a_job_on_two_machines_counts_on_both() -> None:
    found = need([a_candidate("p", machines=2, gpus=16, minutes=FULL - 10.0)], a_yard(a=1))
    assert found.needed_minutes == pytest.approx(2 * FULL)
    assert (found.short, found.short_gpus) == (1, 8)


def test_labels_that_share_machines_are_judged_together_and_the_narrow_one_by_itself() -> None:
    wide = a_candidate("w", label="a", minutes=10.0)
    narrow = [a_candidate(f"n{number}", label="b", minutes=FULL - 10.0) for number in range(2)]
    found = need([wide, *narrow], a_yard(a=("m1", "m2", "m3", "m4"), b=("m1",)))
    assert found.labels == ("a", "b")
    assert (found.machines, found.short) == (4, 1)


def test_without_a_rota_everything_is_asked_for_every_night() -> None:
    candidates = a_curve("k", 5)
    (found,) = needs(candidates, {}, replace(POLICY, by_age=False), a_yard(a=1))
    assert found.needed_minutes == pytest.approx(10.0 + 5 * 2.0)
