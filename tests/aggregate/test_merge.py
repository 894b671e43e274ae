"""Every planned point ends once in published, quarantined or missing, whatever lies in the folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregate.merge import merge
from matrix.errors import FleetError
from matrix.words import Missing, Outcome, Reason
from tests.aggregate.builders import (
    a_plan,
    a_result,
    artifact_of,
    artifacts_of,
    point_files,
    some_metrics,
    write_folder,
    zip_bytes,
)

if TYPE_CHECKING:
    from aggregate.merge import Merged
    from aggregate.rows import Row
    from matrix.plan import Plan

PLAN = a_plan()
JOB = PLAN.jobs[0]
FIRST = JOB.points[0]


def row_of(merged: Merged, point_id: str = FIRST.id) -> Row:
    return next(row for row in merged.rows if row.point_id == point_id)


def test_a_whole_run_is_published_with_the_plans_identity_and_the_runners_numbers(tmp_path: Path) -> None:
    merged = merge(PLAN, artifacts_of(tmp_path, PLAN))
    assert [row.outcome for row in merged.rows] == ["ok"] * 4
    row = row_of(merged)
    assert (row.model, row.gpu, row.engine, row.concurrency, row.isl) == ("tiny", "cpu", "llama-cpp", 1, 1024)
    assert (row.output_tok_per_s, row.ttft_s_p50, row.ttft_s_n, row.driver, row.host) == (100.0, 0.2, 64, "1.2", "h1")
    assert (row.attempt, row.reasons, row.energy_j, row.tier) == (1, "", None, "self_reported")
    assert merged.coverage.planned == len(merged.coverage.published) == 4
    assert merged.coverage.outcomes == {"ok": 4}
    assert not merged.coverage.refused


def test_a_zip_of_the_folder_or_of_what_is_in_it_reads_as_the_folder(tmp_path: Path) -> None:
    expected = merge(PLAN, artifacts_of(tmp_path / "folders", PLAN))
    flat, nested = tmp_path / "flat", tmp_path / "nested"
    flat.mkdir()
    nested.mkdir()
    for job in PLAN.jobs:
        name, files = f"job-{job.id}-a1", point_files(PLAN, job)
        (flat / f"{name}.zip").write_bytes(zip_bytes(files))
        (nested / f"{name}.zip").write_bytes(zip_bytes({f"{name}/{path}": data for path, data in files.items()}))
    assert merge(PLAN, flat) == merge(PLAN, nested) == expected


@pytest.mark.fault(60)
def test_a_point_of_which_nothing_came_back_is_named_missing(tmp_path: Path) -> None:
    folder = artifact_of(tmp_path, PLAN, JOB)
    (folder / "points" / f"{FIRST.id}.json").unlink()
    merged = merge(PLAN, tmp_path)
    assert (row_of(merged).outcome, row_of(merged).reasons) == ("missing", "no_point_file")
    assert {one.point_id: one.reasons for one in merged.coverage.missing} == {
        FIRST.id: "no_point_file",
        **{point.id: "no_artifact" for point in PLAN.jobs[1].points},
    }
    assert row_of(merged).series
    assert row_of(merged).output_tok_per_s is None


@pytest.mark.fault(28)
def test_a_point_still_marked_running_was_killed_and_has_no_numbers(tmp_path: Path) -> None:
    killed = msgspec.json.encode(a_result(PLAN, JOB, FIRST, running=True))
    write_folder(artifact_of(tmp_path, PLAN, JOB), {f"points/{FIRST.id}.json": killed})
    row = row_of(merge(PLAN, tmp_path))
    assert (row.outcome, row.reasons, row.duration_s) == ("infra_failed", "killed", None)


@pytest.mark.parametrize(
    ("attempts", "winner"),
    [
        (("ok", "ok"), 2),
        (("ok", "failed"), 1),
        (("failed", "ok"), 2),
        (("failed", "failed"), 2),
        (("failed", "killed"), 1),
        (("ok", "killed"), 1),
        (("killed", "killed"), 2),
        (("ok", "bad"), 1),
        (("bad", "killed"), 2),
        (("ok", "failed", "killed"), 1),
    ],
)
@pytest.mark.fault(31)
def test_the_newest_complete_ok_attempt_wins_else_the_newest_complete(
    attempts: tuple[str, ...], winner: int, tmp_path: Path
) -> None:
    for number, kind in enumerate(attempts, start=1):
        reasons = (Reason.SERVER_EXITED,) if kind == "failed" else ()
        result = a_result(PLAN, JOB, FIRST, attempt=number, reasons=reasons, running=kind == "killed")
        data = b"{" if kind == "bad" else msgspec.json.encode(result)
        write_folder(tmp_path / f"job-{JOB.id}-a{number}", {f"points/{FIRST.id}.json": data})
    row = row_of(merge(PLAN, tmp_path))
    assert row.attempt == winner
    assert row.outcome == {"ok": "ok", "failed": "recipe_failed", "killed": "infra_failed"}[attempts[winner - 1]]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("run_id", "run-0", "plan_mismatch"),
        ("job_id", PLAN.jobs[1].id, "plan_mismatch"),
        ("point_id", JOB.points[1].id, "key_mismatch"),
        ("point_key", JOB.points[1].key, "key_mismatch"),
        ("attempt", 2, "plan_mismatch"),
        ("metrics", None, "arithmetic"),
        ("outcome", Outcome.INVALID, "arithmetic"),
        ("reasons", (Reason.KILLED,), "arithmetic"),
        ("metrics", msgspec.structs.replace(some_metrics(), output_tok_per_s=101.0), "arithmetic"),
    ],
)
@pytest.mark.fault(74)
def test_a_result_that_is_not_what_the_plan_asked_for_is_quarantined(
    field: str, value: object, reason: str, tmp_path: Path
) -> None:
    result = msgspec.structs.replace(a_result(PLAN, JOB, FIRST), **{field: value})
    write_folder(artifact_of(tmp_path, PLAN, JOB), {f"points/{FIRST.id}.json": msgspec.json.encode(result)})
    merged = merge(PLAN, tmp_path)
    assert (row_of(merged).outcome, row_of(merged).reasons, row_of(merged).attempt) == ("quarantined", reason, 1)
    assert row_of(merged).output_tok_per_s is None
    assert [(one.reason, FIRST.id in one.name) for one in merged.coverage.refused] == [(reason, True)]
    assert row_of(merged, JOB.points[1].id).outcome == "ok"


@pytest.mark.parametrize("field", ["server_args_digest", "recipe_digest", "git_sha", "image"])
def test_a_result_of_another_server_recipe_or_commit_is_quarantined(field: str, tmp_path: Path) -> None:
    provenance = msgspec.structs.replace(a_result(PLAN, JOB, FIRST).provenance, **{field: "f" * 64})
    artifact_of(tmp_path, PLAN, JOB, provenance=provenance)
    assert row_of(merge(PLAN, tmp_path)).reasons == "plan_mismatch"


def test_a_result_of_other_prompts_is_quarantined(tmp_path: Path) -> None:
    provenance = msgspec.structs.replace(a_result(PLAN, JOB, FIRST).provenance, seed=PLAN.seed + 1)
    artifact_of(tmp_path, PLAN, JOB, provenance=provenance)
    assert row_of(merge(PLAN, tmp_path)).reasons == "plan_mismatch"


@pytest.mark.fault(75)
def test_results_are_joined_with_the_plan_of_their_run_not_with_a_later_one(tmp_path: Path) -> None:
    artifacts_of(tmp_path, PLAN)
    later = a_plan(rev=1)
    assert {row.outcome for row in merge(PLAN, tmp_path).rows} == {"ok"}
    assert {row.reasons for row in merge(later, tmp_path).rows} == {"plan_mismatch"}


@pytest.mark.fault(61)
def test_equal_copies_are_one_and_different_copies_are_both_put_aside(tmp_path: Path) -> None:
    files = point_files(PLAN, JOB)
    write_folder(tmp_path / f"job-{JOB.id}-a1", files)
    (tmp_path / f"job-{JOB.id}-a1.zip").write_bytes(zip_bytes(files))
    assert row_of(merge(PLAN, tmp_path)).outcome == "ok"
    other = msgspec.json.encode(a_result(PLAN, JOB, FIRST, metrics=some_metrics(tok_per_s=200.0)))
    (tmp_path / f"job-{JOB.id}-a1.zip").write_bytes(zip_bytes(files | {f"points/{FIRST.id}.json": other}))
    merged = merge(PLAN, tmp_path)
    assert (row_of(merged).outcome, row_of(merged).reasons) == ("quarantined", "conflicting_copies")
    assert len([one for one in merged.coverage.refused if one.reason == "conflicting_copies"]) == 2
    assert row_of(merged, JOB.points[1].id).outcome == "ok"
    artifact_of(tmp_path, PLAN, JOB, attempt=2)
    assert row_of(merge(PLAN, tmp_path)).attempt == 2


@pytest.mark.fault(62)
def test_an_unplanned_name_is_reported_and_never_opened(tmp_path: Path) -> None:
    artifacts_of(tmp_path, PLAN)
    names = ["job-other.tp1-a1", "notes.txt", "job-r0.tp1-a0", "job-r0.tp1", "x\x1b[2J"]
    for name in names:
        (tmp_path / name).mkdir(mode=0o000)  # opening it would fail
    try:
        merged = merge(PLAN, tmp_path)
    finally:
        for name in names:
            (tmp_path / name).chmod(0o700)
    assert {row.outcome for row in merged.rows} == {"ok"}
    assert [one.reason for one in merged.coverage.refused] == ["unplanned"] * 5
    assert all(one.name.isprintable() for one in merged.coverage.refused)


@pytest.mark.fault(62)
def test_a_point_of_another_job_cannot_be_slipped_into_an_artifact(tmp_path: Path) -> None:
    stranger = PLAN.jobs[1].points[0]
    slipped = msgspec.json.encode(a_result(PLAN, PLAN.jobs[1], stranger))
    write_folder(artifact_of(tmp_path, PLAN, JOB), {f"points/{stranger.id}.json": slipped})
    merged = merge(PLAN, tmp_path)
    assert row_of(merged, stranger.id).outcome == "missing"
    assert [one.reason for one in merged.coverage.refused] == ["unplanned"]


@pytest.mark.fault(63)
def test_an_unreadable_artifact_quarantines_its_own_points_only(tmp_path: Path) -> None:
    artifact_of(tmp_path, PLAN, PLAN.jobs[1])
    (tmp_path / f"job-{JOB.id}-a1.zip").write_bytes(zip_bytes(point_files(PLAN, JOB))[:-30])
    merged = merge(PLAN, tmp_path)
    assert {row.job_id: row.outcome for row in merged.rows} == {JOB.id: "quarantined", PLAN.jobs[1].id: "ok"}
    assert row_of(merged).reasons == "unreadable"
    assert str(tmp_path) not in msgspec.json.encode(merged).decode()


def test_of_attempts_none_of_which_is_believed_the_newest_is_named(tmp_path: Path) -> None:
    (tmp_path / f"job-{JOB.id}-a1.zip").write_bytes(b"not a zip")
    artifact_of(tmp_path, PLAN, JOB, attempt=2, run_id="another")
    row = row_of(merge(PLAN, tmp_path))
    assert (row.outcome, row.attempt, row.reasons) == ("quarantined", 2, "plan_mismatch")


def test_an_unreadable_host_file_costs_no_point(tmp_path: Path) -> None:
    write_folder(artifact_of(tmp_path, PLAN, JOB), {"host.json": b"{"})
    merged = merge(PLAN, tmp_path)
    assert (row_of(merged).outcome, row_of(merged).driver) == ("ok", None)
    assert [one.name for one in merged.coverage.refused] == [f"job-{JOB.id}-a1/host.json"]


def test_a_plan_without_points_and_a_folder_that_is_not_there_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="no points"):
        merge(a_plan(jobs=0), tmp_path)
    with pytest.raises(FleetError, match="not a folder"):
        merge(PLAN, tmp_path / "nowhere")


KINDS = ("none", "ok", "failed", "killed", "garbage", "mismatch", "truncated", "unplanned", "empty")
Pile = list[tuple[int, int, bool, str]]
piles = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 2), st.booleans(), st.sampled_from(KINDS)), max_size=6)


def put(root: Path, plan: Plan, one: tuple[int, int, bool, str]) -> None:
    """One artifact of the pile; a later one of the same name replaces it."""
    number, attempt, zipped, kind = one
    job = plan.jobs[number]
    changes: dict[str, dict[str, object]] = {
        "failed": {"outcome": Outcome.INFRA_FAILED, "reasons": (Reason.DISK_FULL,), "metrics": None},
        "killed": {"outcome": None, "metrics": None},
        "mismatch": {"run_id": "other"},
    }
    files = point_files(plan, job, attempt=attempt, **changes.get(kind, {}))
    if kind == "garbage":
        files = dict.fromkeys(files, b"\x00garbage")
    if kind == "empty":
        files = {"server.log": b""}
    name = "job-unknown.tp1-a1" if kind == "unplanned" else f"job-{job.id}-a{attempt}"
    if kind == "none":
        return
    if zipped:
        data = zip_bytes(files)
        (root / f"{name}.zip").write_bytes(data[: len(data) // 2] if kind == "truncated" else data)
    else:
        shutil.rmtree(root / name, ignore_errors=True)
        write_folder(root / name, files)


THREE = a_plan(jobs=3)


@settings(max_examples=60)
@given(piles)
def test_every_planned_point_ends_exactly_once_in_any_order(pile: Pile) -> None:
    last = {(number, attempt, zipped): one for one in pile for number, attempt, zipped, _ in [one]}
    with tempfile.TemporaryDirectory() as one_way, tempfile.TemporaryDirectory() as other_way:
        for one in last.values():
            put(Path(one_way), THREE, one)
        for one in reversed(last.values()):
            put(Path(other_way), THREE, one)
        merged = merge(THREE, Path(one_way))
        assert merge(THREE, Path(one_way)) == merged
        if not any(kind == "unplanned" for *_, kind in last.values()):
            assert merge(THREE, Path(other_way)) == merged
    account = merged.coverage
    named = [*account.published, *(one.point_id for one in (*account.quarantined, *account.missing))]
    assert sorted(named) == sorted(row.point_id for row in merged.rows)
    assert len(named) == account.planned == 6
    assert set(named) == {point.id for job in THREE.jobs for point in job.points}


@settings(max_examples=60)
@given(piles, st.tuples(st.integers(0, 2), st.integers(1, 2), st.booleans(), st.sampled_from(KINDS)))
def test_adding_an_artifact_never_changes_another_jobs_rows(pile: Pile, extra: tuple[int, int, bool, str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for one in pile:
            put(root, THREE, one)
        before = merge(THREE, root).rows
        put(root, THREE, extra)
        after = merge(THREE, root).rows
    touched = THREE.jobs[extra[0]].id
    assert [row for row in before if row.job_id != touched] == [row for row in after if row.job_id != touched]


def test_a_blocked_job_is_missing_because_it_is_blocked(tmp_path: Path) -> None:
    plan = a_plan(jobs=1)
    blocked = msgspec.structs.replace(plan.jobs[0], blocked="the model's revision is unknown")
    merged = merge(msgspec.structs.replace(plan, jobs=(blocked,)), tmp_path)
    assert {(row.outcome, row.reasons, row.detail) for row in merged.rows} == {
        ("missing", Missing.BLOCKED, "the model's revision is unknown")
    }
