from __future__ import annotations

from dataclasses import replace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.simulate.job import Measurement, Work
from matrix.simulate.night import Tally, run_night
from matrix.simulate.world import MEASURED, PERFECT, World
from matrix.words import Outcome
from tests.matrix.nights import a_yard


def a_work(number: int, points: int = 2, **changes: object) -> Work:
    found = tuple(Measurement(id=f"p{number}.{n}", minutes=4.0, measured_minutes=3.0) for n in range(points))
    work = Work(
        job=f"j{number}", label="a", gpu="h200", machines=1, gpus=8, start_minutes=10.0,
        measurements=found, order=number,
    )  # fmt: skip
    return replace(work, **changes)  # type: ignore[arg-type]


def play(works: list[Work], world: World = PERFECT, retries: int = 0, machines: int = 2) -> Tally:
    return run_night(works, a_yard(a=machines, b=1), world, retries, "seed")


def test_jobs_queue_for_the_machines_of_their_label() -> None:
    tally = play([a_work(number) for number in range(5)])
    assert tally.ends == 3 * (1.0 + 10.0 + 8.0)
    assert (tally.starts, tally.retried, tally.lost_runners) == (5, 0, 0)
    assert tally.held_gpu_minutes == 5 * 19.0 * 8
    assert tally.measuring_gpu_minutes == 5 * 6.0 * 8


def test_a_job_on_two_machines_waits_for_both() -> None:
    tally = play([a_work(0), a_work(1, machines=2), a_work(2)])
    assert tally.ends == 3 * 19.0


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from("ab"), st.integers(1, 2)), max_size=40), st.integers(0, 5))
@settings(max_examples=50)
def test_every_point_has_an_outcome_whatever_happens(jobs: list[tuple[int, str, int]], retries: int) -> None:
    wild = msgspec.structs.replace(MEASURED, lost_runner=0.2)
    works = [
        a_work(number, points, label=label, machines=1 if label == "b" else machines)
        for number, (points, label, machines) in enumerate(jobs)
    ]
    tally = play(works, wild, retries)
    assert set(tally.outcomes) == {one.id for work in works for one in work.measurements}
    assert tally.retried <= retries
    assert tally.measuring_gpu_minutes <= tally.held_gpu_minutes
    assert tally == play(works, wild, retries)


def test_what_was_the_hosts_fault_is_tried_once_more_behind_all_others() -> None:
    fails_first = msgspec.structs.replace(MEASURED, success={"h200": 0.0}, host_fault=1.0, spread=0.0, lost_runner=0.0)
    tally = play([a_work(number) for number in range(3)], fails_first, retries=4)
    assert (tally.retried, tally.starts) == (4, 5)
    assert set(tally.outcomes.values()) == {Outcome.INFRA_FAILED}


def test_a_second_try_that_comes_too_late_takes_nothing_back() -> None:
    slow = msgspec.structs.replace(
        PERFECT, success={"h200": 0.0}, at_start=0.0, host_fault=1.0, takes_server=0.0, lost_runner=0.0
    )
    tally = play([a_work(0, start_minutes=590.0)], slow, retries=10)
    assert set(tally.outcomes.values()) == {Outcome.INFRA_FAILED}


def test_when_the_last_runner_is_lost_what_waits_is_cancelled() -> None:
    gone = msgspec.structs.replace(PERFECT, lost_runner=1.0)
    tally = play([a_work(number) for number in range(5)], gone)
    outcomes = list(tally.outcomes.values())
    assert tally.lost_runners == 2
    assert (outcomes.count(Outcome.INFRA_FAILED), outcomes.count(Outcome.CANCELLED)) == (4, 6)
