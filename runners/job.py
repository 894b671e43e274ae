"""One job on this host: preflight, start the server, measure each point, stop it, leave a whole artifact.

A point that fails does not take its siblings with it; a server that dies is started once more for the rest. A point
that is to be alone gets a server of its own when the shared one is gone. The last on a shared server repeats the first,
or nothing where that failed or the server is another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from benchmarks.records import Target
from benchmarks.reference.sets import SHIPPED
from benchmarks.sources import NoPrompts
from launch.backends import BACKENDS
from launch.leftovers import remove
from launch.ready import NotReady
from matrix.atomic import write_atomic
from matrix.errors import FleetError
from matrix.point import twin_of
from matrix.words import Outcome, Reason
from runners.cachehits import CacheWatch
from runners.cancel import Cancel, CancelledError
from runners.hostfacts import host_facts, server_threads
from runners.ledger import Ledger, clean
from runners.measure import measure
from runners.preflight import DISK_FLOOR_BYTES, LOCK_WAIT_S, host_lock, label_of, preflight
from runners.sources import TRACE_FOLDERS

if TYPE_CHECKING:
    from pathlib import Path

    from launch.running import Running
    from matrix.plan import Job, Plan, PlannedPoint
    from matrix.result import PointResult
    from runners.progress import Progress

READY_DEADLINE_S = 1200.0
SERVER_STARTS = 2
"""The first start, and one more if the server dies under load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """`state` holds this host's lock; `not_after` is when no further point may begin; `cancel` hears signals.

    `prompts` is the folder of sets of reference prompts, `traces` are where recordings are looked for.
    """

    out: Path
    state: Path
    cancel: Cancel = field(default_factory=Cancel)
    attempt: int = 1
    not_after: datetime | None = None
    ready_deadline_s: float = READY_DEADLINE_S
    lock_wait_s: float = LOCK_WAIT_S
    traces: tuple[Path, ...] = TRACE_FOLDERS
    disk_floor_bytes: int = DISK_FLOOR_BYTES
    prompts: Path = SHIPPED


def run_job(plan: Plan, job: Job, options: JobOptions, progress: Progress) -> dict[str, Outcome]:
    """Run `job` and return how each point ended. Every planned point has its file when this returns or raises.

    `CancelledError` passes through after the rows are written and the server is killed.
    """
    facts = host_facts()
    options.out.mkdir(parents=True, exist_ok=True)
    write_atomic(options.out / "host.json", msgspec.json.encode(facts) + b"\n")
    ledger = Ledger(plan, job, options.out, options.attempt, facts.name)
    ledger.begin()
    run = _Run(plan=plan, job=job, options=options, progress=progress, ledger=ledger)
    try:
        run.when_host_is_free()
    except BaseException as error:
        run.end_rows(error)
        raise
    return ledger.outcomes


def batches(points: tuple[PlannedPoint, ...]) -> list[tuple[PlannedPoint, ...]]:
    """The points of each server, in order: those that share one, then each that is to be alone."""
    shared = tuple(planned for planned in points if not planned.point.alone)
    found = [(planned,) for planned in points if planned.point.alone]
    return [batch for batch in (shared, *found) if batch]


