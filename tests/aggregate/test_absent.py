"""Why a job left nothing, as far as GitHub's records say: coverage names it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from aggregate import collect
from aggregate.commands import account
from aggregate.coverage import Named, read_coverage
from matrix.limits import QUEUE_HOURS
from matrix.waves import part_of
from tests.act.api import Api, serve
from tests.aggregate.builders import WHEN
from tests.aggregate.sweeps import MINUTE, NIGHT, PLAN, SHA, SINCE, a_night, a_sweep, add_sweep, github, store

SWEEP, LOST = 201, 202
JOB = PLAN.jobs[2]
UPLOAD = "Run actions/upload-artifact@b7c566a772e6b6bfb58ed0dc250532a479d7789f"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serve(Api(tmp_path / "github")) as serving:
        a_night(serving)
        a_sweep(serving, tmp_path, SWEEP, slice(0, 2))
        yield serving


def missing_of(api: Api, tmp_path: Path, name: str = "out") -> tuple[Named, ...]:
    collect.collect(github(api), tmp_path / "home", SINCE, tmp_path / name)
    coverage = read_coverage(tmp_path / name / PLAN.run_id / "coverage.json")
    assert len(coverage.published) == 4
    assert all(one.detail in account(coverage) for one in coverage.missing)
    return coverage.missing


def steps(*ends: tuple[str, str | None]) -> list[dict[str, object]]:
    return [
        {"name": name, "status": "completed" if conclusion else "in_progress", "conclusion": conclusion}
        for name, conclusion in ends
    ]


DAY = timedelta(hours=QUEUE_HOURS)
NOBODY: dict[str, object] = {"runner_name": None, "steps": []}
LEFT_NOTHING: dict[str, tuple[dict[str, object], str, str]] = {
    "its runner was lost": (
        {"conclusion": "failure", "steps": steps(("run", None), (UPLOAD, None))},
        "runner_lost",
        "failure, on runner h1, step 'run' never ended",
    ),
    "its runner was lost between steps": (
        {"conclusion": "failure", "steps": steps(("run", "success"))},
        "runner_lost",
        "failure, on runner h1",
    ),
    "its runner was lost while somebody cancelled": (
        {"conclusion": "cancelled", "steps": steps(("run", None))},
        "runner_lost",
        "cancelled, on runner h1, step 'run' never ended",
    ),
    "no runner in a day": ({"conclusion": "failure", **NOBODY}, "never_scheduled", "failure, no runner took it"),
    "no runner in a day, which GitHub calls cancelled": (
        {"conclusion": "cancelled", "created_at": (WHEN - DAY).isoformat(), **NOBODY},
        "never_scheduled",
        "cancelled, no runner took it",
    ),
    "cancelled while it waited": ({"conclusion": "cancelled", **NOBODY}, "job_cancelled", "cancelled, no runner"),
    "cancelled as it ran": (
        {"conclusion": "cancelled", "steps": steps(("run", "cancelled"), (UPLOAD, "cancelled"))},
        "job_cancelled",
        "cancelled, on runner h1",
    ),
    "out of time": ({"conclusion": "timed_out", "steps": steps(("run", "cancelled"))}, "job_cancelled", "timed_out"),
    "the upload failed": (
        {"conclusion": "failure", "steps": steps(("run", "success"), (UPLOAD, "failure"))},
        "upload_failed",
        "failure, on runner h1",
    ),
    "it failed before there was anything": (
        {"conclusion": "failure", "steps": steps(("checkout", "failure"))},
        "no_artifact",
        "failure, on runner h1",
    ),
    "never begun": ({"conclusion": "skipped", **NOBODY}, "no_artifact", "skipped, no runner took it"),
}


@pytest.mark.fault(29)
@pytest.mark.fault(30)
@pytest.mark.fault(60)
@pytest.mark.fault(68)
@pytest.mark.parametrize(("record", "reason", "detail"), LEFT_NOTHING.values(), ids=LEFT_NOTHING)
def test_coverage_says_what_became_of_a_job_that_left_no_artifact(
    api: Api, tmp_path: Path, record: dict[str, object], reason: str, detail: str
) -> None:
    add_sweep(api, LOST, part_of(PLAN, ()))
    api.add_job(LOST, JOB.id, WHEN, WHEN + MINUTE, **record)
    for one in missing_of(api, tmp_path):
        assert one.reasons == reason
        assert one.detail.startswith(f"attempt 1: job {1000 * LOST + 1} {detail}")


def test_the_newest_attempt_is_the_one_that_is_told(api: Api, tmp_path: Path) -> None:
    add_sweep(api, LOST, part_of(PLAN, ()))
    api.add_job(LOST, JOB.id, WHEN, WHEN, conclusion="cancelled")
    api.add_job(LOST, f"{JOB.id} (again)", WHEN, WHEN, conclusion="failure", steps=steps(("run", None)))
    assert {(one.reasons, one.detail.partition(":")[0]) for one in missing_of(api, tmp_path)} == {
        ("runner_lost", "attempt 2")
    }


def test_a_job_of_which_github_knows_nothing_is_said_to_be_unknown(api: Api, tmp_path: Path) -> None:
    assert {(one.reasons, one.detail) for one in missing_of(api, tmp_path)} == {
        ("no_artifact", "no finished sweep of the night has a job of this name")
    }


@pytest.mark.fault(67)
@pytest.mark.parametrize(
    ("expired", "reason", "note"),
    [(True, "expired", "expired"), (False, "no_artifact", "is there, but the sweep's merge has no row from it")],
)
def test_an_artifact_that_nothing_came_of_is_named(
    api: Api, tmp_path: Path, expired: bool, reason: str, note: str
) -> None:
    """As when the sweep's own `merge` never ran: its artifacts outlive it, for a while."""
    api.add_run(LOST, "sweep-01.yml", f"sweep 01, planned by run {NIGHT}", sha=SHA)
    api.add_job(LOST, JOB.id, WHEN, WHEN)
    store(api, LOST, f"job-{JOB.id}-a1", {})
    api.altered[LOST, f"job-{JOB.id}-a1"] = {"expired": expired}
    assert {(one.reasons, one.detail.partition("; ")[2]) for one in missing_of(api, tmp_path)} == {
        (reason, f"its artifact {note}")
    }


def test_a_point_that_turns_up_later_replaces_the_explanation(api: Api, tmp_path: Path) -> None:
    add_sweep(api, LOST, part_of(PLAN, ()))
    api.add_job(LOST, JOB.id, WHEN, WHEN, conclusion="failure", steps=steps(("run", None)))
    assert missing_of(api, tmp_path)
    a_sweep(api, tmp_path, 203, slice(2, 3))
    collect.collect(github(api), tmp_path / "home", SINCE, tmp_path / "later")
    coverage = read_coverage(tmp_path / "later" / PLAN.run_id / "coverage.json")
    assert (len(coverage.published), coverage.missing) == (6, ())
