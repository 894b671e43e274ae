"""The evidence that sharing a server is valid, gathered on the real embedded engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aggregate.dataset import read_table
from matrix.words import Reason
from tests.fleets import WORKLOADS
from tests.night import make_night

if TYPE_CHECKING:
    from pathlib import Path


def test_a_repeat_is_a_row_beside_its_first_and_no_prompt_came_from_a_cache(tmp_path: Path) -> None:
    night = make_night(tmp_path, workloads=WORKLOADS.replace("repeat_first: false", "repeat_first: true"))
    home = night.root / "home"
    ended = night.call("demo", "--fleet", night.fleet, "--home", home)
    assert ended.returncode in (0, 4), ended.stderr
    assert "4 planned = 4 published + 0 quarantined + 0 missing" in ended.stdout
    assert "first points measured once more: " in ended.stdout
    rows = {row["point_id"]: row for row in read_table(home).to_pylist()}
    repeats = [row for row in rows.values() if row["repeat"]]
    assert (len(rows), len(repeats)) == (6, 2)
    # on a busy machine windows of a fifth of a second may honestly differ, or be the client's
    honest = {"", Reason.ORDER_EFFECT, Reason.CLIENT_SATURATED, Reason.NOTHING_TO_REPEAT}
    assert {row["reasons"] for row in rows.values()} <= honest
    for again in repeats:
        first = rows[again["twin_of"]]
        assert again["order"] > first["order"] == 0
        assert again["job_id"] == first["job_id"]
        assert again["series"] != first["series"]
    assert {row["cache_hit_rate"] for row in rows.values() if row["duration_s"] is not None} == {0.0}
    shown = night.call("sharing", "--home", home)
    assert "no point was measured both on a shared server and alone yet" in shown.stdout
