from __future__ import annotations

import dataclasses
from collections import Counter

import msgspec

from matrix.facts import Host
from matrix.fleet import DATA, load_fleet
from matrix.jobs import in_order, runners_of
from matrix.plan import PlannedPoint
from matrix.point import Concurrency, point_id, point_key
from tests.aggregate.builders import a_plan
from tests.matrix.test_point import POINT


def points(count: int) -> list[PlannedPoint]:
    found = [msgspec.structs.replace(POINT, load=Concurrency(streams=number + 1)) for number in range(count)]
    found += [msgspec.structs.replace(point, alone=True) for point in found[:2]]
    return [PlannedPoint(id=point_id(one), key=point_key(one), point=one, expected_minutes=1.0) for one in found]


def test_the_first_come_first_and_the_lonely_last_in_an_order_drawn_anew_by_each_seed() -> None:
    planned = points(6)
    first = frozenset(point.id for point in planned[2:4])
    begun: Counter[str] = Counter()
    for seed in range(200):
        ordered = in_order(planned, first, "job", seed)
        assert sorted(point.id for point in ordered) == sorted(point.id for point in planned)
        assert {point.id for point in ordered[:2]} == first
        assert all(point.point.alone for point in ordered[-2:])
        assert ordered == in_order(reversed(planned), first, "job", seed)
        begun[ordered[0].id] += 1
    assert set(begun) == first
    assert min(begun.values()) > 60


def test_the_machines_of_a_label_are_named_only_if_all_of_them_are() -> None:
    def host(label: str, *names: str) -> Host:
        return Host(label=label, gpu="cpu", runners=names)

    hosts = {
        "a": host("l1", "m2", "m1"),
        "b": host("l1", "m3"),
        "c": host("l2", "m4"),
        "d": host("l2"),
        "e": host("l3"),
    }
    fleet = dataclasses.replace(load_fleet(DATA), hosts=hosts)
    jobs = [msgspec.structs.replace(a_plan().jobs[0], label=label) for label in ("l1", "l2", "l3")]
    assert runners_of(fleet, jobs) == {"l1": ("m1", "m2", "m3")}
    assert runners_of(fleet, jobs[1:]) == {}
