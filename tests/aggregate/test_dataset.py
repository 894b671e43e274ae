"""Exactly once, by any number of writers, killed at any moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregate import dataset
from aggregate.columns import missing_row
from aggregate.rows import Row
from matrix.errors import FleetError
from matrix.plan import planned_points
from matrix.words import Missing
from tests.aggregate.builders import a_plan

ROOT = Path(__file__).parents[2]


def some_rows(run_id: str = "run-1", night: str = "2026-10-01", revision: int = 0) -> list[Row]:
    plan = a_plan(run_id=run_id, night=night)
    rows = [missing_row(plan, job, point, "all", Missing.NO_ARTIFACT) for job, point in planned_points(plan).values()]
    return [msgspec.structs.replace(row, revision=revision) for row in rows]


def test_rows_come_back_with_their_types_in_order(tmp_path: Path) -> None:
    rows = [msgspec.structs.replace(row, ttft_s_p50=0.25, requests_ok=3, outcome="ok") for row in some_rows()]
    assert dataset.append(tmp_path, rows[::-1], "t1") is True
    table = dataset.read_table(tmp_path)
    assert table.schema == dataset.SCHEMA
    assert dataset.to_rows(table) == tuple(sorted(rows, key=lambda row: row.point_id))


def test_measured_floats_are_single_and_identity_is_exact() -> None:
    assert dataset.SCHEMA.field("ttft_s_p50").type == pa.float32()
    assert dataset.SCHEMA.field("range_ratio").type == pa.float64()
    assert not dataset.SCHEMA.field("point_key").nullable
    assert dataset.SCHEMA.names == list(Row.__struct_fields__)


def test_appending_the_same_transaction_again_is_a_no_op(tmp_path: Path) -> None:
    assert dataset.append(tmp_path, some_rows(), "t1") is True
    assert dataset.append(tmp_path, some_rows(), "t1") is False
    assert dataset.append(tmp_path, some_rows("run-2"), "t2") is True
    assert dataset.read_table(tmp_path).num_rows == 8
    assert dataset.is_committed(tmp_path, "t2")
    assert not dataset.is_committed(tmp_path, "t3")


@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize("pattern", ["_delta_log/*.json", "*/*.parquet"])
def test_a_damaged_dataset_is_named_with_a_remedy_and_left_as_it_is(
    tmp_path: Path, pattern: str, *, gone: bool
) -> None:
    dataset.append(tmp_path, some_rows(), "t1")
    first = min((tmp_path / dataset.DELTA).glob(pattern))
    if gone:
        first.unlink()
    else:
        first.write_bytes(first.read_bytes()[:50])
    with pytest.raises(FleetError, match=r"delta: the dataset is damaged: .*restore this folder"):
        dataset.read_table(tmp_path)


def test_a_file_where_the_dataset_belongs_is_damage(tmp_path: Path) -> None:
    (tmp_path / dataset.DELTA).write_text("a file")
    with pytest.raises(FleetError, match="the dataset is damaged"):
        dataset.create(tmp_path)


def test_a_home_that_cannot_be_made_is_what_the_system_says(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        dataset.create(tmp_path / "file" / "home")


def test_what_cannot_be_written_is_said_and_nothing_was_appended(tmp_path: Path) -> None:
    dataset.create(tmp_path)
    (tmp_path / dataset.DELTA / "month=2026-10").write_text("in the way")
    with pytest.raises(FleetError, match=r"delta: nothing was appended: .*may it be written"):
        dataset.append(tmp_path, some_rows(), "t1")
    assert not dataset.is_committed(tmp_path, "t1")


def test_only_the_last_revision_of_a_point_counts_and_history_keeps_all(tmp_path: Path) -> None:
    dataset.append(tmp_path, some_rows(), "t1")
    later = [msgspec.structs.replace(row, outcome="ok") for row in some_rows(revision=1)[:2]]
    dataset.append(tmp_path, later, "t2")
    dataset.append(tmp_path, some_rows("run-0"), "t3")
    now = dataset.to_rows(dataset.read_table(tmp_path))
    assert [(row.run_id, row.revision) for row in now] == [("run-0", 0)] * 4 + [("run-1", 1)] * 2 + [("run-1", 0)] * 2
    assert dataset.read_table(tmp_path, history=True).num_rows == 10
    assert dataset.read_table(tmp_path, at=1).num_rows == 4


def test_reading_makes_no_dataset_and_says_what_does(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="inferfleet publish"):
        dataset.read_table(tmp_path / "typo")
    assert not dataset.is_committed(tmp_path / "typo", "t1")
    assert not (tmp_path / "typo").exists()


def test_a_dataset_just_made_is_empty(tmp_path: Path) -> None:
    dataset.create(tmp_path)
    assert dataset.read_table(tmp_path).num_rows == 0


def test_files_are_partitioned_by_month_and_compressed(tmp_path: Path) -> None:
    dataset.append(tmp_path, [*some_rows(), *some_rows("run-2", "2026-11-01")], "t1")
    found = sorted(path.parent.name for path in (tmp_path / "delta").rglob("*.parquet"))
    assert found == ["month=2026-10", "month=2026-11"]
    assert dataset.read_table(tmp_path).num_rows == 8


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), unique=True, max_size=8))
def test_current_is_the_highest_revision_of_each_run_and_point(picks: list[tuple[str, int]]) -> None:
    row = some_rows()[0]
    rows = [msgspec.structs.replace(row, point_id=point, revision=revision) for point, revision in sorted(picks)]
    found = dataset.to_rows(dataset.current(dataset.to_table(rows)))
    assert {(one.point_id, one.revision) for one in found} == {
        (point, max(r for p, r in picks if p == point)) for point, _ in picks
    }


def other_table(home: Path, drop: str | None, add: str | None) -> None:
    table = dataset.to_table(some_rows()).append_column("month", pa.array(["2026-10"] * 4))
    table = table.drop_columns([drop]) if drop else table
    table = table.append_column(add, pa.array([1] * 4)) if add else table
    write_deltalake(home / "delta", table, partition_by=["month"])


@pytest.mark.fault(65)
def test_a_table_with_unknown_columns_asks_for_an_upgrade(tmp_path: Path) -> None:
    other_table(tmp_path, None, "from_the_future")
    with pytest.raises(FleetError, match="from_the_future"):
        dataset.append(tmp_path, some_rows("run-2"), "t1")


@pytest.mark.fault(65)
def test_a_table_that_lacks_a_column_is_migrated_only_when_asked(tmp_path: Path) -> None:
    other_table(tmp_path, "greedy_match", None)
    assert dataset.read_table(tmp_path).column("greedy_match").to_pylist() == [None] * 4
    with pytest.raises(FleetError, match="migrate"):
        dataset.append(tmp_path, some_rows("run-2"), "t1")
    assert dataset.migrate(tmp_path) == ("greedy_match",)
    assert dataset.migrate(tmp_path) == ()
    dataset.append(tmp_path, [msgspec.structs.replace(row, greedy_match=1.0) for row in some_rows("run-2")], "t1")
    assert dataset.read_table(tmp_path).column("greedy_match").to_pylist() == [None] * 4 + [1.0] * 4


@pytest.mark.fault(65)
def test_old_rows_hold_the_default_of_a_column_that_may_not_be_null(tmp_path: Path) -> None:
    other_table(tmp_path, "quality_reason", None)
    assert dataset.migrate(tmp_path) == ("quality_reason",)
    dataset.append(tmp_path, [msgspec.structs.replace(row, quality_reason="why") for row in some_rows("run-2")], "t1")
    assert [row.quality_reason for row in dataset.to_rows(dataset.read_table(tmp_path))] == [""] * 4 + ["why"] * 4


MIGRATOR = """
import sys
from pathlib import Path
from aggregate import dataset
print("ready", flush=True)
sys.stdin.readline()
print(*dataset.migrate(Path(sys.argv[1])), flush=True)
"""


@pytest.mark.fault(69)
def test_racing_migrations_add_each_column_once(tmp_path: Path) -> None:
    other_table(tmp_path, "greedy_match", None)
    racers = [ready_process(MIGRATOR, str(tmp_path)) for _ in range(2)]
    for racer in racers:
        go(racer)
    said = [racer.communicate(timeout=120)[0].split() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    assert sorted(said) == [[], ["greedy_match"]]
    assert dataset.migrate(tmp_path) == ()
    assert dataset.append(tmp_path, some_rows("run-2"), "t1")


WRITER = """
import sys
from pathlib import Path
from aggregate import dataset
from tests.aggregate.test_dataset import some_rows
home, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
rows = {n: some_rows(f"run-{n}") for n in range(first, last)}
print("ready", flush=True)
sys.stdin.readline()
print(sum(dataset.append(home, rows[n], f"run-{n}/1") for n in rows), flush=True)
"""


def writer(home: Path, first: int, last: int) -> subprocess.Popen[str]:
    """A process that appends runs `first` to `last` once it is sent a line."""
    return ready_process(WRITER, str(home), str(first), str(last))


def ready_process(program: str, *args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *args]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.fault(69)
def test_processes_racing_with_the_same_runs_commit_each_exactly_once(tmp_path: Path) -> None:
    racers = [writer(tmp_path, 0, 8) for _ in range(2)]
    for racer in racers:
        go(racer)
    said = [racer.communicate(timeout=120)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    assert sum(map(int, said)) == 8
    rows = dataset.to_rows(dataset.read_table(tmp_path, history=True))
    assert len({(row.run_id, row.point_id) for row in rows}) == len(rows) == 8 * 4


@pytest.mark.fault(70)
def commits(home: Path) -> int:
    return len(list((home / "delta" / "_delta_log").glob("*.json")))


def test_a_writer_killed_at_any_moment_leaves_whole_commits_only(tmp_path: Path) -> None:
    chance = random.Random(4)
    for kill in range(4):
        process = writer(tmp_path, 0, 200)
        before = commits(tmp_path)
        go(process)
        while commits(tmp_path) < before + 2:  # it is writing now: the kill lands among its commits
            assert process.poll() is None
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        rows = dataset.to_rows(dataset.read_table(tmp_path, history=True))
        runs = {row.run_id for row in rows}
        assert len(rows) == 4 * len(runs), f"after kill {kill}"
        assert all(dataset.is_committed(tmp_path, f"{run}/1") for run in runs)
    assert dataset.append(tmp_path, some_rows("after"), "after/1")
    assert DeltaTable(tmp_path / "delta").transaction_version("after/1") == 1
