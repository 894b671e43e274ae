"""The commands as a person types them, on the shipped data and small fleets of their own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from inferfleet import cli
from matrix.errors import FleetError
from matrix.fleet import DATA
from tests.fleets import RECIPE, write_fleet


def run(*args: str | Path) -> str:
    """What the command printed. A `FleetError` is raised, as `main` would see it."""
    result = CliRunner().invoke(cli, [str(arg) for arg in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_list_shows_the_selected_points_and_the_jobs_that_hold_them() -> None:
    points = run("list", "--model", "dsr1", "--gpu", "mi3*", "--isl", "8192", "--conc", "4..8").splitlines()
    assert points
    assert all(".8k1k.c4" in point or ".8k1k.c8" in point for point in points)
    jobs = run("list", "--jobs", "--model", "dsr1", "--gpu", "mi3*", "--isl", "8192", "--conc", "4..8").splitlines()
    assert 0 < len(jobs) < len(points)


def test_a_folder_without_fleet_data_is_no_fleet_that_checks(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="holds no fleet data; name a folder like matrix/data"):
        run("check", "--fleet", tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "a: {b: c}"])
def test_an_import_of_nothing_says_so_and_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    (tmp_path / "r.yaml").write_text("h100: [m1]\n")
    with pytest.raises(FleetError, match=r"m\.yaml: no configuration in it could be imported"):
        run("import", "inferencex", tmp_path / "m.yaml", "--runners", tmp_path / "r.yaml", "--out", tmp_path / "out")


def test_a_night_far_ahead_would_age_all_others_and_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"--night 2999-01-31 is \d+ days ahead"):
        run("plan", "--fleet", write_fleet(tmp_path), "--night", "2999-01-31", "--out", tmp_path / "plan.json")
    assert not (tmp_path / "plan.json").exists()


def test_explain_is_asked_of_list_and_of_plan(tmp_path: Path) -> None:
    root = write_fleet(tmp_path / "fleet")
    assert "asked for at" in run("list", "--fleet", root, "--explain", "tiny-cpu.slots2.short.c1")
    out = tmp_path / "plan.json"
    said = run("plan", "--fleet", root, "--out", out, "--conc", "4", "--explain", "tiny-cpu")
    assert "3 x left out: not asked for: --conc 4" in said
    assert not out.exists()


def test_plan_takes_a_selection(tmp_path: Path) -> None:
    root = write_fleet(tmp_path / "fleet")
    said = run("plan", "--fleet", root, "--layout", "slots*", "--out", tmp_path / "plan.json")
    assert "1 server starts, 2 points" in said
    assert "2 left out" in said


def test_a_plan_without_jobs_says_why(tmp_path: Path) -> None:
    said = run("plan", "--recipe", "gpt-oss-120b-h200-vllm", "--out", tmp_path / "plan.json")
    assert "0 server starts" in said
    assert "of them because: needs h200; host this-machine has cpu" in said


def test_an_unpinned_image_fails_the_official_check_alone(tmp_path: Path) -> None:
    root = write_fleet(tmp_path, recipe=RECIPE.replace("  layouts:", "  image: a/b:c\n  layouts:"))
    assert run("check", "--fleet", root).startswith("ok: 1 recipes")
    with pytest.raises(FleetError, match="inferfleet pin --recipe tiny-cpu"):
        run("check", "--fleet", root, "--official")


def test_the_authors_loop_from_a_sibling_to_its_difference(tmp_path: Path) -> None:
    root = write_fleet(tmp_path / "fleet")
    shutil.copytree(root, tmp_path / "before")
    said = run("recipe", "new", "--fleet", root, "mine", "--from", "tiny-cpu")
    assert "mine.yaml: 2 lines differ" in said
    with pytest.raises(FleetError, match=r"mine\.yaml:16: recipe mine: has no source"):
        run("check", "--fleet", root)
    file = root / "recipes" / "mine.yaml"
    file.write_text(file.read_text().replace('source: ""', "source: mine"))
    differs = run("recipe", "diff", "--fleet", root, "--against", tmp_path / "before").splitlines()
    assert differs[1:3] == ["+ mine", "    + 4 points (batched.short c1 c4, slots2.long c2, slots2.short c1)"]


def test_recipe_diff_reads_a_git_revision(tmp_path: Path) -> None:
    root = write_fleet(tmp_path / "fleet")
    for args in (["init", "-b", "main"], ["add", "."], ["commit", "-m", "first"]):
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
        subprocess.run(("git", *identity, "-C", str(root), *args), check=True, capture_output=True)
    (root / "recipes" / "test.yaml").write_text(RECIPE.replace("[1, 4]", "[1]"))
    differs = run("recipe", "diff", "--fleet", root)
    assert differs.startswith("against main (")
    assert "- 1 points (batched.short c4)" in differs


def test_recipe_diff_refuses_to_compare_with_what_is_no_fleet(tmp_path: Path) -> None:
    root = write_fleet(tmp_path / "fleet")
    with pytest.raises(FleetError, match="holds no fleet data"):
        run("recipe", "diff", "--fleet", root, "--against", tmp_path)
    broken = write_fleet(tmp_path / "broken", recipe=RECIPE.replace("{parallel: 2}", "{paralel: 2}"))
    with pytest.raises(FleetError, match=r"(?s)does not check:.*did you mean 'parallel'"):
        run("recipe", "diff", "--fleet", root, "--against", broken)


def test_show_prints_the_command_of_a_recipe_a_job_or_a_point() -> None:
    name = "smollm2-135m-cpu-llamacpp"
    both = run("show", "--command", name)
    assert both.count("env -i ") == 2
    jobs = [line.removeprefix("# ") for line in both.splitlines() if line.startswith(f"# {name}.")]
    assert [run("show", "--command", job).count("env -i ") for job in jobs] == [1, 1]
    assert run("show", "--command", f"{name}.batch-4.16-64.c8").splitlines()[0] == f"# {jobs[1]}"
    with pytest.raises(FleetError, match="no recipe, job or point"):
        run("show", "--command", "nobody")


def test_a_server_that_is_never_launched_has_no_command(tmp_path: Path) -> None:
    root = write_fleet(tmp_path, recipe=RECIPE.replace("  layouts:", "  flags_unknown: nobody knows\n  layouts:"))
    with pytest.raises(FleetError, match="is never launched: its server flags are unknown: nobody knows"):
        run("show", "--command", "--fleet", root, "tiny-cpu")


def test_schemas_are_written_with_the_line_that_finds_them(tmp_path: Path) -> None:
    said = run("schema", "--out", tmp_path / ".schema")
    assert len(list((tmp_path / ".schema").iterdir())) == len(list(DATA.iterdir()))
    beside = said.splitlines()[-1].partition("$schema=")[2]
    found = os.path.normpath(DATA / "recipes" / "VENDOR" / beside)
    assert found == str(tmp_path / ".schema" / "recipes.schema.json")


def test_a_recording_becomes_a_trace_and_says_what_a_workload_of_it_has_to_say(tmp_path: Path) -> None:
    line = '{"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [0, 1]}\n'
    (tmp_path / "m.jsonl").write_text(2 * line)
    out = tmp_path / "t.jsonl"
    said = run("import", "trace", tmp_path / "m.jsonl", "--from", "mooncake", "--source", "a test", "--out", out)
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    assert said.splitlines() == [f"{out}: 2 sessions, 2 requests", f"digest: {digest}", "longest_tokens: 605"]
