"""The commands of the front door that workflows are made of. Thin calls; each imports what it needs when it runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from matrix.limits import SELF_HOSTED_JOB_HOURS
from matrix.options import FLEET, PLAN, Finite

if TYPE_CHECKING:
    from matrix.github import GitHub

API = "https://api.github.com"
HOURS = Finite(0, SELF_HOSTED_JOB_HOURS, min_open=True)


@click.command("render")
@FLEET
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), default=None, help="Default: this checkout.")
@click.option("--check", "check_only", is_flag=True, help="Write nothing; fail if a file is not as it would be.")
def render_command(fleet: Path | None, root: Path | None, *, check_only: bool) -> None:
    """Write the GitHub workflows of the fleet: every job in one shard, and each where it was before."""
    from matrix import workflow_commands

    click.echo(workflow_commands.render_workflows(fleet, root, check_only=check_only))


@click.command("select")
@FLEET
@PLAN
@click.option("--jobs", default=None, help="A sweep's job ids, with spaces between them; others are not selected.")
@click.option("--only", default=None, help="Recipes, jobs or points, with spaces between them.")
@click.option("--not-after", default=None, help="ISO time after which no point is begun.")
@click.option("--hours", type=HOURS, default=None, help="The same, as hours from now.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The part of the plan.")
def select_command(
    fleet: Path | None,
    plan_path: Path,
    jobs: str | None,
    only: str | None,
    not_after: str | None,
    hours: float | None,
    out: Path,
) -> None:
    """Cut a plan to what one workflow run starts; print the matrix of its jobs for GitHub."""
    from matrix import workflow_commands as commands

    click.echo(commands.select(fleet, plan_path, jobs, only, commands.closing_time(not_after, hours), out))


@click.command("second-wave")
@FLEET
@PLAN
@click.option("--artifacts", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--not-after", required=True, help="ISO time after which no point is begun.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The plan of the wave.")
def second_wave_command(fleet: Path | None, plan_path: Path, artifacts: Path, not_after: str, out: Path) -> None:
    """Choose what the infrastructure failed for one more try; print the matrix of its jobs for GitHub."""
    from aggregate import commands
    from matrix.workflow_commands import instant, labels_of

    click.echo(commands.second_wave(plan_path, artifacts, instant(not_after), out, labels_of(fleet)))


@click.group("github")
@click.option("--api", envvar="GITHUB_API_URL", default=API, show_default=True, help="REST API ($GITHUB_API_URL).")
@click.option("--repository", envvar="GITHUB_REPOSITORY", required=True, help="owner/name ($GITHUB_REPOSITORY).")
@click.option("--token", envvar="GITHUB_TOKEN", required=True, help="Its token ($GITHUB_TOKEN).")
@click.pass_context
def github_group(context: click.Context, api: str, repository: str, token: str) -> None:
    """What the workflows ask of GitHub: start sweeps, fetch plans, collect results, read a pull request's recipes."""
    from matrix.github import GitHub

    context.obj = GitHub(api=api, repository=repository, token=token)


@github_group.command("dispatch")
@click.option("--plan", "plan_path", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--run", "run_id", type=click.IntRange(1), required=True, help="The run that holds the plan.")
@click.option("--hours", type=HOURS, required=True, help="How long points may be begun.")
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), default=None, help="Default: this checkout.")
@click.pass_obj
def dispatch_command(github: GitHub, plan_path: Path, run_id: int, hours: float, root: Path | None) -> None:
    """Start every sweep that lists a job of the plan."""
    from matrix import workflow_commands as commands

    click.echo(commands.dispatch_sweeps(github, plan_path, run_id, commands.closing_time(None, hours), root))


@github_group.command("fetch-plan")
@click.option("--run", "run_id", type=click.IntRange(1), required=True, help="The run that holds the plan.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.pass_obj
def fetch_plan_command(github: GitHub, run_id: int, out: Path) -> None:
    """Fetch the plan of a nightly run on main; a run of anything else is refused."""
    from aggregate import collect
    from matrix.planfile import write_plan

    write_plan(collect.fetch_plan(github, run_id), out)


@github_group.command("collect")
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), required=True, help="The dataset.")
@click.option("--days", type=click.IntRange(1, 30), default=3, show_default=True, help="How far back to look.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.pass_obj
def collect_command(github: GitHub, home: Path, days: int, out: Path) -> None:
    """Fetch what finished sweeps measured: one folder for each night that has something to publish."""
    from aggregate import collect

    for line in collect.collect(github, home, datetime.now(UTC) - timedelta(days=days), out):
        click.echo(line)


@github_group.command("admit")
@click.option("--pull", type=click.IntRange(1), required=True, help="The pull request.")
@click.option("--sha", required=True, help="The commit that was approved, 40 digits.")
@click.option("--host", required=True, help="The host that will run them.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="A new fleet folder.")
@click.pass_obj
def admit_command(github: GitHub, pull: int, sha: str, host: str, out: Path) -> None:
    """Read a pull request's recipes at an exact commit, as data, over a copy of this checkout's fleet."""
    from matrix.admit import admit

    click.echo(admit(github, pull, sha, host, out))


COMMANDS = (render_command, select_command, second_wave_command, github_group)
