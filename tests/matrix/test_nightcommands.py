from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from inferfleet import cli
from matrix.errors import FleetError
from matrix.history import History, write_history
from matrix.options import NightOptions, minutes_of, night_options
from matrix.planfile import read_plan
from matrix.simulate.study import Study
from tests.matrix.nights import many_points


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many_points(tmp_path_factory.mktemp("fleet"), 4)


def call(*args: str | Path) -> str:
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(("text", "minutes"), [("12h", 720), ("90m", 90), ("1.5h", 90), ("24h", 1440)])
def test_a_length_of_time_is_written_in_hours_or_minutes(text: str, minutes: float) -> None:
    assert minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["12", "12 h", "0h", "25h", "-1h", "h", "1e3m", "12h\n", "٣h"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(FleetError, match="write it as 12h or 90m"):
        minutes_of(text)


def test_a_command_receives_one_record_of_options() -> None:
    seen: list[NightOptions] = []

    @click.command()
    @night_options
    def command(options: NightOptions) -> None:
        seen.append(options)

    CliRunner().invoke(command, [], catch_exceptions=False)
    CliRunner().invoke(command, ["--window", "2h", "--gpu-hours", "40", "--max-age", "3"], catch_exceptions=False)
    assert seen[0] == NightOptions(
        window_minutes=720, gpu_hours=None, history=None, even_blocked=False, unpinned=False, seed=None, max_age=7
    )
    assert (seen[1].window_minutes, seen[1].gpu_hours, seen[1].max_age) == (120, 40.0, 3)


def test_a_night_is_planned_written_and_told(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    text = call("plan", "--fleet", root, "--night", "2026-01-31", "--window", "1m", "--seed", "1", "--out", out)
    plan = read_plan(out)
    assert (plan.night, plan.seed, plan.window_minutes) == ("2026-01-31", 1, 1.0)
    assert f"night 2026-01-31: {len(plan.jobs)} jobs" in text
    assert f"{len(plan.left_out)} points are left out" in text
    assert "expected on 2026-02-01" in text
    assert re.search(r"short: pool: \d+ more machines \(\d+ GPUs\) beside the 2 there are", text)


def test_the_history_says_what_need_not_be_measured(root: Path, tmp_path: Path) -> None:
    write_history(History(), tmp_path / "history.json")
    out = tmp_path / "plan.json"
    command = ("plan", "--fleet", root, "--night", "2026-01-31", "--out", out)
    call(*command, "--history", tmp_path / "history.json")
    assert all(point.why in ("new", "alone, for comparison", "new, 662 requests") for job in read_plan(out).jobs
               for point in job.points)  # fmt: skip


def test_a_recipe_is_explained_without_writing_anything(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    command = ("plan", "--fleet", root, "--night", "2026-01-31", "--window", "1m", "--out", out, "--explain")
    text = call(*command, "tiny-cpu-0")
    assert "asks for 6 points; 6 can be measured, on 2 server starts" in text
    assert "planned on pool, about 0:00 into the night: new" in text or "expected on 2026-02-0" in text
    assert not out.exists()


def test_one_host_is_planned_as_before(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    text = call("plan", "--fleet", root, "--host", "pool", "--night", "2026-01-31", "--out", out)
    assert "8 server starts, 24 points" in text
    assert read_plan(out).window_minutes is None


def test_a_simulation_is_tables_or_json(root: Path) -> None:
    assert "Factors apart" in call("simulate", "--fleet", root, "--nights", "1", "--perfect")
    found = json.loads(call("simulate", "--fleet", root, "--nights", "1", "--perfect", "--json"))
    assert set(found) == set(Study.__struct_fields__)
    assert found["points"] == 24
