"""`inferfleet github watch` and `jobs`: what people ask about runs. Thin calls, as in `workflow_cli`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from matrix.options import Finite

if TYPE_CHECKING:
    from matrix.github import GitHub

HOURS = 14.0
"""As long as a sweep's longest job may take."""


@click.command("watch")
@click.option("--night", type=click.IntRange(1), default=None, help="A nightly run: it, and every sweep it starts.")
@click.option("--run", "runs", type=click.IntRange(1), multiple=True, help="A run by its id; may be given again.")
@click.option("--hours", type=Finite(0), default=HOURS, show_default=True, help="Stop watching after this.")
@click.option("--cancel-after", default=None, help="ISO time; what has not ended by then is cancelled, not by force.")
@click.option("--every", type=Finite(min=5), default=30.0, show_default=True, help="Seconds between looks.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; the last is the end.")
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), default=None, help="Default: this checkout.")
@click.pass_obj
def watch_command(
    github: GitHub,
    night: int | None,
    runs: tuple[int, ...],
    hours: float,
    cancel_after: str | None,
    every: float,
    root: Path | None,
    *,
    as_json: bool,
) -> None:
    """Follow runs to their end, a line for each change. Exit: 0 all succeeded, 4 some did not, 5 time is up."""
    from dataclasses import replace

    import msgspec

    from aggregate.collect import fetch_plan
    from matrix import watch_commands as commands
    from matrix.watch import EXIT_CODES, Asked, Change, watch
    from matrix.workflow_commands import instant, shards_of

    if (night is None) == (not runs):
        raise click.UsageError("say either --night or --run")
    asked = Asked(
        until=datetime.now(UTC) + timedelta(hours=hours),
        runs=runs,
        cancel_after=instant(cancel_after) if cancel_after else None,
        every_s=every,
    )
    asking = replace(github, kept={})

    def tell(change: Change) -> None:
        click.echo(msgspec.json.encode(change).decode() if as_json else commands.change_text(change))

    if night is None:
        ended = watch(asking, asked, tell)
    else:
        ended = commands.watch_night(asking, night, lambda: fetch_plan(asking, night), shards_of(root), asked, tell)
    ended = commands.with_failures(asking, ended)
    click.echo(msgspec.json.encode(ended).decode() if as_json else commands.ended_text(ended))
    sys.exit(EXIT_CODES[ended.verdict])


@click.command("jobs")
@click.argument("run_id", metavar="RUN", type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def jobs_command(github: GitHub, run_id: int, *, as_json: bool) -> None:
    """List the jobs of every attempt of a run: how each ended, on which runner, how long it waited and ran."""
    import msgspec

    from matrix.watch_commands import jobs_text

    jobs = github.jobs(run_id)
    if as_json:
        for job in jobs:
            click.echo(msgspec.json.encode(job).decode())
    else:
        click.echo(jobs_text(jobs, datetime.now(UTC)))


COMMANDS = (watch_command, jobs_command)
