"""A row whose job, artifact or times GitHub's own records contradict is put aside, and says so (SECURITY C19, C20)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from aggregate import collect
from aggregate.coverage import read_coverage
from aggregate.evidence import CLOCKS_APART
from aggregate.merge import merge
from aggregate.rows import Row, read_rows
from matrix.github import GitHub
from matrix.patience import Patience
from matrix.plan import Plan
from matrix.waves import part_of
from tests.act.api import REPOSITORY, TOKEN, Api, serve
from tests.aggregate.builders import WHEN, artifacts_of, point_files
from tests.aggregate.sweeps import MINUTE, NIGHT, PLAN, SHA, SINCE, a_night, a_sweep, github, store

SWEEP = 201
JOB = PLAN.jobs[0]
NAME = f"job-{JOB.id}-a1"
WORKFLOW_RUN = {"id": SWEEP, "head_branch": "main", "head_sha": SHA, "repository_id": 1, "head_repository_id": 1}
Change = Callable[[Api], object]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serve(Api(tmp_path / "github")) as serving:
        yield serving


@pytest.fixture
def night(api: Api, tmp_path: Path) -> Api:
    a_night(api)
    a_sweep(api, tmp_path, SWEEP, slice(0, 3))
    return api


def rows_of(api: Api, tmp_path: Path, *, name: str = "out") -> dict[str, list[Row]]:
    """What is ready to be published, by job."""
    collect.collect(github(api), tmp_path / "home", SINCE, tmp_path / name)
    found: dict[str, list[Row]] = {}
    for row in read_rows(tmp_path / name / PLAN.run_id / "rows.ndjson"):
        found.setdefault(row.job_id, []).append(row)
    return found


def words(rows: list[Row]) -> set[tuple[str, str]]:
    return {(row.outcome, row.reasons) for row in rows}


def job(**changes: object) -> Change:
    return lambda api: api.jobs[SWEEP][0].update(changes)


def artifact(**changes: object) -> Change:
    return lambda api: api.altered.setdefault((SWEEP, NAME), {}).update(changes)


def by_run(**changes: object) -> Change:
    return artifact(workflow_run={**WORKFLOW_RUN, **changes})


def at(delta: timedelta) -> str:
    return (WHEN + delta).isoformat()


def test_a_row_that_github_confirms_names_the_job_and_the_runner_it_came_from(night: Api, tmp_path: Path) -> None:
    (first, *others) = rows_of(night, tmp_path)[JOB.id]
    assert (first.outcome, first.job_verified, first.runner, first.runner_group) == ("ok", True, "h1", "fleet")
    assert first.github_job == night.jobs[SWEEP][0]["id"]
    assert [row.job_verified for row in others] == [True]


def test_artifacts_of_a_local_folder_are_neither_confirmed_nor_doubted(tmp_path: Path) -> None:
    rows = merge(PLAN, artifacts_of(tmp_path, PLAN)).rows
    assert {(row.outcome, row.job_verified, row.runner) for row in rows} == {("ok", None, None)}


def _runs_later(api: Api) -> None:
    job(started_at=at(2 * MINUTE), completed_at=at(9 * MINUTE))(api)
    artifact(created_at=at(5 * MINUTE))(api)


MISMATCHES: dict[str, tuple[Change, str]] = {
    "no such job": (lambda api: api.jobs[SWEEP].pop(0), f"run 201 has no job that could have sent {NAME}"),
    "a job of another attempt": (job(run_attempt=2), "has no job that could have sent"),
    "a job of the second wave": (job(name=f"{JOB.id} (again)"), "has no job that could have sent"),
    "another label": (
        job(labels=["self-hosted", "h200-cw"]),
        "ran on self-hosted, h200-cw; the plan says this-machine",
    ),
    "a hosted runner": (job(labels=["ubuntu-24.04"]), "ran on ubuntu-24.04; the plan says this-machine"),
    "no runner": (job(runner_name=None), "is completed, on runner (none)"),
    "a job that runs still": (job(status="in_progress"), "is in_progress, on runner h1"),
    "another commit": (job(head_sha="b" * 40), "at bbbbbbbbbbbb, not of run 201 at aaaaaaaaaaaa"),
    "another run's job": (job(run_id=7), "is of run 7 at"),
    "no artifact": (lambda api: _zip(api).unlink(), f"run 201 has 0 artifacts {NAME}"),
    "an artifact of another run": (by_run(id=9), f"{NAME} was uploaded by run 9 at aaaaaaaaaaaa on main"),
    "an artifact of another commit": (by_run(head_sha="b" * 40), "uploaded by run 201 at bbbbbbbbbbbb on main"),
    "an artifact of another branch": (by_run(head_branch="patch-1"), "on patch-1, not by run 201"),
    "a fork's artifact": (by_run(head_repository_id=2), "uploaded by a commit of repository 2, a fork"),
    "an artifact of no run": (artifact(workflow_run=None), "was uploaded by no run"),
    "an empty artifact": (artifact(size_in_bytes=0), f"{NAME} is empty"),
}
OUTSIDE: dict[str, tuple[Change, str]] = {
    "uploaded before its job began": (artifact(created_at=at(-3 * MINUTE)), f"{NAME} was uploaded at 2026-10-01 01:57"),
    "uploaded after its job ended": (artifact(created_at=at(3 * MINUTE)), f"{NAME} was uploaded at 2026-10-01 02:03"),
    "nobody knows when it was uploaded": (artifact(created_at=None), f"{NAME} was uploaded at None"),
    "measured before its job began": (
        _runs_later,
        "its point began at 2026-10-01 02:00:00+00:00; its job ran from 2026-10-01 02:02",
    ),
    "a job that never began": (job(started_at=None), "its job ran from None"),
}


def _zip(api: Api) -> Path:
    return api.artifact(SWEEP, NAME)


@pytest.mark.parametrize(
    ("change", "detail", "reason"),
    [
        *(pytest.param(*case, "job_mismatch", id=name) for name, case in MISMATCHES.items()),
        *(pytest.param(*case, "outside_job", id=name) for name, case in OUTSIDE.items()),
    ],
)
def test_what_github_contradicts_is_put_aside_and_says_why(
    night: Api, tmp_path: Path, change: Change, detail: str, reason: str
) -> None:
    change(night)
    rows = rows_of(night, tmp_path)
    assert words(rows[JOB.id]) == {("quarantined", reason)}
    for row in rows[JOB.id]:
        assert detail in row.detail
        assert (row.attempt, row.job_verified, row.duration_s, row.host) == (1, False, None, None)
    assert words([row for job_id in rows if job_id != JOB.id for row in rows[job_id]]) == {("ok", "")}
    coverage = read_coverage(tmp_path / "out" / PLAN.run_id / "coverage.json")
    assert {(one.reasons, detail in one.detail) for one in coverage.quarantined} == {(reason, True)}


@pytest.mark.parametrize("first", [True, False])
def test_a_job_that_github_lists_twice_needs_one_record_that_agrees(night: Api, tmp_path: Path, first: bool) -> None:
    later = WHEN + 99 * MINUTE
    night.add_job(SWEEP, JOB.id, later, later)
    if first:
        night.jobs[SWEEP].reverse()
    (row, *_) = rows_of(night, tmp_path)[JOB.id]
    assert (row.outcome, row.github_job) == ("ok", 1000 * SWEEP)


def test_clocks_may_differ_by_a_minute(night: Api, tmp_path: Path) -> None:
    job(started_at=at(CLOCKS_APART), completed_at=at(CLOCKS_APART))(night)
    assert words(rows_of(night, tmp_path)[JOB.id]) == {("ok", "")}


def test_what_a_runner_is_called_reaches_nobody_raw(night: Api, tmp_path: Path) -> None:
    job(runner_name="h1\n::error::\x1b[31m")(night)
    assert {row.runner for row in rows_of(night, tmp_path)[JOB.id]} == {"h1?::error::?[31m"}
    job(labels=["self-hosted", "\x1b]"])(night)
    assert "ran on self-hosted, ?]; the plan" in rows_of(night, tmp_path, name="again")[JOB.id][0].detail


def test_a_row_cannot_confirm_itself(night: Api, tmp_path: Path) -> None:
    """`merged` has travelled: what it says of GitHub's records is not believed."""
    found = merge(PLAN, artifacts_of(tmp_path / "again", PLAN), "00")
    lies = [msgspec.structs.replace(row, job_verified=True, runner="h1", github_job=1) for row in found.rows]
    rows = b"".join(msgspec.json.encode(row) + b"\n" for row in lies)
    store(night, SWEEP, "merged", {"rows.ndjson": rows, "coverage.json": msgspec.json.encode(found.coverage)})
    job(labels=["ubuntu-24.04"])(night)
    assert {(row.outcome, row.job_verified, row.runner) for row in rows_of(night, tmp_path)[JOB.id]} == {
        ("quarantined", False, None)
    }


