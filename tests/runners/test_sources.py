"""Conversations and recordings planned, launched and measured like every other point."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import msgspec
import pytest

from benchmarks.records import RequestRecord
from matrix.errors import FleetError
from matrix.plan import Plan, PlannedPoint
from matrix.point import point_id, point_key
from matrix.result import PointResult
from matrix.trace import prompts_and_answers, read_trace
from matrix.words import Reason
from matrix.workload import ConversationWorkload, RunLength, TraceWorkload, Workload
from runners.sources import find_trace, sessions_of
from tests.matrix.test_trace import SMALL
from tests.night import make_night
from tests.runners.conftest import PlanOf
from tests.runners.test_job import run

TRACE = read_trace(SMALL)
LENGTH = RunLength(min_s=0.3, max_s=60.0, min_requests=20)
RECORDED = TraceWorkload(
    name="six sessions",
    trace="six-sessions",
    digest=TRACE.digest,
    longest_tokens=TRACE.longest_tokens,
    run_length=LENGTH,
    source="a test",
)
MADE_UP = ConversationWorkload(name="talk", turns=3, isl=20, added=8, osl=6, gap_s=0.02, run_length=LENGTH)

SESSIONS = f"""\
short:
  kind: conversation
  name: three turns
  turns: 3
  isl: 60
  added: 20
  osl: 12
  shared: 40
  gap_s: 0.05
  run_length: {{min_s: 0.2, max_s: 60, min_requests: 12}}
long:
  kind: trace
  name: six sessions
  trace: six-sessions
  digest: "{TRACE.digest}"
  longest_tokens: {TRACE.longest_tokens}
  run_length: {{min_s: 0.2, max_s: 60, min_requests: 24}}
  source: a test
"""


def planned(plan: Plan, workload: Workload) -> Plan:
    """The same plan, of one point with this workload."""
    job = plan.jobs[0]
    point = msgspec.structs.replace(job.points[0].point, workload_id="sessions", workload=workload)
    one = PlannedPoint(id=point_id(point), key=point_key(point), point=point, expected_minutes=0.1)
    return msgspec.structs.replace(plan, jobs=(msgspec.structs.replace(job, points=(one,)),))


@pytest.mark.parametrize("workload", [RECORDED, MADE_UP], ids=["recorded", "made-up"])
def test_sessions_are_measured_as_any_point_is(plan_of: PlanOf, tmp_path: Path, workload: Workload) -> None:
    plan = planned(plan_of("--itl-ms", "5", streams=(2,)), workload)
    (result,) = run(plan, tmp_path, traces=(SMALL.parent,)).values()
    assert set(result.reasons) <= {Reason.CLIENT_SATURATED}, result.detail  # late, on a busy machine
    assert result.metrics is not None
    assert result.client is not None
    sessions = result.metrics.sessions
    assert sessions is not None
    assert sessions.turns_ok == result.metrics.requests_ok >= 20
    assert sessions.begun == sessions.complete + sessions.cut
    assert result.client.schedule_lateness_s_p99 is not None


def test_a_recording_that_is_not_on_the_host_is_a_row_that_says_where_to_put_it(
    plan_of: PlanOf, tmp_path: Path
) -> None:
    plan = planned(plan_of(streams=(2,)), RECORDED)
    (result,) = run(plan, tmp_path, traces=(tmp_path / "nowhere",)).values()
    assert result.reasons == (Reason.PROMPTS_MISSING,)
    assert f"put it into {tmp_path / 'nowhere'} as {TRACE.digest}.jsonl" in result.detail


def test_a_recording_is_found_by_its_digest_or_name_and_no_other_is_taken(tmp_path: Path) -> None:
    shutil.copy(SMALL, tmp_path / f"{TRACE.digest}.jsonl")
    assert find_trace(RECORDED, (SMALL.parent,)) == SMALL
    assert find_trace(RECORDED, (tmp_path, SMALL.parent)).stem == TRACE.digest
    other = msgspec.structs.replace(RECORDED, digest="0" * 64)
    with pytest.raises(FleetError, match="its sha256 is"):
        sessions_of(other, (1, 9), (SMALL.parent,))
    longer = msgspec.structs.replace(RECORDED, longest_tokens=500)
    with pytest.raises(FleetError, match="534 tokens"):
        sessions_of(longer, (1, 9), (SMALL.parent,))


def test_sessions_on_the_real_engine_find_their_context_in_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the fleet's YAML through the front door, with the tiny model and no server shared by two points."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    cache = tmp_path / "home" / ".cache" / "inferfleet" / "traces"
    cache.mkdir(parents=True)
    shutil.copy(SMALL, cache / f"{TRACE.digest}.jsonl")
    night = make_night(tmp_path, workloads=SESSIONS)
    jobs = night.plan().jobs
    assert all(len(job.points) == 1 and job.blocked is None and job.server.prefix_cache for job in jobs)
    (job,) = [job for job in jobs if job.points[0].point.workload_id == "long"]
    ended = night.call(*night.run_args(job.id))
    out = night.artifacts / f"job-{job.id}-a1"
    name = job.points[0].id
    result = msgspec.json.decode((out / "points" / f"{name}.json").read_bytes(), type=PointResult)
    assert set(result.reasons) <= {Reason.CLIENT_SATURATED}, (result.detail, ended.stderr)
    assert result.metrics is not None
    assert result.metrics.sessions is not None
    assert result.metrics.sessions.turns_ok >= 24
    lines = gzip.decompress((out / "requests" / f"{name}.jsonl.gz").read_bytes()).splitlines()
    for record in (msgspec.json.decode(line, type=RequestRecord) for line in lines):
        assert record.turn_of is not None
        lengths = list(prompts_and_answers(TRACE.sessions[record.turn_of.session % 6]))
        assert (record.input_tokens, record.output_tokens) == lengths[record.turn_of.turn]
    # two slots, two sessions: a later turn finds what the one before it left, unless another session took its slot
    assert result.metrics.cached_tokens is not None
    assert result.metrics.cached_tokens > result.metrics.input_tokens * 0.2
