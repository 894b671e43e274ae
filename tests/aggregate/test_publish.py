"""Publishing twice changes nothing, a crash is repaired, and every byte can be checked."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from aggregate import dataset
from aggregate.columns import missing_row
from aggregate.coverage import Coverage
from aggregate.export import json_bytes
from aggregate.hashes import sha256
from aggregate.manifest import MANIFEST, PUBLISHED, load, verify
from aggregate.merge import merge
from aggregate.publish import publish, without_result
from aggregate.rows import Row
from matrix.errors import FleetError
from matrix.plan import planned_points
from matrix.words import Missing, Outcome, Reason
from tests.aggregate.builders import a_plan, artifact_of, artifacts_of, some_metrics, write_folder, zip_bytes
from tests.aggregate.homes import PLAN, a_run, entry_path

ROOT = Path(__file__).parents[2]


def snapshot(home: Path) -> dict[str, bytes]:
    folder = home / PUBLISHED
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def current(home: Path) -> dict[str, Row]:
    return {row.point_id: row for row in dataset.to_rows(dataset.read_table(home))}


def test_a_lost_dataset_is_not_published_over(tmp_path: Path) -> None:
    publish(a_run(tmp_path), PLAN, tmp_path)
    before = snapshot(tmp_path)
    (tmp_path / dataset.DELTA).rename(tmp_path / "lost")
    later = a_plan(run_id="run-2", night="2026-10-02")
    with pytest.raises(FleetError, match=r"delta: is at version 0, and version 1 is published: restore it"):
        publish(a_run(tmp_path, later), later, tmp_path)
    assert snapshot(tmp_path) == before
    (tmp_path / "lost").rename(tmp_path / dataset.DELTA)
    assert publish(a_run(tmp_path, later), later, tmp_path).appended == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"attempt": 1 << 62}, "attempt"),
        ({"attempt": -1}, "attempt"),
        ({"ended_at": datetime(1, 1, 1, tzinfo=UTC)}, "a time"),
        ({"started_at": datetime(2026, 10, 1)}, "a time"),  # noqa: DTZ001 - without a zone it is nobody's time
    ],
)
def test_a_merged_row_that_no_artifact_could_have_made_is_refused(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    found = a_run(tmp_path)
    rows = (msgspec.structs.replace(found.rows[0], **change), *found.rows[1:])
    with pytest.raises(FleetError, match=rf"{found.rows[0].point_id}: {words}"):
        publish(msgspec.structs.replace(found, rows=rows), PLAN, tmp_path)
    assert not (tmp_path / dataset.DELTA).exists()


def test_the_account_of_another_run_is_refused(tmp_path: Path) -> None:
    found = a_run(tmp_path)
    other = msgspec.structs.replace(found.coverage, run_id="run-2")
    with pytest.raises(FleetError, match="run run-2: the coverage is not that of the rows"):
        publish(msgspec.structs.replace(found, coverage=other), PLAN, tmp_path)


def test_a_row_without_its_result_is_what_the_plan_knows_of_its_point(tmp_path: Path) -> None:
    for row in a_run(tmp_path).rows:
        job, point = planned_points(PLAN)[row.point_id]
        expected = missing_row(PLAN, job, point, row.shard, Missing.NO_ARTIFACT)
        emptied = without_result(row)
        assert (emptied.attempt, emptied.outcome, emptied.reasons) == (row.attempt, row.outcome, "")
        assert msgspec.structs.replace(emptied, attempt=0, outcome="missing", reasons=expected.reasons) == expected


def test_a_run_is_published_whole(tmp_path: Path) -> None:
    done = publish(a_run(tmp_path), PLAN, tmp_path)
    manifest = verify(tmp_path)
    assert (done.appended, done.changed, manifest.delta_version, manifest.previous) == (
        4,
        True,
        done.delta_version,
        None,
    )
    (run,) = manifest.runs
    assert (run.run_id, run.planned, run.ok, run.failed, run.missing, run.quarantined) == ("run-1", 4, 4, 0, 0, 0)
    assert run.git_sha == PLAN.git_sha
    assert {(one.kind, one.about, one.rows) for one in manifest.files} == {
        ("night_parquet", "2026-10-01", 4),
        ("night_csv", "2026-10-01", 4),
        ("year_parquet", "2026", 4),
        ("frontiers", "frontiers", 4),
        ("coverage", "run-1", 4),
        ("sharing", "sharing", 0),
    }
    table = pq.read_table(entry_path(tmp_path, "night_parquet", "2026-10-01"))
    assert table.column("output_tok_per_s").to_pylist() == [100.0] * 4


@pytest.mark.fault(71)
def test_publishing_the_same_run_again_changes_no_byte(tmp_path: Path) -> None:
    merged = a_run(tmp_path)
    first = publish(merged, PLAN, tmp_path)
    before = snapshot(tmp_path)
    again = publish(merged, PLAN, tmp_path)
    assert (again.appended, again.changed, again.manifest_sha256) == (0, False, first.manifest_sha256)
    assert snapshot(tmp_path) == before


def test_the_same_runs_give_the_same_files_in_another_home(tmp_path: Path) -> None:
    for name in ("one", "two"):
        publish(a_run(tmp_path), PLAN, tmp_path / name)
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


@pytest.mark.fault(77)
def test_a_second_run_of_the_same_night_adds_its_rows(tmp_path: Path) -> None:
    publish(a_run(tmp_path), PLAN, tmp_path)
    first = (tmp_path / PUBLISHED / MANIFEST).read_bytes()
    other = a_plan(run_id="run-2")
    publish(a_run(tmp_path, other), other, tmp_path)
    manifest = verify(tmp_path)
    assert [run.run_id for run in manifest.runs] == ["run-1", "run-2"]
    assert pq.read_table(entry_path(tmp_path, "night_parquet", "2026-10-01")).num_rows == 8
    assert manifest.previous == sha256(first)
    assert publish(a_run(tmp_path), PLAN, tmp_path).changed is False


def test_files_of_other_nights_are_left_as_they_are(tmp_path: Path) -> None:
    publish(a_run(tmp_path), PLAN, tmp_path)
    old = entry_path(tmp_path, "night_parquet", "2026-10-01")
    stamp = old.stat().st_mtime_ns
    later = a_plan(run_id="run-2", night="2026-10-02")
    publish(a_run(tmp_path, later), later, tmp_path)
    assert old.stat().st_mtime_ns == stamp
    assert entry_path(tmp_path, "night_parquet", "2026-10-01") == old
    assert pq.read_table(entry_path(tmp_path, "year_parquet", "2026")).num_rows == 8


@pytest.mark.fault(73)
def test_a_late_artifact_adds_only_its_own_rows_and_names_what_they_supersede(tmp_path: Path) -> None:
    root = tmp_path / "in"
    artifact_of(root, PLAN, PLAN.jobs[0])
    assert publish(merge(PLAN, root), PLAN, tmp_path).appended == 4
    artifact_of(root, PLAN, PLAN.jobs[1])
    assert publish(merge(PLAN, root), PLAN, tmp_path).appended == 2
    (run,) = verify(tmp_path).runs
    assert (run.planned, run.ok, run.missing) == (4, 4, 0)
    late = current(tmp_path)[PLAN.jobs[1].points[0].id]
    assert (late.revision, late.supersedes) == (1, f"run-1/{late.point_id}/r0")
    assert dataset.read_table(tmp_path, history=True).num_rows == 6


def test_an_artifact_that_has_expired_since_takes_nothing_back(tmp_path: Path) -> None:
    merged = a_run(tmp_path)
    publish(merged, PLAN, tmp_path)
    (tmp_path / "empty").mkdir()
    gone = merge(PLAN, tmp_path / "empty")
    assert {row.outcome for row in gone.rows} == {"missing"}
    done = publish(gone, PLAN, tmp_path)
    assert (done.appended, done.changed) == (0, False)
    assert {row.outcome for row in current(tmp_path).values()} == {"ok"}


def test_a_newer_failure_does_not_replace_an_ok_attempt_and_an_ok_one_replaces_a_failure(tmp_path: Path) -> None:
    failure = {"outcome": Outcome.INFRA_FAILED, "reasons": (Reason.DISK_FULL,), "metrics": None}
    job = PLAN.jobs[0]
    for name, attempt, changes in (("x", 1, {}), ("y", 2, failure)):
        artifact_of(tmp_path / name, PLAN, job, attempt=attempt, **changes)
        publish(merge(PLAN, tmp_path / name), PLAN, tmp_path / "h1")
    assert {row.attempt for row in current(tmp_path / "h1").values() if row.job_id == job.id} == {1}
    for name in ("y", "x"):
        publish(merge(PLAN, tmp_path / name), PLAN, tmp_path / "h2")
    assert {row.outcome for row in current(tmp_path / "h2").values() if row.job_id == job.id} == {"ok"}


@pytest.mark.fault(61)
def test_a_doubt_that_comes_later_takes_a_number_back(tmp_path: Path) -> None:
    publish(a_run(tmp_path), PLAN, tmp_path)
    job = PLAN.jobs[0]
    other = artifact_of(tmp_path / "other", PLAN, job, metrics=some_metrics(tok_per_s=900.0))
    files = {str(path.relative_to(other)): path.read_bytes() for path in other.rglob("*") if path.is_file()}
    (tmp_path / "in" / "run-1" / f"job-{job.id}-a1.zip").write_bytes(zip_bytes(files))
    publish(merge(PLAN, tmp_path / "in" / "run-1"), PLAN, tmp_path)
    (run,) = verify(tmp_path).runs
    assert (run.ok, run.quarantined) == (2, 2)


@pytest.mark.fault(70)
@pytest.mark.parametrize("step", ["after_append", "after_files", "after_chain_copy"])
def test_a_crash_between_data_and_manifest_is_repaired_by_the_next_publish(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = tmp_path / "expected"
    publish(a_run(tmp_path), PLAN, expected)
    crashed = tmp_path / "crashed"

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        target = {
            "after_append": "aggregate.publish.render",
            "after_files": "aggregate.manifest.store",
            "after_chain_copy": "aggregate.manifest.write_atomic",
        }[step]
        patch.setattr(target, crash)
        with pytest.raises(KeyboardInterrupt):
            publish(a_run(tmp_path), PLAN, crashed)
    assert not (crashed / PUBLISHED / MANIFEST).exists()
    done = publish(a_run(tmp_path), PLAN, crashed)
    assert (done.appended, done.changed) == (0, True)
    assert snapshot(crashed) == snapshot(expected)
    verify(crashed)


def test_a_crash_of_another_run_is_repaired_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("aggregate.publish.render", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            publish(a_run(tmp_path), PLAN, tmp_path)
    other = a_plan(run_id="run-2", night="2026-10-02")
    publish(a_run(tmp_path, other), other, tmp_path)
    assert [run.run_id for run in verify(tmp_path).runs] == ["run-1", "run-2"]
    assert entry_path(tmp_path, "coverage", "run-1").is_file()


PUBLISHER = """
import sys
from pathlib import Path
from aggregate.merge import merge
from aggregate.columns import missing_row
from aggregate.publish import publish, without_result
from tests.aggregate.builders import a_plan
root, home = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for run_id in sys.argv[3:]:
    plan = a_plan(run_id=run_id)
    publish(merge(plan, root / run_id), plan, home)
