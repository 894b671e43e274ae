"""`plan.json`: the one file that travels from planning to runners to publishing."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from matrix.atomic import write_atomic
from matrix.errors import UNDECODABLE, FleetError, nearest
from matrix.plan import PLAN_SCHEMA, Plan

if TYPE_CHECKING:
    from pathlib import Path

    from matrix.plan import Job


def write_plan(plan: Plan, path: Path) -> None:
    """Write `plan` as readable JSON, atomically."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(plan, order="deterministic"), indent=1) + b"\n")


def read_plan(path: Path) -> Plan:
    """Read a plan; a `FleetError` says what is wrong with the file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FleetError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_plan(data, str(path))


def parse_plan(data: bytes, where: str) -> Plan:
    """The bytes of a plan; `where` is for the message."""
    try:
        version = msgspec.json.decode(data, type=_Version).schema_version
        if version != PLAN_SCHEMA:
            raise FleetError(f"{where}: is a plan of version {version}, this program reads {PLAN_SCHEMA}: plan again")
        plan = msgspec.json.decode(data, type=Plan)
    except UNDECODABLE as error:
        raise FleetError(f"{where}: is not a plan: {error}") from None
    if wrong := _contradiction(plan):
        raise FleetError(f"{where}: is not a plan: {wrong}; plan again")
    return plan


def _contradiction(plan: Plan) -> str | None:
    """What the types cannot tell. An id that is there twice would be measured twice and counted once."""
    try:
        date.fromisoformat(plan.night)
    except ValueError:
        return f"the night {plan.night!r} is no date"
    jobs = Counter(job.id for job in plan.jobs)
    points = Counter(point.id for job in plan.jobs for point in job.points)
    for what, counted in (("job", jobs), ("point", points)):
        for name, count in counted.items():
            if count > 1:
                return f"the {what} {name} is in it {count} times"
    return None


class _Version(msgspec.Struct):
    schema_version: int


def find_job(plan: Plan, job_id: str) -> Job:
    """The job of that id, or a `FleetError` with the nearest one."""
    for job in plan.jobs:
        if job.id == job_id:
            return job
    raise FleetError(f"no job {job_id!r} in this plan: {nearest(job_id, (job.id for job in plan.jobs))}")
