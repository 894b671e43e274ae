"""What `merged` says is held against the artifacts' own bytes, for a few jobs that nobody could foresee."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from aggregate import collect, recheck
from aggregate.merge import merge
from aggregate.rows import Row, read_rows
from matrix.words import Reason
from tests.act.api import Api, serve
from tests.aggregate.builders import a_result, artifacts_of, point_files
from tests.aggregate.sweeps import PLAN, SINCE, a_night, a_sweep, github, store

SWEEP = 201


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Api]:
    with serve(Api(tmp_path / "github")) as serving:
        a_night(serving)
        a_sweep(serving, tmp_path, SWEEP, slice(0, 3))
        yield serving


def merged_says(api: Api, tmp_path: Path, **changes: object) -> None:
    found = merge(PLAN, artifacts_of(tmp_path / "again", PLAN), "00")
    rows = b"".join(msgspec.json.encode(msgspec.structs.replace(row, **changes)) + b"\n" for row in found.rows)
    store(api, SWEEP, "merged", {"rows.ndjson": rows, "coverage.json": msgspec.json.encode(found.coverage)})


def collected(api: Api, tmp_path: Path, name: str = "out") -> tuple[str, list[Row]]:
    (said,) = collect.collect(github(api), tmp_path / "home", SINCE, tmp_path / name)
    return said, list(read_rows(tmp_path / name / PLAN.run_id / "rows.ndjson"))


def doubts(rows: list[Row]) -> set[tuple[str, str, str]]:
    return {(row.job_id, row.reasons, row.detail) for row in rows if row.outcome == "quarantined"}


def test_rows_that_are_as_their_artifacts_say_are_published(night: Api, tmp_path: Path) -> None:
    said, rows = collected(night, tmp_path)
    assert said == "run 101: run-1: 6 of 6 points, 2 artifacts read again"
    assert {(row.outcome, row.job_verified) for row in rows} == {("ok", True)}


def test_a_number_that_no_artifact_has_is_put_aside_at_every_look(night: Api, tmp_path: Path) -> None:
    merged_says(night, tmp_path, mean_power_w=7.0, quality_reason="checked")
    said, rows = collected(night, tmp_path)
    assert "4 rows contradict what GitHub has of their jobs" in said
    found = doubts(rows)
    assert len({job for job, _, _ in found}) == recheck.JOBS_AGAIN
    assert {reason for _, reason, _ in found} == {"conflicting_copies"}
    assert all(detail == f"job-{job}-a1 says otherwise of mean_power_w, quality_reason" for job, _, detail in found)
    assert doubts(collected(night, tmp_path, "again")[1]) == found


def test_a_failure_that_was_turned_into_a_success_is_found(night: Api, tmp_path: Path) -> None:
    for job in PLAN.jobs:
        failed = [a_result(PLAN, job, point, reasons=(Reason.REQUEST_ERRORS,)) for point in job.points]
        files = {f"points/{one.point_id}.json": msgspec.json.encode(one) for one in failed}
        store(night, SWEEP, f"job-{job.id}-a1", files)
    assert all("says otherwise of outcome" in detail for _, _, detail in doubts(collected(night, tmp_path)[1]))
    assert len(doubts(collected(night, tmp_path, "again")[1])) == recheck.JOBS_AGAIN


def test_a_column_that_the_nights_commit_did_not_know_contradicts_nothing(night: Api, tmp_path: Path) -> None:
    merged_says(night, tmp_path, driver=None, held_requests=None)
    assert {row.outcome for row in collected(night, tmp_path)[1]} == {"ok"}


def test_bytes_that_are_not_those_github_knows_are_no_proof(night: Api, tmp_path: Path) -> None:
    for job in PLAN.jobs:
        night.altered[SWEEP, f"job-{job.id}-a1"] = {"digest": "sha256:" + "0" * 64}
    found = doubts(collected(night, tmp_path)[1])
    assert len(found) == recheck.JOBS_AGAIN
    assert all("GitHub says sha256:000" in detail for _, _, detail in found)


@pytest.mark.parametrize("record", [{"expired": True}, {"size_in_bytes": recheck.LARGEST_BYTES + 1}])
def test_what_cannot_be_fetched_is_believed_unread(night: Api, tmp_path: Path, record: dict[str, object]) -> None:
    for job in PLAN.jobs:
        night.altered[SWEEP, f"job-{job.id}-a1"] = record
    said, rows = collected(night, tmp_path)
    assert "0 artifacts read again" in said
    assert {row.outcome for row in rows} == {"ok"}


def test_logs_and_request_records_beside_the_points_change_nothing(night: Api, tmp_path: Path) -> None:
    for job in PLAN.jobs:
        files = {**point_files(PLAN, job), "requests.jsonl.gz": b"\x1f\x8b" * 50, "server.log": b"ready" * 100}
        store(night, SWEEP, f"job-{job.id}-a1", files)
    assert {row.outcome for row in collected(night, tmp_path)[1]} == {"ok"}
