"""The front door: one lazy command group; every command is a thin call into a package."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import click

from matrix.errors import FleetError
from matrix.options import night_options, selection

if TYPE_CHECKING:
    from matrix.options import NightOptions
    from matrix.select import Selector

FLEET = click.option(
    "--fleet",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Folder of fleet data. Default: matrix/data.",
)
PLAN = click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The plan.json of this run.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """A nightly LLM-inference benchmark fleet that fits its budget and loses no point silently."""


@cli.command("check")
@FLEET
def check_command(fleet: Path | None) -> None:
    """Check the fleet's data: every problem with its file, line and remedy."""
    from matrix import commands

    click.echo(commands.check_fleet(fleet))


@cli.command("list")
@FLEET
@click.option("--jobs", is_flag=True, help="List server starts instead of points.")
@click.option("--explain", metavar="NAME", default=None, help="Say why this point or recipe is there, or is not.")
@selection
def list_command(fleet: Path | None, explain: str | None, selector: Selector, *, jobs: bool) -> None:
    """List every point of the matrix, one id per line (what cannot be measured says why)."""
    from matrix import commands

    if explain is not None:
        click.echo(commands.explain_point(fleet, explain, selector))
        return
    for line in commands.list_jobs(fleet, selector) if jobs else commands.list_points(fleet, selector):
        click.echo(line)


@cli.command("show")
@FLEET
@click.argument("name")
def show_command(fleet: Path | None, name: str) -> None:
    """Show one recipe, point or job in full, with the server arguments it renders to."""
    from matrix import commands

    click.echo(commands.show(fleet, name))


@cli.group("import")
def import_group() -> None:
    """Turn another project's matrix into recipes of ours; what cannot be said is listed and counted."""


@import_group.command("inferencex")
@click.argument("masters", type=click.Path(path_type=Path, dir_okay=False), nargs=-1, required=True)
@click.option(
    "--runners",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Their runners.yaml.",
)
@click.option(
    "--flags",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="JSON of their server flags.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="A fleet folder. What it has is used and kept; what it lacks is written.",
)
@click.option("--all-places", is_flag=True, help="Name every place of a finding, not the first three.")
def import_inferencex_command(
    masters: tuple[Path, ...], runners: Path, flags: Path | None, out: Path, *, all_places: bool
) -> None:
    """Import InferenceX's master files as recipes. Images and models stay unpinned; unknown flags stay unknown."""
    from matrix import commands

    click.echo(commands.import_inferencex(masters, runners, flags, out, all_places=all_places))


@cli.command("plan")
@FLEET
@click.option("--host", default=None, help="One host, and all it can run. Default without --night: this-machine.")
@click.option("--night", default=None, help="ISO date. Without --host: plan the whole fleet's night.")
@night_options
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("plan.json"), show_default=True)
@click.option("--explain", metavar="NAME", default=None, help="Write nothing; say why this point or recipe is in.")
@selection
def plan_command(
    fleet: Path | None,
    host: str | None,
    night: str | None,
    out: Path,
    explain: str | None,
    selector: Selector,
    options: NightOptions,
) -> None:
    """Write the plan of a run: which servers start, which points each measures, what is left out and why."""
    from matrix import commands, nightcommands

    if night is not None and host is None:
        asked = nightcommands.asked_for(options, selector)
        if explain is not None:
            click.echo(nightcommands.explain_night(fleet, night, options.seed, asked, explain))
        else:
            click.echo(nightcommands.make_night(fleet, night, options.seed, asked, out))
    elif explain is not None:
        click.echo(commands.explain_plan(fleet, host or "this-machine", explain, selector))
    else:
        click.echo(
            commands.make_plan(fleet, host or "this-machine", commands.tonight(night, options.seed), selector, out)
        )


