from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.errors import FleetError
from matrix.limits import SHARD_JOBS
from matrix.plan import LeftOut, Plan
from matrix.shard import pack
from matrix.waves import AGAIN, as_lines, listed_as, of_shard, only, outputs, part_of, run_by, without_unpinned
from tests.aggregate.builders import a_plan

LABELS = {"this-machine"}


def with_job(plan: Plan, number: int, **changes: object) -> Plan:
    jobs = list(plan.jobs)
    jobs[number] = msgspec.structs.replace(jobs[number], **changes)
    return part_of(plan, jobs)


@given(st.sets(st.integers(0, 30), min_size=1), st.integers(1, 9))
def test_the_shards_of_a_plan_are_a_partition_of_its_jobs(tonight: set[int], size: int) -> None:
    plan = part_of(WHOLE, (WHOLE.jobs[n] for n in sorted(tonight)))
    shards = pack({job.id: job.recipe for job in WHOLE.jobs}, max_jobs=size, max_shards=31)
    parts = [of_shard(plan, frozenset(shard.jobs)) for shard in shards]
    assert sorted(job.id for part in parts for job in part.jobs) == sorted(job.id for job in plan.jobs)
    assert all(part.seed == plan.seed and part.run_id == plan.run_id for part in parts)


WHOLE = a_plan(jobs=31)


def test_a_part_of_a_job_belongs_to_the_shard_that_lists_the_job() -> None:
    listed = {"r.tp8.0f", "r.tp8.0f.x"}
    assert listed_as("r.tp8.0f", listed) == "r.tp8.0f"
    assert listed_as("r.tp8.0f.part2", listed) == "r.tp8.0f"
    assert listed_as("r.tp8.0f.x.part2", listed) == "r.tp8.0f.x"
    assert listed_as("r.tp8.0", listed) is None
    assert listed_as("r.tp8.0fx", listed) is None


def test_the_matrix_holds_ids_and_labels_of_jobs_that_may_start_and_nothing_else() -> None:
    plan = with_job(a_plan(jobs=3), 1, blocked="a test")
    found = outputs(plan, LABELS)
    cells = [{"id": "r0.tp1", "runner": "this-machine"}, {"id": "r2.tp1", "runner": "this-machine"}]
    assert json.loads(found["matrix"]) == {"include": cells}
    assert (found["jobs"], found["sha"]) == ("2", plan.git_sha)


def test_what_no_host_would_run_is_not_started_and_its_rows_will_say_why() -> None:
    plan = with_job(a_plan(jobs=2), 0, server=msgspec.structs.replace(a_plan().jobs[0].server, image="vllm:latest"))
    found = without_unpinned(plan)
    blocked, launched = (job.blocked for job in found.jobs)
    assert (blocked or "").startswith("the image vllm:latest has no digest; `inferfleet pin` fixes it")
    assert launched is None
    assert outputs(found, LABELS)["jobs"] == "1"


def test_an_empty_plan_starts_nothing() -> None:
    assert outputs(part_of(a_plan(), ()), LABELS)["jobs"] == "0"


@pytest.mark.parametrize("bad", ["a b", "a\n", "${{ x }}", "A", "a/b"])
@pytest.mark.parametrize("field", ["id", "label"])
def test_what_is_no_id_never_reaches_a_matrix(field: str, bad: str) -> None:
    with pytest.raises(FleetError, match="nothing else may reach"):
        outputs(with_job(a_plan(), 0, **{field: bad}), {*LABELS, bad})


def test_a_label_that_no_host_has_is_refused() -> None:
    with pytest.raises(FleetError, match="no host of the fleet has the runner label 'h200'"):
        outputs(with_job(a_plan(), 0, label="h200"), LABELS)


def test_a_plan_without_a_commit_is_refused() -> None:
    with pytest.raises(FleetError, match="plan in a git checkout"):
        outputs(msgspec.structs.replace(a_plan(), git_sha="unknown"), LABELS)


def test_more_jobs_than_a_run_holds_are_refused() -> None:
    with pytest.raises(FleetError, match=f"241 jobs are too many for one run, which holds {SHARD_JOBS}"):
        outputs(a_plan(jobs=SHARD_JOBS + 1), LABELS)


def test_recipes_jobs_and_points_can_be_asked_for_by_name() -> None:
    plan = a_plan(jobs=3)
    point = plan.jobs[1].points[1].id
    found = only(plan, ["r0", "r2.tp1", point])
    assert [(job.id, len(job.points)) for job in found.jobs] == [("r0.tp1", 2), ("r1.tp1", 1), ("r2.tp1", 2)]
    assert found.jobs[1].points[0].id == point


def test_a_name_that_is_not_there_says_why_or_what_was_meant() -> None:
    plan = msgspec.structs.replace(a_plan(), left_out=(LeftOut(id="r9.tp1.1k1k.c4", why="needs h200"),))
    with pytest.raises(FleetError, match=r"did you mean 'r1\.tp1'"):
        only(plan, ["r1.tp"])
    for name in ("r9.tp1.1k1k.c4", "r9"):
        with pytest.raises(FleetError, match="needs h200"):
            only(plan, [name])
    with pytest.raises(FleetError, match="name at least one"):
        only(plan, [])
    with pytest.raises(FleetError, match="must not be launched: a test"):
        only(with_job(plan, 0, blocked="a test"), ["r0"])


@given(st.dictionaries(st.sampled_from(["matrix", "jobs"]), st.text()))
def test_a_value_never_makes_a_second_line(values: dict[str, str]) -> None:
    if all(value.isprintable() for value in values.values()):
        assert len(as_lines(values).splitlines()) == len(values)
    else:
        with pytest.raises(ValueError, match="cannot hold"):
            as_lines(values)


@given(st.from_regex(r"[a-z0-9][a-z0-9.-]{0,30}", fullmatch=True), st.integers(1, 50))
def test_every_attempt_of_a_job_is_made_by_one_job_of_one_run_attempt(job: str, run_attempt: int) -> None:
    assert run_by(job, run_attempt) == (job, 2 * run_attempt - 1)
    assert run_by(job + AGAIN, run_attempt) == (job, 2 * run_attempt)


def test_the_template_names_and_numbers_waves_as_their_records_are_read() -> None:
    import matrix

    template = (Path(matrix.__file__).parent / "templates" / "waves.yml").read_text()
    assert re.findall(r"name: \$\{\{ matrix\.id \}\}(.*)", template) == ["", AGAIN]
    counted = re.findall(r"number=\$\(\((.*)\)\)", template)
    assert counted == ["2 * GITHUB_RUN_ATTEMPT - 1", "2 * GITHUB_RUN_ATTEMPT"]
    for expression, name in zip(counted, ("r.tp1", f"r.tp1{AGAIN}"), strict=True):
        assert run_by(name, 3) == ("r.tp1", eval(expression, {"GITHUB_RUN_ATTEMPT": 3}))
    assert "name: job-${{ matrix.id }}-a${{ steps.attempt.outputs.number }}" in template
