from __future__ import annotations

import msgspec
import pytest

from matrix.simulate.job import Measurement, Work, play_job
from matrix.simulate.world import PERFECT, World
from matrix.words import Outcome


def works(points: int = 3, alone: int = 0, **changes: object) -> Work:
    found = [Measurement(id=f"p{number}", minutes=4.0, measured_minutes=3.0) for number in range(points)]
    found += [Measurement(id=f"p{n}.alone", minutes=4.0, measured_minutes=3.0, alone=True) for n in range(alone)]
    work = Work(
        job="job", label="a", gpu="h200", machines=1, gpus=8, start_minutes=10.0, measurements=tuple(found), order=0
    )
    from dataclasses import replace

    return replace(work, **changes)  # type: ignore[arg-type]


def world(**changes: object) -> World:
    return msgspec.structs.replace(PERFECT, **changes)


def test_one_start_serves_all_points() -> None:
    end = play_job(works(3), 100.0, 1000.0, PERFECT, "s")
    assert (end.starts, end.measured, end.now) == (1, 9.0, 100.0 + 1.0 + 10.0 + 12.0)
    assert set(end.outcomes.values()) == {Outcome.OK}


def test_a_point_alone_pays_its_own_start() -> None:
    end = play_job(works(2, alone=2), 0.0, 1000.0, PERFECT, "s")
    assert (end.starts, end.now) == (3, 1.0 + 3 * 10.0 + 4 * 4.0)
    assert len(end.outcomes) == 4


def test_no_point_begins_after_the_window_has_closed() -> None:
    end = play_job(works(5), 0.0, 16.0, PERFECT, "s")
    assert list(end.outcomes.values()).count(Outcome.OK) == 2
    assert list(end.outcomes.values()).count(Outcome.CANCELLED) == 3


@pytest.mark.parametrize(("fault", "outcome"), [(1.0, Outcome.INFRA_FAILED), (0.0, Outcome.RECIPE_FAILED)])
def test_a_server_that_never_starts_fails_all_its_points(fault: float, outcome: Outcome) -> None:
    never = world(success={"h200": 0.0}, at_start=1.0, host_fault=fault)
    end = play_job(works(3), 0.0, 1000.0, never, "s")
    assert (end.starts, end.measured, set(end.outcomes.values())) == (1, 0.0, {outcome})
    assert len(end.host_faults) == (3 if fault else 0)


def test_a_server_that_dies_is_started_once_more_for_the_rest() -> None:
    deadly = world(success={"h200": 0.0}, at_start=0.0, takes_server=1.0, host_fault=0.0)
    end = play_job(works(4), 0.0, 1000.0, deadly, "s")
    assert end.starts == 2
    assert len(end.outcomes) == 4
    assert set(end.outcomes.values()) == {Outcome.RECIPE_FAILED}


def test_a_point_that_fails_leaves_its_siblings_alone() -> None:
    harmless = world(success={"h200": 0.0}, at_start=0.0, takes_server=0.0)
    end = play_job(works(4), 0.0, 1000.0, harmless, "s")
    assert (end.starts, len(end.outcomes)) == (1, 4)


def test_a_lost_runner_loses_the_whole_artifact_and_the_machine() -> None:
    end = play_job(works(3), 0.0, 1000.0, world(lost_runner=1.0), "s")
    assert end.lost
    assert end.measured == 0.0
    assert set(end.outcomes.values()) == {Outcome.INFRA_FAILED}
    assert len(end.host_faults) == 3
    assert 0.0 <= end.now <= 23.0


def test_a_repeat_takes_its_minutes_and_is_never_tried_again_nor_on_another_server() -> None:
    again = Measurement(id="p0.repeat", minutes=4.0, measured_minutes=0.0, repeat=True)
    shared = works(2)
    work = works(measurements=(*shared.measurements, again))
    end = play_job(work, 0.0, 1000.0, PERFECT, "s")
    assert (end.now, end.measured, end.starts) == (1.0 + 10.0 + 3 * 4.0, 6.0, 1)
    lost = play_job(work, 0.0, 1000.0, world(lost_runner=1.0), "s")
    assert {one.id for one in lost.host_faults} == {"p0", "p1"}
    deadly = play_job(work, 0.0, 1000.0, world(success={"h200": 0.0}, at_start=0.0, takes_server=1.0), "s")
    assert deadly.starts == 2
    assert "p0.repeat" not in deadly.outcomes