@pytest.mark.parametrize(("runner", "outcome"), [("m1", "ok"), ("m1-4f2a", "ok"), ("m10", "quarantined")])
def test_where_the_plan_names_the_machines_of_a_label_no_other_may_send_its_results(
    api: Api, tmp_path: Path, runner: str, outcome: str
) -> None:
    a_night(api, msgspec.structs.replace(PLAN, runners={"this-machine": ("m1", "m2")}))
    a_sweep(api, tmp_path, SWEEP, slice(0, 3))
    for record in api.jobs[SWEEP]:
        record["runner_name"] = runner
    assert {row.outcome for row in rows_of(api, tmp_path)[JOB.id]} == {outcome}


SWEEP_FAULTS: dict[str, tuple[Change, str]] = {
    "not dispatched": (lambda api: api.runs[-1].update(event="push"), "run 201 is sweep-00.yml on main by push"),
    "merged by a runner of ours": (
        lambda api: api.jobs[SWEEP][-1].update(labels=["self-hosted", "this-machine"]),
        "`merged` of run 201 was uploaded at",
    ),
    "merged after its job merge": (
        lambda api: api.altered.update({(SWEEP, "merged"): {"created_at": at(3 * MINUTE)}}),
        "not by its job `merge`",
    ),
    "merged by another run": (
        lambda api: api.altered.update({(SWEEP, "merged"): {"workflow_run": {**WORKFLOW_RUN, "id": 9}}}),
        "merged was uploaded by run 9",
    ),
}


