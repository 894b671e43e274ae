from __future__ import annotations

from pathlib import Path

import msgspec

from aggregate.commands import merge, publish
from aggregate.dataset import read_table
from aggregate.frontiers import frontiers
from aggregate.site.adapter import page_of
from aggregate.terminal import frontier_text
from matrix.facts import Gpu
from matrix.plan import Plan
from matrix.planfile import write_plan
from matrix.point import Rate, point_id, point_key
from matrix.result import Goodput
from tests.aggregate.builders import a_plan, a_result, artifact_of, artifacts_of, some_metrics

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


def open_loop_plan() -> Plan:
    """One job: a point of two streams, one of 2.5 requests/s."""
    plan = a_plan(jobs=1, concurrency=(2, 4))
    closed, other = plan.jobs[0].points
    point = msgspec.structs.replace(other.point, load=Rate(requests_per_s=2.5, arrival="gamma", burstiness=0.25))
    opened = msgspec.structs.replace(other, id=point_id(point), key=point_key(point), point=point)
    return msgspec.structs.replace(plan, jobs=(msgspec.structs.replace(plan.jobs[0], points=(closed, opened)),))


def test_an_open_loop_is_a_curve_of_its_own_and_says_its_rate(tmp_path: Path) -> None:
    table = read_table(published_home(tmp_path, open_loop_plan()))
    (view,) = page_of(table, (), GPUS).groups
    loads = {series.label: [(dot.concurrency, dot.rate_per_s) for dot in series.dots] for series in view.series}
    assert loads == {"r0 · tp1": [(2, None)], "r0 · tp1 · gamma arrivals of burstiness 0.25": [(256, 2.5)]}
    assert "2.5/s" in frontier_text(frontiers(table))


def test_goodput_and_the_clients_processes_reach_the_page(tmp_path: Path) -> None:
    plan = a_plan(jobs=1, concurrency=(2,))
    write_plan(plan, tmp_path / "plan.json")
    good = Goodput(limits="ttft <= 0.5 s", requests_per_s=1.25, share=0.75)
    job, point = plan.jobs[0], plan.jobs[0].points[0]
    client = a_result(plan, job, point).client
    assert client is not None
    metrics = msgspec.structs.replace(some_metrics(), goodput=good)
    client = msgspec.structs.replace(client, workers=3)
    artifact_of(tmp_path / "artifacts", plan, job, metrics=metrics, client=client)
    merge(tmp_path / "plan.json", tmp_path / "artifacts", tmp_path / "merged")
    publish(tmp_path / "plan.json", tmp_path / "merged", tmp_path / "home")
    dot = page_of(read_table(tmp_path / "home"), (), GPUS).groups[0].series[0].dots[0]
    assert (dot.figures.goodput_requests_per_s, dot.figures.goodput_share) == (1.25, 0.75)
    assert (dot.origin.goodput_limits, dot.origin.client_workers) == ("ttft <= 0.5 s", 3)
