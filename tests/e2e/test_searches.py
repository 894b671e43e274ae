"""Searches on the real embedded engine with the tiny model: plan, run, merge, publish, as a person would."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from aggregate import dataset
from aggregate.manifest import verify
from launch.leftovers import find
from matrix.finding import Stop
from matrix.result import PointResult
from matrix.words import Reason
from tests.night import make_night

if TYPE_CHECKING:
    from pathlib import Path

    from tests.night import Night

RECIPE = """\
tiny-search:
  model: tiny
  gpu: cpu
  engine: llamacpp
  precision: q8_0
  layouts:
    - name: slots2
      flags: {parallel: 2}
      points:
        short: [2]
      searches:
        short:
          - {method: {kind: ramp}, loads: [1, 8]}
          - {method: {kind: refine, factor: 2.0, max_gap: 0.2}, loads: [1, 4]}
  source: a test
"""
WORKLOADS = """\
short:
  kind: random
  name: 16 in, 96 out
  isl: 16
  osl: 96
  run_length: {min_s: 0.4, max_s: 20, min_requests: 6, search: {max_measurements: 5, max_minutes: 5}}
"""
LONG = WORKLOADS.replace("min_s: 0.4", "min_s: 3")
ASKED_REFINE = "          - {method: {kind: refine, factor: 2.0, max_gap: 0.2}, loads: [1, 4]}\n"
POINT, RAMP, REFINE = (f"tiny-search.slots2.short.{load}" for load in ("c2", "ramp", "refine"))
WAIT_S = 60.0


def results(out: Path) -> dict[str, PointResult]:
    return {path.stem: msgspec.json.decode(path.read_bytes(), type=PointResult) for path in out.glob("points/*.json")}


def a_night(tmp_path: Path) -> Night:
    night = make_night(tmp_path, recipe=RECIPE, workloads=WORKLOADS)
    (job,) = night.plan().jobs
    assert job.points[0].id == POINT
    return night


def out_of(night: Night) -> Path:
    (job,) = night.plan().jobs
    return night.artifacts / f"job-{job.id}-a1"


def published(night: Night) -> Path:
    """Merge and publish what is there; where."""
    home, merged = night.root / "home", night.root / "merged"
    for args in (
        ("merge", "--plan", night.plan_path, "--artifacts", night.artifacts, "--out", merged),
        ("publish", "--plan", night.plan_path, "--merged", merged, "--home", home),
    ):
        done = night.call(*args)
        assert done.returncode == 0, done.stderr
    verify(home)
    return home


def test_a_night_with_searches_from_the_plan_to_the_page(tmp_path: Path) -> None:
    night = a_night(tmp_path)
    (job,) = night.plan().jobs
    done = night.call(*night.run_args(job.id))
    assert done.returncode in (0, 4), done.stderr
    assert find(night.label) == ()
    found = results(out_of(night))
    ramp = found[RAMP].finding
    assert ramp is not None
    # on a busy machine the client may honestly be saturated, which ends a search; nothing else may be wrong
    reasons = {reason for name in (POINT, RAMP, REFINE) for reason in found[name].reasons}
    assert reasons <= {Reason.CLIENT_SATURATED}, done.stderr
    if not reasons:
        assert ramp.stop in (Stop.BOUND, Stop.THROUGHPUT_FELL, Stop.BUDGET)
        assert ramp.size is not None
    home = published(night)
    rows = {row.point_id: row for row in dataset.to_rows(dataset.read_table(home))}
    assert set(rows) == set(found)
    children = [row for row in rows.values() if row.search_parent == RAMP]
    assert rows[RAMP].found_measurements == ramp.measurements
    assert ramp.measurements <= len(children) <= ramp.measurements + 1
    assert all(row.output_tok_per_s for row in children)
    (run,) = verify(home).runs
    assert (run.planned, run.ok + run.failed, run.missing) == (3, 3, 0)
    assert night.call("site", "--home", home, "--out", tmp_path / "site").returncode == 0
    page = (tmp_path / "site" / "index.html").read_text()
    assert ("Found by searching" in page) == (any(row.found_measurements for row in rows.values()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_runner_that_is_stopped_in_a_search_leaves_rows_with_what_was_found(
    tmp_path: Path, number: signal.Signals
) -> None:
    night = make_night(tmp_path, recipe=RECIPE.replace(ASKED_REFINE, ""), workloads=LONG)
    (job,) = night.plan().jobs
    first = job.points[1].id
    runner = night.start(*night.run_args(job.id))
    deadline = time.monotonic() + WAIT_S
    while not list(out_of(night).glob(f"points/{first}.*.json")):
        assert runner.poll() is None, (night.root / "started.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    runner.send_signal(number)
    assert runner.wait(WAIT_S) == (130 if number is signal.SIGTERM else -signal.SIGKILL)
    found = results(out_of(night))
    finding = found[first].finding
    assert finding is not None
    assert finding.stop is Stop.UNFINISHED
    home = published(night)
    rows = {row.point_id: row for row in dataset.to_rows(dataset.read_table(home))}
    ended = (rows[first].outcome, rows[first].reasons, rows[first].found_measurements)
    why = ("cancelled", Reason.INTERRUPTED) if number is signal.SIGTERM else ("infra_failed", Reason.KILLED)
    assert ended == (*why, finding.measurements)
    children = [row for row in rows.values() if row.search_parent == first]
    assert [row.reasons for row in children if row.ended_at is None or row.outcome == "cancelled"] == [why[1]]
    (run,) = verify(home).runs
    assert (run.planned, run.ok + run.failed, run.missing) == (2, 2, 0)
    if number is signal.SIGKILL:  # the next run of this host removes the server that was left
        again = night.call(*night.run_args(job.id, 2))
        assert again.returncode in (0, 4), again.stderr
    assert find(night.label) == ()