@pytest.mark.parametrize(("change", "detail"), SWEEP_FAULTS.values(), ids=SWEEP_FAULTS)
def test_a_sweep_that_is_not_what_nightly_starts_has_all_its_rows_put_aside(
    night: Api, tmp_path: Path, change: Change, detail: str
) -> None:
    change(night)
    rows = [row for job_rows in rows_of(night, tmp_path).values() for row in job_rows]
    assert words(rows) == {("quarantined", "job_mismatch")}
    assert all(detail in row.detail for row in rows)


@pytest.mark.parametrize(
    ("status", "outcome"), [("ahead", "ok"), ("behind", "quarantined"), ("diverged", "quarantined")]
)
def test_a_sweep_runs_on_the_plans_commit_or_a_later_one(api: Api, tmp_path: Path, status: str, outcome: str) -> None:
    a_night(api)
    a_sweep(api, tmp_path, SWEEP, slice(0, 3))
    api.runs[-1]["head_sha"] = later = "b" * 40
    for record in api.jobs[SWEEP]:
        record["head_sha"] = later
    api.compared[SHA, later] = status
    assert {row.outcome for rows in rows_of(api, tmp_path).values() for row in rows} == {outcome}


def test_a_plan_of_another_commit_than_its_run_is_refused(api: Api, tmp_path: Path) -> None:
    a_night(api, msgspec.structs.replace(PLAN, git_sha="b" * 40))
    (said,) = collect.collect(github(api), tmp_path / "home", SINCE, tmp_path / "out")
    assert said == f"run {NIGHT}: not collected: run {NIGHT} is of commit {SHA}, and its plan says {'b' * 40}"


