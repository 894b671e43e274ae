"""What a person sees while a job runs: which point, of how many, how long still. Never the server's output."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from matrix.plan import Plan
    from matrix.result import PointResult


@dataclass(slots=True)
class Progress:
    """Counts points over one or more jobs. On a terminal the last line moves; in a log each point is a line."""

    total_points: int
    expected_minutes: float
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    done: int = 0
    done_minutes: float = 0.0
    _begun: float = field(default_factory=time.monotonic)
    _live: bool = False

    @classmethod
    def of(cls, plan: Plan, job_ids: tuple[str, ...]) -> Progress:
        """Progress over the named jobs of a plan."""
        jobs = [job for job in plan.jobs if job.id in job_ids]
        points = sum(len(job.points) for job in jobs)
        return cls(total_points=points, expected_minutes=sum(job.expected_minutes for job in jobs))

    def say(self, text: str) -> None:
        """A line that stays. A job log obeys `##[` wherever it stands, and some of this text quotes servers."""
        self._clear()
        print(text.replace("##[", "## ["), file=self.stream, flush=True)

    def quote(self, text: str) -> None:
        """Text that a server may have written: a job log obeys `::` at the start of a line."""
        for line in text.splitlines():
            self.say("    | " + line.replace("::", ": :"))

    def tick(self, point_id: str, phase: str, requests: int, elapsed_s: float) -> None:
        """The moving line; nothing when the stream is not a terminal."""
        if not self.stream.isatty():
            return
        text = f"  [{self.done + 1}/{self.total_points}] {point_id}  {phase}: {requests} requests, {elapsed_s:.0f} s"
        self.stream.write(f"\r\x1b[K{text}  ({self.time_left()})"[:200])
        self.stream.flush()
        self._live = True

    def point_done(self, result: PointResult, minutes: float) -> None:
        """One line for an ended point: its numbers, or why it has none."""
        self.done += 1
        self.done_minutes += minutes
        self.say(f"  [{self.done}/{self.total_points}] {result.point_id}  {_verdict(result)}  ({self.time_left()})")

    def child_done(self, result: PointResult) -> None:
        """One line for a measurement of a search, which is no planned point."""
        exempt = ",".join(result.child.exempt) if result.child else ""
        self.say(f"      {result.point_id}  {_verdict(result)}{f' ({exempt})' if exempt else ''}")

    def time_left(self) -> str:
        """From this run's own pace once a point is done, else from the plan."""
        if self.done >= self.total_points:
            return f"{time.monotonic() - self._begun:.0f} s in all"
        expected = max(self.expected_minutes - self.done_minutes, 0.0)
        if self.done_minutes > 0:
            expected *= (time.monotonic() - self._begun) / 60 / self.done_minutes
        return f"about {expected * 60:.0f} s left"

    def _clear(self) -> None:
        if self._live:
            self.stream.write("\r\x1b[K")
            self._live = False


def _verdict(result: PointResult) -> str:
    if result.finding is not None and not result.reasons:
        return f"{result.outcome}  {result.finding.stop}: {result.finding.detail}"
    if result.metrics is None or result.reasons:
        words = ",".join(result.reasons) or str(result.outcome)
        return f"{result.outcome}: {words} {result.detail.splitlines()[0] if result.detail else ''}".rstrip()
    metrics = result.metrics
    return (
        f"ok  {metrics.output_tok_per_s_per_gpu:.1f} tok/s per device, "
        f"{metrics.interactivity_tok_per_s:.1f} tok/s per user, TTFT {metrics.ttft_s.p50 * 1e3:.0f} ms"
    )
