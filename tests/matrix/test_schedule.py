from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix.rota import Tier, Want
from matrix.schedule import Packed, components, free_first, lay_out
from tests.matrix.nights import a_candidate


def a_job(name: str, minutes: float, machines: tuple[str, ...] = ("m0",), label: str = "a") -> Packed:
    want = Want(candidate=a_candidate(name), tier=Tier.STALE, why="a test")
    return Packed(job=name, label=label, gpus=8, wants=[want], minutes=minutes, machines=machines)


def test_labels_that_share_a_machine_through_a_third_are_one() -> None:
    root = components({"a": ("m1",), "b": ("m1", "m2"), "c": ("m2",), "d": ("m3",)})
    assert root["a"] == root["b"] == root["c"] != root["d"]


def test_the_machines_that_are_free_first() -> None:
    assert free_first(("m0", "m1", "m2"), {"m0": 5.0, "m1": 1.0}, 2) == ("m2", "m1")


@given(st.lists(st.floats(1, 100), min_size=1, max_size=30), st.integers(1, 5))
def test_longest_first_ends_within_four_thirds_of_the_best_possible(lengths: list[float], count: int) -> None:
    machines = tuple(f"m{number}" for number in range(count))
    jobs = [a_job(f"j{number}", length) for number, length in enumerate(lengths)]
    assert lay_out(jobs, {"a": machines}, dict.fromkeys(machines, 1e9)) == []
    least = max(sum(lengths) / count, *lengths)
    assert max(job.begins + job.minutes for job in jobs) <= 4 / 3 * least + max(lengths) / 3


def test_where_longest_first_is_too_late_jobs_stay_where_they_were_accepted() -> None:
    """3+3 and 2+2+2 fill six minutes; longest first needs seven."""
    spread = {"j0": (3, "m0"), "j1": (3, "m0"), "j2": (2, "m1"), "j3": (2, "m1"), "j4": (2, "m1")}
    jobs = [a_job(name, minutes, (machine,)) for name, (minutes, machine) in spread.items()]
    assert lay_out(jobs, {"a": ("m0", "m1")}, {"m0": 6.0, "m1": 6.0}) == []
    assert max(job.begins + job.minutes for job in jobs) == 6
    assert {job.job: job.machines for job in jobs} == {name: (machine,) for name, (_, machine) in spread.items()}


def test_jobs_on_several_machines_that_cannot_all_end_in_time_are_given_up_last_first() -> None:
    jobs = [a_job(f"j{number}", 4.0, ("m0", "m1")) for number in range(3)]
    dropped = lay_out(jobs, {"a": ("m0", "m1")}, {"m0": 9.0, "m1": 9.0})
    assert [job.job for job in dropped] == ["j2"]
    assert [job.begins for job in jobs[:2]] == [0.0, 4.0]
