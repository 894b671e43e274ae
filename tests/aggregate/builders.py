"""Plans, results and artifacts for the aggregate tests, made as runners make them."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from matrix.dialect import Dialect
from matrix.facts import FileWeights, Model
from matrix.plan import Job, Plan, PlannedPoint, Server
from matrix.point import Concurrency, Point, digest, point_id, point_key
from matrix.result import ClientBudget, HostFacts, Metrics, PointResult, Provenance, Quality, Stats
from matrix.serving import Layout
from matrix.words import Reason, outcome_of
from matrix.workload import RandomWorkload

if TYPE_CHECKING:
    from pathlib import Path

WHEN = datetime(2026, 10, 1, 2, 0, tzinfo=UTC)
MODEL = Model(name="tiny", weights=FileWeights(path="tiny.gguf"), vocab_size=100, prompt_token_ids=(1, 99), source="us")
WORKLOAD = RandomWorkload(name="1k in, 1k out", isl=1024, osl=1024)
HOST = HostFacts(
    name="h1", kernel="6.1", cpu="Test CPU (R)", cores=2, memory_bytes=1 << 30, python="3.11", driver="1.2"
)


def a_plan(
    *,
    run_id: str = "run-1",
    night: str = "2026-10-01",
    jobs: int = 2,
    concurrency: tuple[int, ...] = (1, 4),
    rev: int = 0,
) -> Plan:
    """`jobs` recipes `r0`, `r1`... with one point per concurrency; `rev` changes every server's arguments."""
    return Plan(
        run_id=run_id,
        night=night,
        seed=7,
        git_sha="a" * 40,
        jobs=tuple(_job(f"r{number}", concurrency, rev) for number in range(jobs)),
    )


def _job(recipe: str, concurrency: tuple[int, ...], rev: int) -> Job:
    server = Server(
        engine="llama-cpp",
        dialect=Dialect(),
        model_id="tiny",
        model=MODEL,
        gpu="cpu",
        precision="q8_0",
        layout=Layout(),
        devices=1,
        image=None,
        args=("--rev", str(rev)),
        args_digest=digest([recipe, rev]),
    )
    points = [_point(recipe, streams) for streams in concurrency]
    return Job(
        id=f"{recipe}.tp1",
        label="this-machine",
        backend="process",
        recipe=recipe,
        recipe_digest=digest(recipe),
        server=server,
        points=tuple(PlannedPoint(id=point_id(p), key=point_key(p), point=p, expected_minutes=1.0) for p in points),
        expected_minutes=2.0,
    )


def _point(recipe: str, streams: int) -> Point:
    return Point(
        recipe=recipe,
        layout_name="tp1",
        layout=Layout(),
        workload_id="1k1k",
        workload=WORKLOAD,
        load=Concurrency(streams=streams),
    )


def some_stats(p50: float) -> Stats:
    return Stats(mean=p50, p50=p50, p90=p50 * 1.1, p99=p50 * 1.2, max=p50 * 1.5, n=64)


def some_metrics(*, tok_per_s: float = 100.0, interactivity: float = 20.0, devices: int = 1) -> Metrics:
    """Numbers that agree with one another."""
    duration_s = 60.0
    return Metrics(
        duration_s=duration_s,
        requests_ok=64,
        requests_failed=0,
        input_tokens=round(2 * tok_per_s * duration_s),
        output_tokens=round(tok_per_s * duration_s),
        ttft_s=some_stats(0.2),
        tpot_s=some_stats(1 / interactivity),
        icl_s=some_stats(1 / interactivity),
        e2e_s=some_stats(3.0),
        interactivity_tok_per_s=interactivity,
        requests_per_s=64 / duration_s,
        input_tok_per_s=2 * tok_per_s,
        output_tok_per_s=tok_per_s,
        total_tok_per_s=3 * tok_per_s,
        input_tok_per_s_per_gpu=2 * tok_per_s / devices,
        output_tok_per_s_per_gpu=tok_per_s / devices,
        total_tok_per_s_per_gpu=3 * tok_per_s / devices,
    )


def a_result(
    plan: Plan,
    job: Job,
    point: PlannedPoint,
    *,
    attempt: int = 1,
    reasons: tuple[Reason, ...] = (),
    running: bool = False,
    metrics: Metrics | None = None,
) -> PointResult:
    """What a runner writes for a point: ok with metrics, failed for `reasons`, or still `running`."""
    ok = not reasons and not running
    return PointResult(
        run_id=plan.run_id,
        attempt=attempt,
        job_id=job.id,
        point_id=point.id,
        point_key=point.key,
        outcome=None if running else outcome_of(reasons),
        reasons=reasons,
        started_at=WHEN,
        ended_at=None if running else WHEN,
        metrics=metrics or some_metrics() if ok else None,
        client=_budget(point) if ok else None,
        energy_reason="no power meter on this host",
        quality=Quality(length_ratio=1.0, reason="no reference run"),
        provenance=Provenance(
            recipe_digest=job.recipe_digest,
            server_args_digest=job.server.args_digest,
            image=None,
            engine_version="b1",
            git_sha=plan.git_sha,
            seed=plan.seed,
            host="h1",
            order=0,
            server_age_s=1.0,
            server_start_s=2.0,
        ),
    )


def _budget(point: PlannedPoint) -> ClientBudget:
    return ClientBudget(
        kernel_stamps=True,
        stamp_delay_s_p50=1e-5,
        stamp_delay_s_p99=1e-4,
        cpu_share=0.1,
        reads=1000,
        reads_with_several_events=3,
        asked_concurrency=point.point.load.streams,
        achieved_concurrency=float(point.point.load.streams),
        clock_drift_share=-0.0001,
    )


def point_files(plan: Plan, job: Job, *, attempt: int = 1, **changes: object) -> dict[str, bytes]:
    """The files of an artifact in which every point is ok; `changes` are fields of each result."""
    results = (msgspec.structs.replace(a_result(plan, job, point, attempt=attempt), **changes) for point in job.points)
    files = {f"points/{result.point_id}.json": msgspec.json.encode(result) for result in results}
    return files | {"host.json": msgspec.json.encode(HOST), "server.log": b"\x1b[31mready\n" * 100}


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def zip_bytes(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def artifact_of(root: Path, plan: Plan, job: Job, *, attempt: int = 1, **changes: object) -> Path:
    """A whole artifact folder in `root`."""
    return write_folder(root / f"job-{job.id}-a{attempt}", point_files(plan, job, attempt=attempt, **changes))


def artifacts_of(root: Path, plan: Plan) -> Path:
    """One ok artifact per job."""
    for job in plan.jobs:
        artifact_of(root, plan, job)
    return root
