"""A plan with one search beside a point, and the artifact of a runner that conducted it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from matrix.finding import ChildOf, Finding, Stop
from matrix.parent import Search, as_point, planned_child
from matrix.plan import Job, Plan, PlannedPoint
from matrix.point import point_id, point_key
from matrix.search import Bounds, Method, Ramp
from matrix.words import Reason
from tests.aggregate.builders import HOST, a_plan, a_result, some_metrics, write_folder

if TYPE_CHECKING:
    from pathlib import Path

    from matrix.result import PointResult

BOUNDS = Bounds(first_load=1, last_load=64, max_measurements=6)
LOADS = (1, 2, 4, 8)
FOUND = Finding(
    stop=Stop.THROUGHPUT_FELL, size=2, break_size=4, measurements=4, minutes=8.0, detail="highest at 2, then lower"
)


def a_search_plan(method: Method | None = None, **changes: str) -> tuple[Plan, Job, PlannedPoint]:
    """One job: a point of one stream, and a search (a ramp by default)."""
    plan = a_plan(jobs=1, concurrency=(1,))
    (job,) = plan.jobs
    parent = as_point(Search(base=job.points[0].point, method=method or Ramp(), bounds=BOUNDS))
    planned = PlannedPoint(id=point_id(parent), key=point_key(parent), point=parent, expected_minutes=9.0)
    job = msgspec.structs.replace(job, points=(*job.points, planned))
    return msgspec.structs.replace(plan, jobs=(job,), **changes), job, planned


def parent_result(
    plan: Plan,
    job: Job,
    parent: PlannedPoint,
    found: Finding = FOUND,
    reasons: tuple[Reason, ...] = (),
    attempt: int = 1,
) -> PointResult:
    result = a_result(plan, job, parent, reasons=reasons, attempt=attempt)
    return msgspec.structs.replace(result, metrics=None, client=None, finding=found)


def child_result(
    plan: Plan, job: Job, parent: PlannedPoint, streams: float, replicate: int = 1, attempt: int = 1, **changes: object
) -> PointResult:
    planned = planned_child(parent, streams, replicate)
    metrics = some_metrics(tok_per_s=100.0 * streams, interactivity=100 / streams)
    result = a_result(plan, job, planned, metrics=metrics, attempt=attempt)
    child = ChildOf(parent=parent.id, size=streams, replicate=replicate)
    return msgspec.structs.replace(result, **{"child": child, **changes})


def search_files(plan: Plan, job: Job, parent: PlannedPoint, attempt: int = 1) -> dict[str, bytes]:
    """Point, search and four measurements, the last of them with failed requests, as a ramp has them."""
    results = [
        a_result(plan, job, job.points[0], attempt=attempt),
        parent_result(plan, job, parent, attempt=attempt),
        *(child_result(plan, job, parent, streams, attempt=attempt) for streams in LOADS),
    ]
    last = results[-1].child
    assert last is not None
    exempt = msgspec.structs.replace(last, exempt=(Reason.REQUEST_ERRORS,))
    results[-1] = msgspec.structs.replace(results[-1], child=exempt, detail="9 of 64 requests failed")
    files = {f"points/{result.point_id}.json": msgspec.json.encode(result) for result in results}
    return files | {"host.json": msgspec.json.encode(HOST)}


def search_artifact(
    root: Path, files: dict[str, bytes], job: Job, attempt: int = 1, **results: PointResult | None
) -> Path:
    """The artifact with some results replaced, or taken out, under their word: `parent`, `c4`."""
    for word, result in results.items():
        name = next(name for name in files if name.endswith(".ramp.json" if word == "parent" else f".ramp.{word}.json"))
        files = {key: data for key, data in files.items() if key != name}
        if result is not None:
            files[name] = msgspec.json.encode(result)
    return write_folder(root / f"job-{job.id}-a{attempt}", files)
