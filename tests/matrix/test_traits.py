from __future__ import annotations

from pathlib import Path

from matrix.expand import expand
from matrix.fleet import load_fleet
from matrix.jobs import Night
from matrix.planner import build_plan
from matrix.point import Point, point_id
from matrix.traits import planned_traits, traits_of
from tests.fleets import RECIPE, write_fleet

POOLS = """\
pooled:
  model: tiny
  gpu: cpu
  engine: llamacpp
  precision: q8_0
  serving: {speculation: {method: mtp}}
  layouts:
    - prefill: {workers: 2, tp: 4, gpu: cpu-big}
      decode: {tp: 8, ep: 8}
      points: {short: [1]}
  source: a test
"""


def test_a_plan_gives_a_point_the_traits_its_fleet_gives(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path, recipe=RECIPE))
    plan = build_plan(fleet, "this-machine", Night(run_id="r", date="2026-01-31", seed=1, git_sha="x"))
    of_fleet = {point_id(item): traits_of(fleet)(item) for item in expand(fleet) if isinstance(item, Point)}
    assert {point.id: planned_traits(job, point) for job in plan.jobs for point in job.points} == of_fleet


def test_pools_give_each_of_their_sizes_and_devices_are_counted_together(tmp_path: Path) -> None:
    fleet = load_fleet(write_fleet(tmp_path, recipe=POOLS))
    (point,) = (item for item in expand(fleet) if isinstance(item, Point))
    traits = traits_of(fleet)(point)
    assert (traits.tp, traits.ep, traits.devices) == ((4, 8), (1, 8), (16,))
    assert (traits.gpu, traits.spec) == (("cpu-big", "cpu"), ("mtp",))
