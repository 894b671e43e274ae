"""Nobody takes back what another job measured by uploading under its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from aggregate import collect, earlier
from aggregate.coverage import Coverage, read_coverage
from aggregate.merge import merge
from aggregate.rows import Row, read_rows
from matrix.plan import Job
from matrix.words import Reason
from tests.act.api import Api, serve
from tests.aggregate.builders import WHEN, artifact_of, artifacts_of, point_files, some_metrics
from tests.aggregate.sweeps import MINUTE, PLAN, SINCE, a_night, add_sweep, github, store

SWEEP = 201
VICTIM = PLAN.jobs[0]
FORGED = f"job-{VICTIM.id}-a2"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serve(Api(tmp_path / "github")) as serving:
        a_night(serving)
        yield serving


def swept(api: Api, tmp_path: Path, *forged: Job, attempt: int = 2) -> None:
    """A sweep whose first attempts were all honest, and somebody's uploads of a later attempt at some of its jobs."""
    folder = artifacts_of(tmp_path / "in", PLAN)
    add_sweep(api, SWEEP, PLAN)
    for job in forged:
        better = some_metrics(tok_per_s=900.0)
        artifact_of(folder, PLAN, job, attempt=attempt, metrics=better)
        store(api, SWEEP, f"job-{job.id}-a{attempt}", point_files(PLAN, job, attempt=attempt, metrics=better))
    found = merge(PLAN, folder, "00")
    assert {row.attempt for row in found.rows if row.job_id == VICTIM.id} == {attempt}  # the sweep itself is fooled
    rows = b"".join(msgspec.json.encode(row) + b"\n" for row in found.rows)
    store(api, SWEEP, "merged", {"rows.ndjson": rows, "coverage.json": msgspec.json.encode(found.coverage)})


def collected(api: Api, tmp_path: Path) -> tuple[list[Row], Coverage]:
    collect.collect(github(api), tmp_path / "home", SINCE, tmp_path / "out")
    folder = tmp_path / "out" / PLAN.run_id
    rows = [row for row in read_rows(folder / "rows.ndjson") if row.job_id == VICTIM.id]
    return rows, read_coverage(folder / "coverage.json")


def test_a_forged_attempt_does_not_replace_an_honest_one(api: Api, tmp_path: Path) -> None:
    swept(api, tmp_path, VICTIM)
    rows, coverage = collected(api, tmp_path)
    assert {(row.outcome, row.attempt, row.job_verified, row.shard) for row in rows} == {("ok", 1, True, "00")}
    assert {row.output_tok_per_s for row in rows} == {100.0}
    assert {(one.name, one.reason) for one in coverage.refused} == {(FORGED, "job_mismatch")}
    assert coverage.quarantined == ()


def test_a_second_wave_that_github_knows_of_is_believed(api: Api, tmp_path: Path) -> None:
    swept(api, tmp_path, VICTIM)
    api.add_job(SWEEP, f"{VICTIM.id} (again)", WHEN - MINUTE, WHEN + MINUTE)
    rows, coverage = collected(api, tmp_path)
    assert {(row.outcome, row.attempt, row.output_tok_per_s) for row in rows} == {("ok", 2, 900.0)}
    assert coverage.refused == ()


def test_an_earlier_attempt_must_be_confirmed_too(api: Api, tmp_path: Path) -> None:
    swept(api, tmp_path, VICTIM)
    api.altered[SWEEP, f"job-{VICTIM.id}-a1"] = {"created_at": (WHEN - 9 * MINUTE).isoformat()}
    rows, coverage = collected(api, tmp_path)
    assert {(row.outcome, row.reasons, row.attempt) for row in rows} == {("quarantined", "job_mismatch", 2)}
    assert len(coverage.quarantined) == 2


@pytest.mark.parametrize("record", [{"expired": True}, {"digest": "sha256:" + "0" * 64}])
def test_an_earlier_attempt_that_cannot_be_read_leaves_the_doubt(
    api: Api, tmp_path: Path, record: dict[str, object]
) -> None:
    swept(api, tmp_path, VICTIM)
    api.altered[SWEEP, f"job-{VICTIM.id}-a1"] = record
    assert {row.reasons for row in collected(api, tmp_path)[0]} == {"job_mismatch"}


def test_an_honest_failure_is_restored_as_the_failure_it_was(api: Api, tmp_path: Path) -> None:
    swept(api, tmp_path, VICTIM)
    failed = point_files(PLAN, VICTIM, outcome="invalid", reasons=(Reason.REQUEST_ERRORS,), metrics=None)
    store(api, SWEEP, f"job-{VICTIM.id}-a1", failed)
    assert {(row.outcome, row.reasons, row.attempt) for row in collected(api, tmp_path)[0]} == {
        ("invalid", "request_errors", 1)
    }


def test_what_is_fetched_for_it_is_bounded(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier, "MOST_READ", 1)
    swept(api, tmp_path, *PLAN.jobs)
    _, coverage = collected(api, tmp_path)
    assert (len(coverage.published), len(coverage.quarantined)) == (2, 4)
