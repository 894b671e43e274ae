"""What a reader opens holds no surprise."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from aggregate.merge import merge
from aggregate.publish import publish
from matrix.words import Outcome, Reason
from tests.aggregate.builders import artifact_of
from tests.aggregate.homes import PLAN, entry_path

if TYPE_CHECKING:
    from pathlib import Path


def test_a_cell_that_a_spreadsheet_would_run_is_quoted_in_the_csv(tmp_path: Path) -> None:
    job = PLAN.jobs[0]
    formula = {"detail": "=cmd|'/c calc'!A0", "outcome": Outcome.INFRA_FAILED}
    artifact_of(tmp_path / "in", PLAN, job, attempt=1, **formula, reasons=(Reason.DISK_FULL,), metrics=None)
    artifact_of(tmp_path / "in", PLAN, PLAN.jobs[1], detail='+1,"two"\nlines')
    publish(merge(PLAN, tmp_path / "in"), PLAN, tmp_path)
    with entry_path(tmp_path, "night_csv", "2026-10-01").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert [row["detail"] for row in cells] == ["'=cmd|'/c calc'!A0"] * 2 + ['\'+1,"two"\nlines'] * 2
    assert [row["clock_drift_share"] for row in cells][2:] == ["-0.0001"] * 2
    assert [row["range_ratio"] for row in cells] == ["0.8"] * 4
    assert cells[2]["ttft_s_p50"] == "0.2"
    assert cells[0]["ttft_s_p50"] == ""