"""


def publisher(tmp_path: Path, home: Path, runs: tuple[str, ...]) -> subprocess.Popen[str]:
    for run_id in runs:
        if not (tmp_path / "in" / run_id).exists():  # another publisher may be reading them already
            artifacts_of(tmp_path / "in" / run_id, a_plan(run_id=run_id))
    command = [sys.executable, "-c", PUBLISHER, str(tmp_path / "in"), str(home), *runs]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()
    return process


@pytest.mark.fault(69)
def test_publishers_racing_lose_and_double_no_row(tmp_path: Path) -> None:
    both = [publisher(tmp_path, tmp_path, ("run-1", "run-2")), publisher(tmp_path, tmp_path, ("run-2", "run-1"))]
    assert [(process.communicate(timeout=120), process.returncode)[1] for process in both] == [0, 0]
    assert dataset.read_table(tmp_path, history=True).num_rows == 8
    assert [run.ok for run in verify(tmp_path).runs] == [4, 4]


@pytest.mark.fault(70)
def test_publishers_killed_at_any_moment_leave_what_the_next_one_repairs(tmp_path: Path) -> None:
    for delay_s in (0.02, 0.06, 0.12, 0.2):
        process = publisher(tmp_path, tmp_path, ("run-1", "run-2"))
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if (tmp_path / PUBLISHED / MANIFEST).exists():
            verify(tmp_path)
    for run_id in ("run-1", "run-2"):
        plan = a_plan(run_id=run_id)
        publish(a_run(tmp_path, plan), plan, tmp_path)
    assert [run.ok for run in verify(tmp_path).runs] == [4, 4]
    assert dataset.read_table(tmp_path, history=True).num_rows == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tier": "core"}, "tier"),
        ({"model": "other"}, "model"),
        ({"point_key": "f" * 64}, "point_key"),
        ({"seed": 8}, "seed"),
        ({"output_tok_per_s": 900.0}, "total_tok_per_s = input [+] output"),
        ({"duration_s": None}, "ok without metrics"),
        ({"ttft_s_p50": None}, "not whole"),
        ({"ttft_s_p50": -1.0}, "not whole"),
        ({"point_id": "other"}, "not the plan's points"),
    ],
)
def test_a_merged_file_that_was_tampered_with_on_its_way_is_refused(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    merged = a_run(tmp_path)
    rows = (msgspec.structs.replace(merged.rows[0], **change), *merged.rows[1:])
    with pytest.raises(FleetError, match=message):
        publish(msgspec.structs.replace(merged, rows=rows), PLAN, tmp_path)
    assert not (tmp_path / PUBLISHED).exists()


def test_what_was_refused_stays_named_in_the_published_account(tmp_path: Path) -> None:
    write_folder(tmp_path / "in" / "run-1" / "job-stranger-a1", {"x": b""})
    merged = a_run(tmp_path)
    publish(merged, PLAN, tmp_path)
    publish(
        msgspec.structs.replace(merged, coverage=msgspec.structs.replace(merged.coverage, refused=())), PLAN, tmp_path
    )
    account = msgspec.json.decode(entry_path(tmp_path, "coverage", "run-1").read_bytes(), type=Coverage)
    assert [one.name for one in account.refused] == ["job-stranger-a1"]
    assert (account.planned, len(account.published)) == (4, 4)


OLD_VERSION_LACKS = ("workers", "stepped_share", "requests_counted", "whole_s", "goodput_limits", "quality_reason")


def test_a_doubt_about_an_older_attempt_takes_nothing_back_and_one_about_the_newest_does(tmp_path: Path) -> None:
    newest = artifact_of(tmp_path / "newest", PLAN, PLAN.jobs[0], attempt=2)
    publish(merge(PLAN, tmp_path / "newest"), PLAN, tmp_path)
    artifact_of(tmp_path / "older", PLAN, PLAN.jobs[0], attempt=1, run_id="another")
    doubted = merge(PLAN, tmp_path / "older")
    first = PLAN.jobs[0].points[0].id
    assert {row.outcome for row in doubted.rows if row.job_id == PLAN.jobs[0].id} == {"quarantined"}
    assert publish(doubted, PLAN, tmp_path).appended == 0
    assert (current(tmp_path)[first].outcome, current(tmp_path)[first].attempt) == ("ok", 2)
    write_folder(newest, {f"points/{first}.json": b"{"})
    publish(merge(PLAN, tmp_path / "newest"), PLAN, tmp_path)
    assert current(tmp_path)[first].outcome == "quarantined"


def make_older(home: Path) -> None:
    """The dataset and its published tables as a version without these columns would have left them."""
    table = dataset.read_table(home, history=True)
    shutil.rmtree(home / dataset.DELTA)
    month = pa.array([night[:7] for night in table.column("night").to_pylist()])
    write_deltalake(
        home / dataset.DELTA,
        table.drop_columns(OLD_VERSION_LACKS).append_column("month", month),
        partition_by=["month"],
    )
    path = home / PUBLISHED / MANIFEST
    manifest = load(home)
    assert manifest is not None
    path.write_bytes(json_bytes(msgspec.structs.replace(manifest, columns=None, delta_version=0)))
    (home / PUBLISHED / "manifests" / f"{sha256(path.read_bytes())}.json").write_bytes(path.read_bytes())


@pytest.mark.fault(65)
def test_a_home_of_an_older_version_is_brought_up_to_date_by_the_next_publish(tmp_path: Path) -> None:
    publish(a_run(tmp_path), PLAN, tmp_path)
    make_older(tmp_path)
    assert {row.workers for row in current(tmp_path).values()} == {None}
    plan = a_plan(run_id="run-2", night="2026-10-02")
    done = publish(a_run(tmp_path, plan), plan, tmp_path)
    assert done.columns_added == tuple(name for name in dataset.SCHEMA.names if name in OLD_VERSION_LACKS)
    assert done.appended == 4
    verify(tmp_path)
    rows = dataset.to_rows(dataset.read_table(tmp_path))
    assert len(rows) == 8
    assert {row.quality_reason for row in rows if row.run_id == "run-1"} == {""}
    night = entry_path(tmp_path, "night_parquet", "2026-10-01")
    assert pq.read_schema(night).names == dataset.SCHEMA.names
    again = publish(a_run(tmp_path, plan), plan, tmp_path)
    assert (again.columns_added, again.appended, again.changed) == ((), 0, False)
