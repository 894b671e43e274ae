from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from matrix.errors import FleetError
from matrix.planfile import read_plan, write_plan
from tests.aggregate.builders import a_plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matrix.plan import Plan

replace = msgspec.structs.replace


def renamed(plan: Plan, point_id: str) -> Plan:
    job, *others = plan.jobs
    first, *rest = job.points
    return replace(plan, jobs=(replace(job, points=(replace(first, id=point_id), *rest)), *others))


def on_devices(plan: Plan, devices: int) -> Plan:
    job = plan.jobs[0]
    return replace(plan, jobs=(replace(job, server=replace(job.server, devices=devices)),))


@pytest.fixture
def plan() -> Plan:
    return a_plan(jobs=1)


def test_a_plan_reads_back_equal(plan: Plan, tmp_path: Path) -> None:
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda plan: replace(plan, jobs=plan.jobs * 2), r"the job r0\.tp1 is in it 2 times"),
        (lambda plan: replace(plan, jobs=(plan.jobs[0], replace(plan.jobs[0], id="k"))), "c1 is in it 2 times"),
        (lambda plan: replace(plan, night="2026-13-45"), "'2026-13-45' is no date"),
        (lambda plan: replace(plan, night="2025-02-29"), "is no date"),
        (lambda plan: renamed(plan, "../../../x"), r"matching regex .*points\[0\]\.id"),
        (lambda plan: renamed(plan, "x" * 181), r"matching regex .*points\[0\]\.id"),
        (lambda plan: on_devices(plan, 0), r">= 1 .*devices"),
        (lambda plan: on_devices(plan, -4), r">= 1 .*devices"),
        (lambda plan: replace(plan, schema_version=99), "of version 99, this program reads"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused_with_the_place(
    plan: Plan, spoil: Callable[[Plan], Plan], words: str, tmp_path: Path
) -> None:
    write_plan(spoil(plan), tmp_path / "plan.json")
    with pytest.raises(FleetError, match=rf"plan\.json: is .*{words}"):
        read_plan(tmp_path / "plan.json")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"schema_version": 2, "run_id": "\xff"}',
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        None,
    ],
)
def test_bytes_that_are_no_plan_are_named_and_never_a_traceback(data: bytes | None, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / "plan.json").write_bytes(data)
    with pytest.raises(FleetError, match=r"plan\.json: (is not a plan|cannot be read)"):
        read_plan(tmp_path / "plan.json")
