from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from matrix.facts import Host
from matrix.fleet import Fleet, load_fleet
from matrix.pack import yard_of
from matrix.places import NoPlace, Place, place, reach
from matrix.point import Point
from matrix.rota import Policy
from matrix.serving import Layout
from tests.fleets import write_fleet
from tests.matrix.test_point import POINT


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return load_fleet(write_fleet(tmp_path_factory.mktemp("fleet")))


def on(fleet: Fleet, *hosts: Host, devices: int = 1, host: str | None = None) -> Place | NoPlace:
    recipe = msgspec.structs.replace(fleet.recipes["tiny-cpu"], host=host)
    some = replace(fleet, hosts={one.label: one for one in hosts}, recipes={"tiny-cpu": recipe})
    return place(some, a_point(devices), "job")


def a_point(devices: int) -> Point:
    return msgspec.structs.replace(POINT, recipe="tiny-cpu", layout=Layout(tp=devices))


def test_a_small_job_holds_its_whole_machine(fleet: Fleet) -> None:
    found = on(fleet, Host(label="a", gpu="cpu", devices=8), devices=2)
    assert found == Place(host="a", label="a", machines=1, gpus=8)


def test_a_large_job_takes_linked_machines_together(fleet: Fleet) -> None:
    linked = Host(label="a", gpu="cpu", devices=8, machines=4, linked=True)
    assert on(fleet, linked, devices=20) == Place(host="a", label="a", machines=3, gpus=24)
    assert reach(linked) == 32


def test_a_slot_takes_a_job_of_any_size_and_holds_whole_nodes(fleet: Fleet) -> None:
    slots = Host(label="a", gpu="cpu", devices=8, machines=2, linked=True, slots=True)
    assert on(fleet, slots, devices=60) == Place(host="a", label="a", machines=1, gpus=64)
    assert reach(slots) is None


def test_too_large_a_job_says_how_many_gpus_are_missing(fleet: Fleet) -> None:
    found = on(fleet, Host(label="a", gpu="cpu", devices=8), Host(label="b", gpu="cpu", devices=4), devices=20)
    assert found == NoPlace(why="needs 20 cpu at once; the largest host has 8", missing_gpus=12)


def test_where_no_host_has_the_accelerator_nothing_can_be_added_up(fleet: Fleet) -> None:
    assert on(fleet, Host(label="a", gpu="h200", devices=8)) == NoPlace(why="no host has cpu")
    assert on(fleet, Host(label="a", gpu="cpu"), host="b") == NoPlace(why="there is no host b")


def test_a_host_that_is_started_by_hand_is_no_part_of_a_night(fleet: Fleet) -> None:
    mine = Host(label="a", gpu="cpu", devices=8, by_hand=True)
    assert on(fleet, mine) == NoPlace(why="no host has cpu")
    assert on(fleet, mine, host="a") == NoPlace(why="host a runs only what is started by hand")
    other = on(fleet, mine, Host(label="b", gpu="cpu", devices=1))
    assert isinstance(other, Place)
    assert other.host == "b"
    assert yard_of([mine], Policy()) == yard_of([], Policy())


def test_a_recipe_that_names_its_host_runs_there(fleet: Fleet) -> None:
    found = on(fleet, Host(label="a", gpu="cpu", devices=8, machines=99), Host(label="b", gpu="cpu"), host="b")
    assert isinstance(found, Place)
    assert (found.host, found.gpus) == ("b", 8)  # its own size unknown: that of another of its kind


def test_a_new_host_takes_its_share_and_moves_no_job_between_the_others(fleet: Fleet) -> None:
    hosts = {name: Host(label=name, gpu="cpu", devices=1, machines=machines) for name, machines in (("a", 1), ("b", 3))}
    more = {**hosts, "c": Host(label="c", gpu="cpu", devices=1, machines=4)}
    jobs = [f"job{number}" for number in range(400)]
    before, after = ([_host(replace(fleet, hosts=some), job) for job in jobs] for some in (hosts, more))
    assert 250 < before.count("b") < 350
    assert 150 < after.count("c") < 250
    assert all(new in (old, "c") for old, new in zip(before, after, strict=True))


def _host(fleet: Fleet, job: str) -> str:
    found = place(fleet, a_point(1), job)
    assert isinstance(found, Place)
    return found.host