@cli.command("simulate")
@FLEET
@click.option("--nights", type=click.IntRange(1, 365), default=14, show_default=True, help="How many in a row.")
@night_options
@click.option("--perfect", is_flag=True, help="Nothing fails. Default: the field's published failure rates.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
def simulate_command(fleet: Path | None, nights: int, options: NightOptions, *, perfect: bool, as_json: bool) -> None:
    """Play the plan against a model of the fleet for many nights, beside one server start per point."""
    from matrix import nightcommands

    click.echo(nightcommands.simulate(fleet, nights, options, perfect=perfect, as_json=as_json))


@cli.command("run")
@PLAN
@click.option("--job", "job_id", default=None, help="The one job to run; --out is then its artifact.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the artifact; without --job, of one folder for each.",
)
@click.option("--attempt", type=click.IntRange(1), default=1, show_default=True)
@click.option("--not-after", default=None, help="ISO time after which no point is begun.")
@selection
def run_command(
    plan_path: Path, job_id: str | None, out: Path, attempt: int, not_after: str | None, selector: Selector
) -> None:
    """Run one job here, or every job that holds a selected point: start its server, measure its points, clean up."""
    from runners import commands

    if job_id is None:
        sys.exit(commands.run_all(plan_path, out, selector, attempt, not_after))
    if selector.conditions:
        raise click.UsageError(f"--job names one job; leave out {selector}")
    sys.exit(commands.run(plan_path, job_id, out, attempt, not_after))


@cli.command("merge")
@PLAN
@click.option("--artifacts", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
def merge_command(plan_path: Path, artifacts: Path, out: Path) -> None:
    """Merge a run's artifacts into one row per planned point, with coverage."""
    from aggregate import commands

    click.echo(commands.merge(plan_path, artifacts, out))


@cli.command("publish")
@PLAN
@click.option("--merged", type=click.Path(path_type=Path, file_okay=False), required=True, help="What `merge` wrote.")
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), required=True, help="The dataset's folder.")
def publish_command(plan_path: Path, merged: Path, home: Path) -> None:
    """Append a merged run to the dataset exactly once, then write the snapshot and the page."""
    from aggregate import commands

    click.echo(commands.publish(plan_path, merged, home))


@cli.command("verify")
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), required=True, help="The dataset's folder.")
def verify_command(home: Path) -> None:
    """Re-hash every published file against the manifest."""
    from aggregate import commands

    click.echo(commands.verify(home))


@cli.command("site")
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), required=True, help="The dataset's folder.")
def site_command(home: Path) -> None:
    """Build the results page from the dataset."""
    from aggregate import commands

    click.echo(commands.build_site(home))


@cli.command("demo")
@FLEET
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"), show_default=True)
def demo_command(fleet: Path | None, home: Path) -> None:
    """Measure a real model on this machine and draw its frontier: the whole path of a night, in minutes."""
    from aggregate import commands as aggregate
    from matrix import commands as matrix
    from runners import commands as runners

    run, planned = matrix.plan_into(fleet, "this-machine", home / "runs")
    click.echo(planned)
    code = runners.run_all(run / "plan.json", run / "artifacts")
    if code == runners.INTERRUPTED:
        click.echo(f"nothing was published; what was measured is in {run}")
        sys.exit(code)
    click.echo(aggregate.merge(run / "plan.json", run / "artifacts", run / "merged"))
    click.echo(aggregate.publish(run / "plan.json", run / "merged", home))
    click.echo(aggregate.show_frontiers(home))
    click.echo(aggregate.build_site(home))
    sys.exit(code)


def main() -> None:
    """Exit codes: 0 ok, 1 the user can fix it, 2 usage, 3 a bug here, 130 interrupted."""
    try:
        cli(standalone_mode=False)
    except FleetError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # `inferfleet list | head`: whoever reads has had enough
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        click.echo(f"error: {error.filename or 'the system'}: {error.strerror or error}", err=True)
        sys.exit(1)
    except Exception:  # noqa: BLE001 - scripts are protected: a bug has an exit code of its own
        traceback.print_exc()
        click.echo("this is a bug in inferfleet: please report it with the lines above", err=True)
        sys.exit(3)


if __name__ == "__main__":
    main()
