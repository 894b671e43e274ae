"""The path of `make demo`, whole, on the real embedded engine with a tiny model."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from aggregate.dataset import read_table
from aggregate.merge import merge
from launch.leftovers import find
from matrix.words import Reason
from tests.fleets import WORKLOADS
from tests.night import Night, make_night

POINTS = 4


def demo(night: Night) -> str:
    """Requests of milliseconds on a busy machine may honestly end `client_saturated`: then the exit code is 4."""
    ended = night.call("demo", "--fleet", night.fleet, "--home", night.root / "home")
    assert ended.returncode in (0, 4), ended.stderr
    assert f"{POINTS} planned = {POINTS} published + 0 quarantined + 0 missing" in ended.stdout
    return ended.stdout + ended.stderr


def test_the_demo_measures_publishes_and_draws_and_a_second_one_adds_a_night(tmp_path: Path) -> None:
    night = make_night(tmp_path)
    home = night.root / "home"
    said = demo(night)
    assert "page: file://" in said
    assert f"[{POINTS}/{POINTS}]" in said
    assert (home / "site" / "index.html").stat().st_size > 1000
    assert read_table(home).num_rows == POINTS
    demo(night)
    table = read_table(home)
    assert table.num_rows == 2 * POINTS
    assert len(set(table["run_id"].to_pylist())) == 2
    assert set(table["outcome"].to_pylist()) <= {"ok", "invalid"}
    assert set(table["reasons"].to_pylist()) <= {"", Reason.CLIENT_SATURATED}
    verified = night.call("verify", "--home", home)
    assert verified.returncode == 0, verified.stderr


def test_publishing_the_same_run_again_changes_not_a_byte(tmp_path: Path) -> None:
    night = make_night(tmp_path)
    home = night.root / "home"
    demo(night)
    (run,) = (home / "runs").iterdir()
    before = {path: path.read_bytes() for path in (home / "published").rglob("*") if path.is_file()}
    again = night.call("publish", "--plan", run / "plan.json", "--merged", run / "merged", "--home", home)
    assert again.returncode == 0, again.stderr
    assert {path: path.read_bytes() for path in (home / "published").rglob("*") if path.is_file()} == before
    assert read_table(home).num_rows == POINTS


def test_the_published_parquet_reads_without_delta(tmp_path: Path) -> None:
    night = make_night(tmp_path)
    demo(night)
    files = list((night.root / "home" / "published").rglob("*.parquet"))
    assert files
    assert all(pq.read_table(path).num_rows == POINTS for path in files)


@pytest.mark.fault(28)
@pytest.mark.parametrize("seed", range(3))
def test_a_runner_killed_at_any_moment_leaves_a_row_per_point_and_no_server_after_the_next_run(
    tmp_path: Path, seed: int
) -> None:
    night = make_night(tmp_path, workloads=WORKLOADS.replace("min_s: 0.2", "min_s: 2"))
    killed, following = night.plan().jobs
    runner = night.start(*night.run_args(killed.id))
    points = night.artifacts / f"job-{killed.id}-a1" / "points"
    while not points.exists():  # from here on, every planned point must have its row
        assert runner.poll() is None
        time.sleep(0.005)
    time.sleep(random.Random(seed).uniform(0.0, 1.5))
    runner.kill()
    runner.wait(10)
    ended = night.call(*night.run_args(following.id))
    assert ended.returncode in (0, 4), ended.stderr
    assert find(night.label) == ()
    merged = merge(night.plan(), night.artifacts)
    assert sorted(row.point_id for row in merged.rows) == sorted(p.id for j in (killed, following) for p in j.points)
    assert merged.coverage.missing == ()
    cut_off = [row.reasons for row in merged.rows if row.job_id == killed.id and row.outcome == "infra_failed"]
    assert cut_off
    assert set(cut_off) == {Reason.KILLED}
