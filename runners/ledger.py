"""The artifact's result files: one per planned point from the first second to the last, whatever happens.

Every file is written `outcome: null` before anything is started and replaced when its point ends, so a runner
that is killed leaves a row for each point, and nothing half-written.
"""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from matrix.atomic import write_atomic
from matrix.gitinfo import git_sha
from matrix.result import PointResult, Provenance, Quality
from matrix.words import Outcome, Reason, outcome_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.records import RequestRecord
    from matrix.plan import Job, Plan, PlannedPoint
    from runners.measure import Measured

CHUNK_STAMPS_EVERY = 100
"""Request records keep all chunk stamps for one request in this many; the others keep the worst gap only."""

DETAIL_CHARS = 2000
_HEAD_CHARS = 400


class Ledger:
    """Writes one job's results under `out/points/`. `open` are the points that have not ended yet.

    `outcomes` are of points in their own right: a repeat is evidence about one, and cannot fail a job.
    """

    def __init__(self, plan: Plan, job: Job, out: Path, attempt: int, host: str) -> None:
        self._plan, self._job, self._out, self._attempt, self._host = plan, job, out, attempt, host
        self.open: dict[str, PlannedPoint] = {point.id: point for point in job.points}
        self.outcomes: dict[str, Outcome] = {}
        self._drafts = {point.id: self._draft(point, order) for order, point in enumerate(job.points)}

    def begin(self) -> None:
        """Write every point as not ended."""
        for draft in self._drafts.values():
            self._write(draft)

    def server_started(self, engine_version: str, start_s: float) -> None:
        """What is known of the server, for all points that have not ended."""
        for point in self.open:
            draft = self._drafts[point]
            provenance = msgspec.structs.replace(
                draft.provenance, engine_version=engine_version, server_start_s=start_s
            )
            self._drafts[point] = msgspec.structs.replace(draft, provenance=provenance)

    def start_point(self, point: PlannedPoint, server_age_s: float) -> None:
        """Stamp the beginning of a point and the age of the server it is measured on."""
        draft = self._drafts[point.id]
        provenance = msgspec.structs.replace(draft.provenance, server_age_s=server_age_s)
        self._drafts[point.id] = msgspec.structs.replace(draft, started_at=_now(), provenance=provenance)

    def finish(self, point: PlannedPoint, measured: Measured) -> PointResult:
        """Write a measured point and its requests. The result file comes last: it says the rest is there."""
        self._write_requests(point.id, measured.records)
        result = msgspec.structs.replace(
            self._drafts[point.id],
            outcome=outcome_of(measured.reasons),
            reasons=measured.reasons,
            detail=clean(measured.detail),
            ended_at=_now(),
            metrics=measured.metrics,
            client=measured.client,
            energy_reason="no power meter on this host",
            quality=measured.quality,
            cache_hit_rate=measured.cache_hit_rate,
            cache_reason=clean(measured.cache_reason),
        )
        return self._end(result)

    def close_open(self, reason: Reason, detail: str = "") -> None:
        """End every point that has not ended, all for the same reason."""
        for point in list(self.open):
            self.close(point, reason, detail)

    def close(self, point_id: str, reason: Reason, detail: str = "") -> PointResult:
        """End one point that was not measured."""
        ended = msgspec.structs.replace(
            self._drafts[point_id],
            outcome=outcome_of((reason,)),
            reasons=(reason,),
            detail=clean(detail),
            ended_at=_now(),
            energy_reason="not measured",
        )
        return self._end(ended)

    def _end(self, result: PointResult) -> PointResult:
        self._write(result)
        planned = self.open.pop(result.point_id)
        if result.outcome is not None and not planned.point.repeat:
            self.outcomes[result.point_id] = result.outcome
        return result

    def _draft(self, point: PlannedPoint, order: int) -> PointResult:
        server = self._job.server
        return PointResult(
            run_id=self._plan.run_id,
            attempt=self._attempt,
            job_id=self._job.id,
            point_id=point.id,
            point_key=point.key,
            outcome=None,
            detail="not ended",
            started_at=_now(),
            quality=Quality(reason="not measured"),
            cache_reason="not measured",
            provenance=Provenance(
                recipe_digest=self._job.recipe_digest,
                server_args_digest=server.args_digest,
                image=server.image,
                engine_version="",
                git_sha=git_sha(),  # what runs here; the collector compares it with what was planned
                seed=self._plan.seed,
                host=self._host,
                order=order,
                server_age_s=0.0,
                server_start_s=0.0,
            ),
        )

    def _write(self, result: PointResult) -> None:
        encoded = msgspec.json.format(msgspec.json.encode(result), indent=1)
        write_atomic(self._out / "points" / f"{result.point_id}.json", encoded + b"\n")

    def _write_requests(self, point_id: str, records: Sequence[RequestRecord]) -> None:
        kept = [
            msgspec.structs.replace(
                record, chunk_ns=tuple(record.chunk_ns) if record.index % CHUNK_STAMPS_EVERY == 0 else ()
            )
            for record in records
        ]
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in kept)
        write_atomic(self._out / "requests" / f"{point_id}.jsonl.gz", gzip.compress(lines, mtime=0))


def _now() -> datetime:
    return datetime.now(UTC)


def clean(text: str) -> str:
    """Printable ASCII, cut to length: details may quote a server, and end up in tables, terminals and job logs.

    Of long text the beginning and the end are kept: why, and a crashing server's last words.
    """
    plain = "".join(char if " " <= char <= "~" or char == "\n" else "?" for char in text)
    if len(plain) <= DETAIL_CHARS:
        return plain
    return f"{plain[:_HEAD_CHARS]}\n[...]\n{plain[_HEAD_CHARS + 7 - DETAIL_CHARS :]}"
