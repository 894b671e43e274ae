from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from matrix.errors import FleetError
from matrix.planfile import write_plan
from matrix.render import WORKFLOWS
from matrix.waves import part_of
from matrix.workflow_commands import closing_time, instant, render_workflows, select
from tests.aggregate.builders import a_plan
from tests.fleets import RECIPE, write_fleet


def rendered(fleet: Path, root: Path, *, check_only: bool = False) -> str:
    return render_workflows(fleet, root, check_only=check_only)


def jobs(root: Path) -> str:
    return (root / WORKFLOWS / "sweep-00.yml").read_text()


def test_rendering_again_changes_nothing_and_the_check_agrees(tmp_path: Path) -> None:
    fleet = write_fleet(tmp_path / "fleet")
    assert "sweep-00.yml" in rendered(fleet, tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / ".github").rglob("*") if path.is_file()}
    assert rendered(fleet, tmp_path).endswith("nothing changed")
    assert rendered(fleet, tmp_path, check_only=True).endswith("nothing changed")
    assert {path: path.read_bytes() for path in (tmp_path / ".github").rglob("*") if path.is_file()} == before


def test_a_new_recipe_changes_one_file_and_moves_no_job(tmp_path: Path) -> None:
    fleet = write_fleet(tmp_path / "fleet")
    rendered(fleet, tmp_path)
    old = jobs(tmp_path)
    (fleet / "recipes" / "new.yaml").write_text(RECIPE.replace("tiny-cpu:", "a-new-one:"))
    with pytest.raises(FleetError, match=r"sweep-00.yml. Run `inferfleet render`"):
        rendered(fleet, tmp_path, check_only=True)
    assert rendered(fleet, tmp_path) == f"8 files: {WORKFLOWS}/sweep-00.yml"
    assert set(old.splitlines()) < set(jobs(tmp_path).splitlines())


@pytest.mark.parametrize("name", ["nightly.yml", "sweep-00.yml", "publish.yml"])
def test_an_edit_by_hand_is_found_and_undone(tmp_path: Path, name: str) -> None:
    fleet = write_fleet(tmp_path / "fleet")
    rendered(fleet, tmp_path)
    path = tmp_path / WORKFLOWS / name
    text = path.read_text()
    path.write_text(text.replace("persist-credentials: false", "persist-credentials: true"))
    with pytest.raises(FleetError, match=name):
        rendered(fleet, tmp_path, check_only=True)
    rendered(fleet, tmp_path)
    assert path.read_text() == text


def test_a_sweep_without_jobs_is_deleted_and_other_peoples_workflows_are_left(tmp_path: Path) -> None:
    fleet = write_fleet(tmp_path / "fleet")
    rendered(fleet, tmp_path)
    folder = tmp_path / WORKFLOWS
    (folder / "sweep-07.yml").write_text(re.sub(r"(?m)^ {12}tiny.*\n", "", jobs(tmp_path)))
    (folder / "mine.yml").write_text("on: push\njobs: {}\n")
    with pytest.raises(FleetError, match=r"sweep-07\.yml"):
        rendered(fleet, tmp_path, check_only=True)
    assert "sweep-07.yml (deleted)" in rendered(fleet, tmp_path)
    assert sorted(path.name for path in folder.iterdir())[-3:] == ["publish.yml", "run-one.yml", "sweep-00.yml"]
    assert (folder / "mine.yml").exists()


def test_a_workflow_that_github_would_refuse_is_not_rendered_around(tmp_path: Path) -> None:
    fleet = write_fleet(tmp_path / "fleet")
    mine = tmp_path / WORKFLOWS / "mine.yml"
    mine.parent.mkdir(parents=True)
    mine.write_text("on: push\njobs:\n  a:\n    runs-on: x\n    timeout-minutes: 1\n    strategy: {matrix: {a: []}}\n")
    with pytest.raises(FleetError, match=r"mine.yml: job a: its matrix is empty"):
        rendered(fleet, tmp_path)


def test_what_is_not_pinned_starts_only_where_it_was_asked_for(tmp_path: Path) -> None:
    plan = a_plan()
    server = msgspec.structs.replace(plan.jobs[0].server, image="vllm:latest")
    write_plan(part_of(plan, [msgspec.structs.replace(plan.jobs[0], server=server)]), tmp_path / "night.json")
    fleet, out = write_fleet(tmp_path / "fleet"), tmp_path / "plan.json"
    label = plan.jobs[0].label
    (fleet / "hosts" / "mine.yaml").write_text(f"mine: {{label: {label}, gpu: cpu, devices: 1, source: a test}}\n")
    name = plan.jobs[0].recipe
    with pytest.raises(FleetError, match="has no digest; `inferfleet pin` fixes it, run one with `unpinned`"):
        select(fleet, tmp_path / "night.json", None, name, "2099-01-01T00:00:00Z", out)
    started = select(fleet, tmp_path / "night.json", None, name, "2099-01-01T00:00:00Z", out, unpinned=True)
    assert started.startswith("jobs=1\n")


def test_the_time_of_the_last_point_is_said_once_and_in_utc() -> None:
    assert closing_time("2026-01-31T07:00:00+01:00", None) == "2026-01-31T06:00:00Z"
    assert closing_time("2026-01-31T06:00:00", None) == "2026-01-31T06:00:00Z"
    soon = instant(closing_time(None, 1.5)) - datetime.now(UTC)
    assert timedelta(hours=1) < soon <= timedelta(hours=1.5)
    for not_after, hours in ((None, None), ("2026-01-31T06:00:00Z", 1.0)):
        with pytest.raises(FleetError, match="either --not-after or --hours"):
            closing_time(not_after, hours)
    with pytest.raises(FleetError, match="is not a time"):
        closing_time("soon\nmatrix={}", None)
