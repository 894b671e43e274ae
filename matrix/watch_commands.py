"""What `inferfleet github watch` and `github jobs` do: lines for people, or one JSON object a line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from matrix.dispatch import sweeps_of
from matrix.errors import Unanswered, harmless, listed
from matrix.limits import QUEUE_HOURS
from matrix.watch import CLOCK, Change, Ended, Verdict, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from matrix.github import GitHub
    from matrix.github_records import JobRecord
    from matrix.plan import Plan
    from matrix.shard import Shard
    from matrix.watch import Asked, Clock

    Say = Callable[[str], None]

ENDED_WELL = ("success", "skipped", "neutral")


def watch_night(
    github: GitHub,
    night: int,
    plan_of: Callable[[], Plan],
    shards: Iterable[Shard],
    asked: Asked,
    tell: Callable[[Change], None],
    clock: Clock = CLOCK,
) -> Ended:
    """First the nightly run, which starts the sweeps and is never cancelled; then every sweep that its plan needs."""
    first = watch(github, replace(asked, runs=(night,), cancel_after=None), tell, clock)
    if first.verdict is Verdict.DEADLINE:
        return first
    sweeps = tuple(sweeps_of(plan_of(), shards))
    then = watch(github, replace(asked, night=github.run(night), sweeps=sweeps), tell, clock)
    verdict = first.verdict if then.verdict is Verdict.SUCCESS else then.verdict
    return Ended(verdict=verdict, states=first.states | then.states, runs=first.runs | then.runs)


def with_failures(github: GitHub, ended: Ended) -> Ended:
    """The same with the jobs that did not end well in the newest attempt of each run that did not."""
    found: dict[str, tuple[str, ...]] = {}
    for name, run_id in ended.runs.items():
        if ended.states[name] == "success":
            continue
        try:
            found[name] = tuple(_failed(github.jobs(run_id)))
        except Unanswered as error:
            found[name] = (f"unknown: {error}",)
    return msgspec.structs.replace(ended, failed=found)


def _failed(jobs: Iterable[JobRecord]) -> list[str]:
    newest = {job.name: job for job in sorted(jobs, key=lambda job: (job.run_attempt, job.id))}
    return [
        f"{job.name} ({job.conclusion or job.status}{f' on {job.runner_name}' if job.runner_name else ''})"
        for job in newest.values()
        if job.conclusion not in ENDED_WELL
    ]


def change_text(change: Change) -> str:
    """`14:02:11 sweep 03: completed, failure (run 991, attempt 2): started again`."""
    run = f" (run {change.run}, attempt {change.attempt})" if change.run else ""
    conclusion = f", {change.conclusion}" if change.conclusion else ""
    note = f": {change.note}" if change.note else ""
    return harmless(f"{change.at:%H:%M:%S} {change.name}: {change.state}{conclusion}{run}{note}".replace("\n", " "))


def ended_text(ended: Ended) -> str:
    """The verdict, and what stands behind it."""
    counts: dict[str, int] = {}
    for state in ended.states.values():
        counts[state] = counts.get(state, 0) + 1
    lines = [
        f"{ended.verdict}: {', '.join(f'{count} {state}' for state, count in sorted(counts.items())) or 'no runs'}"
    ]
    for name, state in ended.states.items():
        jobs = ended.failed.get(name, ())
        if state != "success":
            lines.append(f"  {name}: {state}" + (f"; {len(jobs)} jobs: {listed(jobs)}" if jobs else ""))
    return harmless("\n".join(lines))


def jobs_text(jobs: Iterable[JobRecord], now: datetime) -> str:
    """A line for each job, by attempt; `waited` for a runner, `ran` on it, both until now for what has not ended."""
    lines = [f"{'attempt':>7}  {'state':<12}{'waited':>9}{'ran':>10}  {'runner':<24}  job"]
    for job in sorted(jobs, key=lambda job: (job.run_attempt, job.id)):
        began = job.started_at if job.runner_name else None
        waited = _span(job.created_at, began or job.completed_at or now)
        ran = _span(began, job.completed_at or now)
        runner = job.runner_name or "-"
        state = job.conclusion or job.status
        lines.append(
            f"{job.run_attempt:>7}  {state:<12}{waited:>9}{ran:>10}  {runner:<24}  {job.name}{_late(job, now)}"
        )
    return harmless("\n".join(lines))


def _late(job: JobRecord, now: datetime) -> str:
    if job.status == "completed" or job.runner_name or job.created_at is None:
        return ""
    left_h = QUEUE_HOURS - (now - job.created_at).total_seconds() / 3600
    return f"  (GitHub waits for a runner {left_h:.1f} h more)" if left_h > 0 else f"  (queued for {QUEUE_HOURS} h)"


def _span(start: datetime | None, end: datetime) -> str:
    """`h:mm:ss`."""
    if start is None:
        return "-"
    seconds = max(0, int((end - start).total_seconds()))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
