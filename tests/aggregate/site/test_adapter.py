from __future__ import annotations

from pathlib import Path

from aggregate.commands import merge, publish
from aggregate.dataset import read_table
from aggregate.site.adapter import page_of
from matrix.facts import Gpu
from matrix.plan import Plan
from matrix.planfile import write_plan
from tests.aggregate.builders import a_plan, artifacts_of

GPUS = {"cpu": Gpu(name="CPU host", device="cpu", source="a test")}


def published_home(root: Path, plan: Plan, skip: str = "none") -> Path:
    write_plan(plan, root / "plan.json")
    artifacts_of(root / "artifacts", plan)
    for path in (root / "artifacts").rglob(f"{skip}.json"):
        path.unlink()
    merge(root / "plan.json", root / "artifacts", root / "merged")
    publish(root / "plan.json", root / "merged", root / "home")
    return root / "home"


def test_every_ok_point_is_a_dot_and_every_other_a_gap(tmp_path: Path) -> None:
    plan = a_plan(jobs=2, concurrency=(1, 4))
    skipped = plan.jobs[0].points[0].id
    model = page_of(read_table(published_home(tmp_path, plan, skip=skipped)), (), GPUS)
    dots = [dot for view in model.groups for series in view.series for dot in series.dots]
    assert {dot.origin.point_id for dot in dots} | {skipped} == {p.id for job in plan.jobs for p in job.points}
    assert [gap.point_id for gap in model.missing] == [skipped]
    assert (model.night.planned, model.night.ok, model.night.run_id) == (4, 3, plan.run_id)


def test_dots_carry_their_provenance_and_frontiers_only_name_dots(tmp_path: Path) -> None:
    plan = a_plan(jobs=2, concurrency=(1, 4))
    model = page_of(read_table(published_home(tmp_path, plan)), (), GPUS)
    (view,) = model.groups
    ids = {dot.id for series in view.series for dot in series.dots}
    assert len(view.frontiers) == 6
    assert all(set(members) <= ids and members for members in view.frontiers.values())
    origin = view.series[0].dots[0].origin
    assert origin.git_sha == plan.git_sha
    assert origin.seed == plan.seed
    assert view.device_notes == ("1 device = this CPU host",)


def test_a_gpu_the_fleet_no_longer_names_keeps_its_id(tmp_path: Path) -> None:
    model = page_of(read_table(published_home(tmp_path, a_plan(jobs=1))), (), {})
    assert model.groups[0].device_notes == ("1 device = 1 cpu",)
