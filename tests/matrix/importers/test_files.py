from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from matrix.errors import DataProblems, FleetError
from matrix.fleet import load_fleet
from matrix.importers.files import import_inferencex
from matrix.jobs import Night
from matrix.plan import Plan
from matrix.planner import build_plan

DATA = Path(__file__).parents[2] / "data" / "inferencex"
MASTERS = (DATA / "2026-08-nvidia-slice.yaml",)
RUNNERS = DATA / "2026-08-runners-slice.yaml"
FLAGS = DATA / "server-flags-slice.json"
NIGHT = Night(run_id="run-1", date="2026-08-20", seed=1, git_sha="unknown")


def test_imported_jobs_are_planned_and_say_why_they_are_not_launched(tmp_path: Path) -> None:
    import_inferencex(MASTERS, RUNNERS, FLAGS, tmp_path)
    plan = build_plan(load_fleet(tmp_path), "cluster.b200-dgxc", NIGHT)
    assert len(plan.jobs) > 10
    assert all(job.blocked for job in plan.jobs)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_a_fleet_keeps_what_it_has_and_gets_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "gpus").mkdir()
    ours = "b200:\n  name: our own B200\n  device: nvidia\n  source: a test\n"
    (tmp_path / "gpus" / "ours.yaml").write_text(ours)
    import_inferencex(MASTERS, RUNNERS, None, tmp_path)
    fleet = load_fleet(tmp_path)
    assert fleet.gpus["b200"].name == "our own B200"
    assert "gb200" in fleet.gpus
    assert (tmp_path / "gpus" / "ours.yaml").read_text() == ours


def test_a_recipe_that_is_already_elsewhere_is_not_written_twice(tmp_path: Path) -> None:
    import_inferencex(MASTERS, RUNNERS, None, tmp_path)
    folder = tmp_path / "recipes" / "nvidia" / "inferencex"
    (folder / "dsr1-fp8-b200-sglang.yaml").rename(tmp_path / "recipes" / "mine.yaml")
    with pytest.raises(FleetError, match="already has a recipe 'dsr1-fp8-b200-sglang'"):
        import_inferencex(MASTERS, RUNNERS, None, tmp_path)


def test_two_masters_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="one name"):
        import_inferencex(MASTERS * 2, RUNNERS, None, tmp_path)


@pytest.mark.parametrize("text", ["a: &x [1]\nb: *x\n", "a: {", "a: 1\na: 2\n"])
def test_a_master_that_is_not_plain_yaml_is_refused_with_its_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(DataProblems, match=r"m\.yaml:\d"):
        import_inferencex((tmp_path / "m.yaml",), RUNNERS, None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["{", "[1]", '[{"era": "x"}]', '[{"era": "\udcff"}]'])
def test_a_file_of_flags_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(FleetError, match="not a file of server flags"):
        import_inferencex(MASTERS, RUNNERS, tmp_path / "f.json", tmp_path / "out")


@pytest.mark.parametrize("text", ["labels: 3\n", "- a\n", "h100: machine\n"])
def test_a_runners_file_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(FleetError, match="not a runners file"):
        import_inferencex(MASTERS, tmp_path / "r.yaml", None, tmp_path / "out")
