"""A night's plan as tables for a terminal: one line per label, and where GPUs are missing."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matrix.plan import Job, LeftOut, Plan

WIDTH = 118


def night_text(plan: Plan) -> str:
    """What the night does, label by label, what it leaves out, and what it lacks."""
    parts = [_headline(plan), text_of([_by_label(plan.jobs)])] if plan.jobs else [_headline(plan)]
    return "\n".join([*parts, *_left_out(plan.left_out), *_short(plan)])


def text_of(tables: Iterable[Table], width: int = WIDTH) -> str:
    """Rich tables as plain text."""
    console = Console(width=width, record=False, force_terminal=False)
    with console.capture() as capture:
        for table in tables:
            console.print(table)
    return capture.get().rstrip()


def table_of(title: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    """An empty table: columns of words, then columns of figures."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in words:
        table.add_column(heading)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def clock(minutes: float) -> str:
    """`0:05`, `11:40`."""
    whole = round(minutes)
    return f"{whole // 60}:{whole % 60:02d}"


def _headline(plan: Plan) -> str:
    points = [point.point for job in plan.jobs for point in job.points]
    repeats = sum(point.repeat for point in points)
    what = f"{len(points) - repeats} points" + (f" and {repeats} repeats" if repeats else "")
    hours = sum(gpu_minutes(job) for job in plan.jobs) / 60
    ends = max(((job.begins_minutes or 0.0) + job.expected_minutes for job in plan.jobs), default=0.0)
    window = clock(plan.window_minutes or 0.0)
    return (
        f"run {plan.run_id}, night {plan.night}: {len(plan.jobs)} jobs, {what}, {hours:,.0f} GPU-hours\n"
        f"expected to end {clock(ends)} into a window of {window}; {plan.retry_points} points may be tried twice"
    )


def gpu_minutes(job: Job) -> float:
    """What a job holds for as long as it is expected to take."""
    return (job.gpus or job.server.devices) * job.expected_minutes


def _by_label(jobs: Iterable[Job]) -> Table:
    table = table_of("", ("label",), ("server starts", "points", "of them\nsentinels", "GPU-hours", "ends"))
    labels: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        labels[job.label].append(job)
    for label, members in sorted(labels.items()):
        points = [point for job in members for point in job.points if not point.point.repeat]
        table.add_row(
            label,
            str(sum(1 + sum(point.point.alone for point in job.points) for job in members)),
            str(len(points)),
            str(sum(point.why.startswith("sentinel") for point in points)),
            f"{sum(gpu_minutes(job) for job in members) / 60:,.0f}",
            clock(max((job.begins_minutes or 0.0) + job.expected_minutes for job in members)),
        )
    return table


def _left_out(left_out: Sequence[LeftOut]) -> list[str]:
    if not left_out:
        return []
    nights = Counter(left.night for left in left_out if left.night is not None)
    reasons = Counter(kind_of(left.why) for left in left_out if left.night is None)
    lines = [f"{len(left_out)} points are left out, each with its reason in the plan:"]
    lines += [f"  {count:5d} expected on {night}" for night, count in sorted(nights.items())]
    return lines + [f"  {count:5d} x {reason}" for reason, count in reasons.most_common()]


def kind_of(why: str) -> str:
    """A reason without its particulars, to be counted."""
    head = (
        why.split(":", maxsplit=1)[0]
        if why.startswith(("must not be launched", "not asked for", "not pinned"))
        else why
    )
    return "not within the horizon: its label is short" if "; not within" in head else head


def _short(plan: Plan) -> list[str]:
    return [
        f"short: {', '.join(short.labels)}: {short.short_machines} more machines ({short.short_gpus} GPUs) beside the "
        f"{short.machines} there are, to measure every point as often as promised"
        for short in plan.short
    ]
