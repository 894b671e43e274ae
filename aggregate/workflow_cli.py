"""The commands of the front door that workflows are made of. Thin calls; each imports what it needs when it runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aggregate import watch_cli
from matrix.limits import SELF_HOSTED_JOB_HOURS
from matrix.options import FLEET, PLAN, Finite, Token

if TYPE_CHECKING:
    from matrix.github import GitHub

API = "https://api.github.com"
HOURS = Finite(0, SELF_HOSTED_JOB_HOURS, min_open=True)


@click.command("render")
@FLEET
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), default=None, help="Default: this checkout.")
@click.option("--check", "check_only", is_flag=True, help="Write nothing; fail if a file is not as it would be.")
@click.option("--adopt-pins", is_flag=True, help="Keep the actions' pins that the workflow files have now.")
def render_command(fleet: Path | None, root: Path | None, *, check_only: bool, adopt_pins: bool) -> None:
    """Write the GitHub workflows of the fleet: every job in one shard, and each where it was before."""
    from matrix import workflow_commands

    if check_only and adopt_pins:
        raise click.UsageError("--check writes nothing; leave out one of the two")
    click.echo(workflow_commands.render_workflows(fleet, root, check_only=check_only, adopt=adopt_pins))


@click.command("select")
@FLEET
@PLAN
@click.option("--jobs", default=None, help="A sweep's job ids, with spaces between them; others are not selected.")
@click.option("--only", default=None, help="Recipes, jobs or points, with spaces between them.")
@click.option("--not-after", default=None, help="ISO time after which no point is begun.")
@click.option("--hours", type=HOURS, default=None, help="The same, as hours from now.")
@click.option("--unpinned/--pinned", default=False, help="Start what has no digest or revision, too.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The part of the plan.")
def select_command(  # noqa: PLR0913 - one argument for each option
    fleet: Path | None,
    plan_path: Path,
    jobs: str | None,
    only: str | None,
    not_after: str | None,
    hours: float | None,
    out: Path,
    *,
    unpinned: bool,
) -> None:
    """Cut a plan to what one workflow run starts; print the matrix of its jobs for GitHub."""
    from matrix import workflow_commands as commands

    closing = commands.closing_time(not_after, hours)
    click.echo(commands.select(fleet, plan_path, jobs, only, closing, out, unpinned=unpinned))


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
@click.option("--token", type=Token(), envvar="GITHUB_TOKEN", required=True, help="Its token ($GITHUB_TOKEN).")
@click.pass_context
def github_group(context: click.Context, api: str, repository: str, token: str) -> None:
    """What the workflows ask of GitHub: start sweeps, fetch plans, collect results, read a pull request's recipes."""
    from matrix.github import GitHub

    context.obj = GitHub(api=api, repository=repository, token=token)


for command in watch_cli.COMMANDS:
    github_group.add_command(command)


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


@github_group.command("run-one")
@click.argument("name")
@click.option("--host", required=True, help="The host: a name under matrix/data/hosts.")
@click.option("--hours", type=HOURS, default=6.0, show_default=True, help="How long points may be begun.")
@click.option("--unpinned/--pinned", default=False, help="Also what has no digest or revision.")
@click.option("--server", envvar="GITHUB_SERVER_URL", default="https://github.com", help="For the link.")
@click.pass_obj
def run_one_command(github: GitHub, name: str, host: str, hours: float, server: str, *, unpinned: bool) -> None:
    """Start `run one` with a recipe, job or point on a host, if this checkout's data says that it can run there."""
    from matrix import run_one

    click.echo(run_one.run_one(github, name, host, hours, unpinned=unpinned))
    click.echo(f"{server}/{github.repository}/actions/workflows/{run_one.WORKFLOW}")


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


@github_group.command("comment")
@click.option("--pull", default="", help="Only this pull request, and even if nothing is new. Default: all.")
@click.option("--days", type=click.IntRange(1, 60), default=14, show_default=True, help="How far back to look.")
@click.option("--author", default=None, help="Whose comments are ours. Default: a workflow's token.")
@click.option("--server", envvar="GITHUB_SERVER_URL", default="https://github.com", help="For links.")
@click.pass_obj
def comment_command(github: GitHub, pull: str, days: int, author: str | None, server: str) -> None:
    """Tell open pull requests, in one comment of ours on each, what their checks and approved sweeps found."""
    from aggregate import pulls
    from matrix.fleet import load_fleet
    from matrix.places import hosts_by_gpu

    if pull and not (pull.isascii() and pull.isdigit()):
        raise click.BadParameter("give the number of a pull request", param_hint="--pull")
    asked = pulls.Asked(
        since=datetime.now(UTC) - timedelta(days=days),
        server=server,
        number=int(pull) if pull else None,
        author=author or pulls.AUTHOR,
        hosts=hosts_by_gpu(load_fleet()),
    )
    for line in pulls.comment(github, asked):
        click.echo(line)


COMMANDS = (render_command, select_command, second_wave_command, github_group)
