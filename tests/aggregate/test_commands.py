"""The three commands, end to end through files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from aggregate import commands
from matrix.errors import FleetError
from matrix.planfile import write_plan
from tests.aggregate.builders import a_plan, artifact_of

if TYPE_CHECKING:
    from pathlib import Path

PLAN = a_plan()


def test_merge_publish_and_verify_tell_what_they_did(tmp_path: Path) -> None:
    write_plan(PLAN, tmp_path / "plan.json")
    artifact_of(tmp_path / "in", PLAN, PLAN.jobs[0])
    (tmp_path / "in" / "notes.txt").write_text("hello")
    said = commands.merge(tmp_path / "plan.json", tmp_path / "in", tmp_path / "merged").splitlines()
    assert said[0] == "4 planned = 2 published + 0 quarantined + 2 missing"
    assert said[1] == "published: 2 ok"
    assert said[2] == f"  missing: {PLAN.jobs[1].points[0].id}: no_artifact"
    assert said[4].startswith("  not used: notes.txt: unplanned")
    first = commands.publish(tmp_path / "plan.json", tmp_path / "merged", tmp_path / "home")
    assert first.startswith("run run-1: 4 new rows; dataset version 1; manifest ")
    again = commands.publish(tmp_path / "plan.json", tmp_path / "merged", tmp_path / "home")
    assert again == first.replace("4 new rows", "nothing new")
    assert commands.verify(tmp_path / "home") == "6 files, 1 runs, 4 rows: every byte is as published"


def test_what_an_account_quotes_cannot_command_a_job_log(tmp_path: Path) -> None:
    jobs = (msgspec.structs.replace(PLAN.jobs[0], blocked="because\n::stop-commands::x\n  ::error::y ##[error]z"),)
    write_plan(msgspec.structs.replace(PLAN, jobs=jobs), tmp_path / "plan.json")
    (tmp_path / "in").mkdir()
    said = commands.merge(tmp_path / "plan.json", tmp_path / "in", tmp_path / "merged")
    assert not any(line.lstrip().startswith("::") for line in said.splitlines())
    assert "##[" not in said
    assert "because" in said


def test_publish_without_a_merge_says_what_to_run(tmp_path: Path) -> None:
    write_plan(PLAN, tmp_path / "plan.json")
    with pytest.raises(FleetError, match="inferfleet merge"):
        commands.publish(tmp_path / "plan.json", tmp_path, tmp_path)