@dataclass(slots=True, kw_only=True)
class _Run:
    plan: Plan
    job: Job
    options: JobOptions
    progress: Progress
    ledger: Ledger
    server: Running | None = None

    def when_host_is_free(self) -> None:
        with host_lock(self.options.state, self.options.lock_wait_s) as held:
            if not held:
                self._close_open(Reason.HOST_LOCKED, "another job holds this host")
                return
            label = label_of(self.options.state)
            try:
                self._on_locked_host(label)
            except BaseException as error:
                # Whoever reads the dataset is protected: rows first, for a killer may be waiting, then the server.
                self.end_rows(error)
                if self.server is not None:
                    self.server.kill()
                remove(label)
                raise

    def end_rows(self, error: BaseException) -> None:
        """Rows for what was cut off by a signal, or by a bug of ours."""
        if isinstance(error, CancelledError):
            self.ledger.close_open(Reason.INTERRUPTED, "the job was told to stop")
        else:
            self.ledger.close_open(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}")

    def _on_locked_host(self, label: str) -> None:
        if refusal := preflight(self.job, self.options.out, label, self.options.disk_floor_bytes):
            self._close_open(*refusal)
            return
        for number, batch in enumerate(batches(self.job.points)):
            if not self._serve_batch(label, batch, "server" if number == 0 else f"server-alone{number}"):
                return

    def _serve_batch(self, label: str, batch: tuple[PlannedPoint, ...], log_name: str) -> bool:
        """One server for these points, and once more if it dies. False when nothing more can be measured here."""
        for start in range(SERVER_STARTS):
            if self._window_closed():
                return False
            log = self.options.out / f"{log_name}{f'-{start + 1}' if start else ''}.log"
            self._serve(label, self._open(batch), log)
            self._close_repeats(batch)
            if not self._open(batch):
                return bool(self.ledger.open)
        for planned in self._open(batch):
            closed = self.ledger.close(planned.id, Reason.SERVER_EXITED, f"the server died {SERVER_STARTS} times")
            self._point_done(planned, closed)
        return bool(self.ledger.open)

    def _close_repeats(self, batch: tuple[PlannedPoint, ...]) -> None:
        """On another server a repeat would repeat nothing."""
        for planned in self._open(batch):
            if planned.point.repeat:
                detail = "the server of the first measurement is gone"
                self._point_done(planned, self.ledger.close(planned.id, Reason.NOTHING_TO_REPEAT, detail))

    def _open(self, batch: tuple[PlannedPoint, ...]) -> list[PlannedPoint]:
        return [planned for planned in batch if planned.id in self.ledger.open]

    def _serve(self, label: str, points: list[PlannedPoint], log: Path) -> None:
        """Start the server and measure, until all is done or the server is dead."""
        self.progress.say(f"{self.job.id}: starting {self.job.server.engine} for {len(points)} points")
        started = BACKENDS[self.job.backend].launch(
            self.job.server,
            log=log,
            label=label,
            host_threads=server_threads(),
            ready_deadline_s=self.options.ready_deadline_s,
        )
        if isinstance(started, NotReady):
            self._close_open(started.reason, f"{started.detail}\n{started.log_tail}".strip())
            return
        self.server = started
        self.ledger.server_started(started.engine_version, started.start_s)
        self.progress.say(f"{self.job.id}: ready after {started.start_s:.1f} s")
        for planned in points:
            if self._window_closed():
                break
            if planned.point.repeat and self.ledger.outcomes.get(twin_of(planned.point) or "") is not Outcome.OK:
                detail = "the first measurement did not end ok"
                self._point_done(planned, self.ledger.close(planned.id, Reason.NOTHING_TO_REPEAT, detail))
                continue
            self._measure(started, planned)
            if not started.alive():
                break
        self._stop(started)

    def _stop(self, started: Running) -> None:
        """A server that survives SIGKILL holds the device: nothing more may be measured on this host."""
        outcome = started.stop()
        self.server = None
        if not outcome.reaped:
            self._close_open(Reason.HOST_LOCKED, "the server cannot be killed; this host needs a person")

    def _measure(self, running: Running, planned: PlannedPoint) -> None:
        self.ledger.start_point(planned, running.age_s())
        target = Target(host=running.host, port=running.port, model=running.model, dialect=self.job.server.dialect)
        try:
            with self.options.cancel.deferred() as check:

                def on_progress(phase: str, done: int, elapsed_s: float) -> None:
                    check()
                    self.progress.tick(planned.id, phase, done, elapsed_s)

                watch = CacheWatch(target)
                options = self.options
                measured = measure(
                    target, self.job.server, planned, self.plan.seed, on_progress, options.prompts, options.traces
                )
                measured = watch.judged(measured, planned.point.workload)
        except NoPrompts as error:
            self._point_done(planned, self.ledger.close(planned.id, error.reason, str(error)))
            return
        except (OSError, FleetError) as error:  # of this host or this point: its siblings may still be measured
            self._point_done(planned, self.ledger.close(planned.id, Reason.INTERNAL_ERROR, str(error)))
            return
        if not running.alive():  # what the survivors did is not this server's throughput
            detail = f"the server died under this point: {measured.detail}\n{running.log_tail()}"
            measured = replace(measured, reasons=(Reason.SERVER_EXITED,), detail=detail, metrics=None)
        self._point_done(planned, self.ledger.finish(planned, measured))

    def _point_done(self, planned: PlannedPoint, result: PointResult) -> None:
        self.progress.point_done(result, planned.expected_minutes)

    def _window_closed(self) -> bool:
        closes = self.options.not_after
        if closes is None or datetime.now(UTC) < closes:
            return False
        self._close_open(Reason.WINDOW_CLOSED, f"not begun: past {closes.isoformat()}")
        return True

    def _close_open(self, reason: Reason, detail: str) -> None:
        self.progress.say(f"{self.job.id}: {reason}")
        self.progress.quote(clean(detail))
        for planned in list(self.ledger.open.values()):
            self._point_done(planned, self.ledger.close(planned.id, reason, detail))