@pytest.mark.fault(31)
@pytest.mark.parametrize(("attempt", "name", "run_attempt"), [(2, f"{JOB.id} (again)", 1), (3, JOB.id, 2)])
def test_the_second_wave_and_a_re_run_are_attempts_of_their_own(
    api: Api, tmp_path: Path, attempt: int, name: str, run_attempt: int
) -> None:
    """Attempts 1 and 2 are the waves of a run, 3 and 4 those of its re-run: each has a job to confirm it."""
    part = part_of(PLAN, [JOB])
    a_night(api, part)
    api.add_run(SWEEP, "sweep-00.yml", f"sweep 00, planned by run {NIGHT}", sha=SHA, run_attempt=run_attempt)
    api.add_job(SWEEP, JOB.id, WHEN - 9 * MINUTE, WHEN - 8 * MINUTE, conclusion="failure")
    api.add_job(SWEEP, name, WHEN - MINUTE, WHEN + MINUTE, run_attempt=run_attempt)
    api.add_job(SWEEP, "merge", WHEN, WHEN, labels=["ubuntu-24.04"], run_attempt=run_attempt)
    _store_attempt(api, tmp_path, part, attempt)
    assert {(row.outcome, row.attempt, row.job_verified) for row in rows_of(api, tmp_path)[JOB.id]} == {
        ("ok", attempt, True)
    }


def _store_attempt(api: Api, tmp_path: Path, part: Plan, attempt: int) -> None:
    files = point_files(part, JOB, attempt=attempt)
    store(api, SWEEP, f"job-{JOB.id}-a{attempt}", files)
    for name, data in files.items():
        path = tmp_path / "in" / f"job-{JOB.id}-a{attempt}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    found = merge(part, tmp_path / "in", "00")
    rows = b"".join(msgspec.json.encode(row) + b"\n" for row in found.rows)
    store(api, SWEEP, "merged", {"rows.ndjson": rows, "coverage.json": msgspec.json.encode(found.coverage)})


@pytest.mark.fault(59)
def test_records_that_cannot_be_listed_whole_hold_the_night_up_and_cost_nothing(
    night: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither published unchecked nor called missing: the next publisher finds them."""
    answer = Api.get

    def short(api: Api, path: str, query: dict[str, str]) -> object:
        if path.endswith("/jobs"):
            return {"total_count": 5, "jobs": api.jobs[SWEEP][:2] if query["page"] == "1" else []}
        return answer(api, path, query)

    with monkeypatch.context() as patched:
        patched.setattr(Api, "get", short)
        (said,) = collect.collect(github(night), tmp_path / "home", SINCE, tmp_path / "first")
    assert (
        "0 of 6 points, 0 artifacts read again; sweep-00.yml: GitHub listed 2 jobs of run 201 of 5: try again" in said
    )
    assert not (tmp_path / "first").exists()
    assert words(rows_of(night, tmp_path)[JOB.id]) == {("ok", "")}


@pytest.mark.fault(59)
def test_more_than_a_thousand_artifacts_are_listed_to_the_last(night: Api, tmp_path: Path) -> None:
    """The toolkit's own listing stops there; what proves a row may be on the last page."""
    night.others[SWEEP] = [
        {"id": number, "name": f"other-{number}", "size_in_bytes": 1, "expired": False} for number in range(1, 1100)
    ]
    assert len(github(night).artifacts(SWEEP)) == 1103
    assert words(rows_of(night, tmp_path)[JOB.id]) == {("ok", "")}


@pytest.mark.fault(67)
def test_limits_and_errors_of_the_api_are_waited_out(night: Api, tmp_path: Path) -> None:
    waits: list[float] = []
    limited = b'{"message": "You have exceeded a secondary rate limit."}'
    night.faults += [(502, {}, b""), (403, {"Retry-After": "3"}, limited), (503, {}, b""), (403, {}, limited)]
    asking = GitHub(api=night.url, repository=REPOSITORY, token=TOKEN, patience=Patience(sleep=waits.append))
    collect.collect(asking, tmp_path / "home", SINCE, tmp_path / "out")
    assert waits == [1.0, 3.0, 4.0, 480.0]
    assert {row.outcome for row in read_rows(tmp_path / "out" / PLAN.run_id / "rows.ndjson")} == {"ok"}
