from __future__ import annotations

import os
from pathlib import Path

import pytest

from matrix.errors import FleetError
from runners.provision import marks


def test_the_first_reason_stays_until_a_person_removes_it(tmp_path: Path) -> None:
    assert marks.drained(tmp_path) is None
    first = marks.drain(tmp_path, "disk is full", "agent")
    assert marks.drain(tmp_path, "and now the GPU", "agent") == first == marks.drained(tmp_path)
    assert marks.undrain(tmp_path) == first
    assert marks.undrain(tmp_path) is None


@pytest.mark.parametrize("data", [b"{", b'{"why": "\xff"}'])
def test_a_mark_that_cannot_be_read_still_counts(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "drained.json").write_bytes(data)
    mark = marks.drained(tmp_path)
    assert mark is not None
    assert "cannot be read" in mark.why


def test_what_a_job_asks_for_is_one_bounded_line(tmp_path: Path) -> None:
    assert marks.refused(tmp_path) is None
    (tmp_path / "refused").write_bytes(b"gpu\x1b[31m busy\n::error::\xff" + b"x" * 10_000)
    said = marks.refused(tmp_path)
    assert said is not None
    assert said.isprintable()
    assert len(said) == 500


def test_a_job_cannot_have_a_secret_read_out_to_it(tmp_path: Path) -> None:
    """The agent may read the token: a link in place of the job's word must not lead it there."""
    (tmp_path / "token").write_text("secret")
    (tmp_path / "refused").symlink_to(tmp_path / "token")
    assert "secret" not in (marks.refused(tmp_path) or "secret")
    marks.forget(tmp_path)
    assert (tmp_path / "token").read_text() == "secret"


def test_a_job_cannot_make_the_agent_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "refused")
    assert marks.refused(tmp_path) == "a job asked for it, and left no plain file"


def test_a_mark_that_cannot_be_removed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "started" / "inside").mkdir(parents=True)
    assert marks.started(tmp_path)
    with pytest.raises(FleetError, match="started cannot be removed"):
        marks.forget(tmp_path)
