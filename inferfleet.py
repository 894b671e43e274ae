"""The front door: one lazy command group; every command is a thin call into a package."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aggregate.workflow_cli import COMMANDS as WORKFLOW_COMMANDS
from benchmarks.reference.cli import prompts_group
from matrix.errors import FleetError, harmless
from matrix.front import COMMANDS, recipe_group
from matrix.options import FLEET, PLAN, Finite, selection
from runners.runner_cli import COMMANDS as RUNNER_COMMANDS

if TYPE_CHECKING:
    from matrix.select import Selector


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """A nightly LLM-inference benchmark fleet that fits its budget and loses no point silently."""


for command in (*COMMANDS, *WORKFLOW_COMMANDS, *RUNNER_COMMANDS, prompts_group):
    cli.add_command(command)


@cli.command("show")
@FLEET
@click.option("--command", "replayable", is_flag=True, help="Print the command that starts its server, to be pasted.")
@click.argument("name")
def show_command(fleet: Path | None, name: str, *, replayable: bool) -> None:
    """Show one recipe, point or job in full, with the server arguments it renders to."""
    from matrix import commands

    if not replayable:
        click.echo(commands.show(fleet, name))
        return
    from launch.replay import replay
    from runners.hostfacts import server_threads

    for job, server in commands.servers(fleet, name):
        click.echo(f"# {job}\n{replay(server, os.environ, server_threads())}")


@recipe_group.command("diff")
@FLEET
@click.argument("revision", default="main")
@click.option(
    "--against",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=None,
    help="A folder of fleet data to compare with, instead of a revision.",
)
def recipe_diff_command(fleet: Path | None, revision: str, against: Path | None) -> None:
    """Say what the data changes against a git revision: points, server starts, GPU-hours, histories that end."""
    from launch.git import files_at
    from matrix import commands
    from matrix.fleet import DATA

    with nullcontext((against, None)) if against else files_at(revision, fleet or DATA) as (before, sha):
        click.echo(f"against {before}" if sha is None else f"against {revision} ({sha[:12]})")
        for line in commands.diff_recipes(before, fleet):
            click.echo(line)


@recipe_group.command("report")
@FLEET
@click.argument("revision")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The record, as JSON.")
def recipe_report_command(fleet: Path | None, revision: str, out: Path) -> None:
    """Write down what the data changes against a git revision, or why it does not check, for the comment of CI."""
    from launch.git import files_at
    from matrix import commands
    from matrix.fleet import DATA

    with files_at(revision, fleet or DATA) as (before, _):
        click.echo(commands.report_change(before, fleet, out))


@cli.command("run")
@PLAN
@click.option("--job", "job_id", default=None, help="The one job to run; --out is then its artifact.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the artifact; without --job, of one folder for each.",
)
@click.option("--attempt", type=click.IntRange(1, 9999), default=1, show_default=True)
@click.option("--not-after", default=None, help="ISO time after which no point is begun.")
@click.option(
    "--unpinned/--pinned", default=False, help="Run images without a digest and models without a revision, too."
)
@click.option(
    "--prompts",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=None,
    help="Folder of sets of reference prompts. Default: those that ship.",
)
@selection
def run_command(
    plan_path: Path,
    job_id: str | None,
    out: Path,
    attempt: int,
    not_after: str | None,
    selector: Selector,
    prompts: Path | None,
    *,
    unpinned: bool,
) -> None:
    """Run one job here, or every job that holds a selected point: start its server, measure its points, clean up."""
    from benchmarks.reference.sets import SHIPPED
    from runners import commands

    sets = prompts or SHIPPED
    if job_id is None:
        sys.exit(commands.run_all(plan_path, out, selector, attempt, not_after, unpinned=unpinned, prompts=sets))
    if selector.conditions:
        raise click.UsageError(f"--job names one job; leave out {selector}")
    sys.exit(commands.run(plan_path, job_id, out, attempt, not_after, unpinned=unpinned, prompts=sets))


@cli.command("merge")
@PLAN
@click.option("--artifacts", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--shard", default="all", show_default=True, help="What the rows say of where they come from.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
def merge_command(plan_path: Path, artifacts: Path, shard: str, out: Path) -> None:
    """Merge a run's artifacts into one row per planned point, with coverage."""
    from aggregate import commands

    click.echo(commands.merge(plan_path, artifacts, out, shard))


@cli.command("publish")
@PLAN
@click.option("--merged", type=click.Path(path_type=Path, file_okay=False), required=True, help="What `merge` wrote.")
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), required=True, help="The dataset's folder.")
def publish_command(plan_path: Path, merged: Path, home: Path) -> None:
    """Append a merged run to the dataset exactly once, then write the snapshot and its manifest."""
    from aggregate import commands

    click.echo(commands.publish(plan_path, merged, home))


@cli.command("verify")
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), required=True, help="The dataset's folder.")
def verify_command(home: Path) -> None:
    """Re-hash every file that the manifest names, and the chain of manifests before it."""
    from aggregate import commands

    click.echo(commands.verify(home))


@cli.command("sharing")
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), required=True, help="The dataset's folder.")
def sharing_command(home: Path) -> None:
    """Say what sharing a server changes: points measured shared and alone in one night, recipe by recipe."""
    from aggregate import commands

    click.echo(commands.show_sharing(home))


@cli.command("site")
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), required=True, help="The dataset's folder.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=None, help="Default: HOME/site.")
@selection
def site_command(home: Path, out: Path | None, selector: Selector) -> None:
    """Build the results page from the dataset, or from the selected part of it."""
    from aggregate import commands

    click.echo(commands.build_site(home, selector, out))


@cli.command("bench")
@click.argument("url")
@click.option("--model", default=None, help="Default: the first the server lists.")
@click.option("--concurrency", type=click.IntRange(1), default=None, help="Requests (sessions) at once. Default: 8.")
@click.option("--rate", type=Finite(0, min_open=True), default=None, help="So many a second instead.")
@click.option(
    "--arrival", type=click.Choice(["poisson", "gamma", "constant", "recorded"]), default="poisson", show_default=True
)
@click.option("--burstiness", type=Finite(0, min_open=True), default=1.0, help="Gamma shape; below 1: bursts.")
@click.option("--max-in-flight", type=click.IntRange(1), default=256, show_default=True, help="With --rate.")
@click.option("--isl", type=click.IntRange(1), default=512, show_default=True, help="Prompt tokens.")
@click.option("--osl", type=click.IntRange(1), default=128, show_default=True, help="Output tokens.")
@click.option("--ratio", type=Finite(0, 1, min_open=True), default=1.0, help="Shortest / longest. Default: 1.")
@click.option(
    "--trace", type=click.Path(path_type=Path, dir_okay=False), help="Replay recorded sessions (benchmarks/TRACES.md)."
)
@click.option("--longest-gap-s", type=Finite(0, min_open=True), default=None, help="Cuts a trace's waits.")
@click.option(
    "--conversation", default=None, metavar="KEYS", help="Made-up sessions: turns=6,isl=400,added=100,osl=80,gap_s=2."
)
@click.option("--seconds", type=Finite(0, min_open=True), default=60.0, show_default=True, help="At most.")
@click.option("--requests", type=click.IntRange(1), default=None, help="So many, and no more.")
@click.option(
    "--warmup", type=click.IntRange(0), default=1, show_default=True, help="Requests per stream, not counted."
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=None,
    help="A set of reference prompts to take natural text from, instead of random tokens.",
)
@click.option(
    "--shared-prefix-share", type=Finite(0, 1, max_open=True), default=0.0, help="Of each prompt. Default: 0."
)
@click.option("--prefix-groups", type=click.IntRange(1, 1024), default=1, help="That share a prefix each. Default: 1.")
@click.option("--token-ids", default=None, metavar="LOW:HIGH", help="Ordinary token ids to draw prompts from.")
@click.option("--text", is_flag=True, help="Text prompts, of about the asked length if there is no /tokenize.")
@click.option("--chat", is_flag=True, help="/v1/chat/completions instead of /v1/completions.")
@click.option("--keep-alive/--no-keep-alive", default=True, help="Keep connections if the server does. Default: yes.")
@click.option("--api-key-env", default=None, help="Name of the environment variable that holds the key.")
@click.option("--seed", default=None, help="Of prompts and arrival times. Default: a new one, so that no cache helps.")
@click.option("--search", type=click.Choice(["ramp", "refine", "slo"]), help="Many loads: to the break, or a frontier.")
@click.option("--up-to", type=Finite(0), default=None, help="Last load of --search [256].")
@click.option("--measurements", type=click.IntRange(1), default=24, show_default=True, help="Of a --search, at most.")
@click.option("--minutes", type=Finite(0), default=60.0, show_default=True, help="Likewise.")
@click.option("--slo-ttft-s", type=Finite(0), default=None, help="Limits for goodput: time to first token,")
@click.option("--slo-tpot-s", type=Finite(0), default=None, help="time per output token,")
@click.option("--slo-e2e-s", type=Finite(0), default=None, help="and end to end.")
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write the whole report.")
@click.option("--vllm-json", type=click.Path(path_type=Path, dir_okay=False), help="As `vllm bench serve` writes it.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Write a picture (SVG).")
def bench_command(**said: object) -> None:
    """Measure any OpenAI-compatible server: one load and one table, or a search. Ctrl-C keeps what was measured."""
    from benchmarks.bench import command

    sys.exit(command.bench(said))


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


@cli.command("selftest")
@click.option("--concurrency", type=click.IntRange(1, 16_384), default=64, show_default=True)
@click.option("--itl-ms", type=Finite(0.1), default=20.0, show_default=True, help="Between two tokens.")
@click.option("--ttft-ms", type=Finite(0), default=50.0, show_default=True, help="To the first token.")
@click.option("--isl", type=click.IntRange(1), default=128, show_default=True, help="Input tokens.")
@click.option("--osl", type=click.IntRange(2), default=100, show_default=True, help="Output tokens.")
@click.option("--seconds", type=Finite(0.1), default=10.0, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=None, help="Client processes. Default: as in a night.")
def selftest_command(**planned: float) -> None:
    """Say what this host's client would add to a planned load's numbers, against a server that knows the truth.

    Exits 1 unless the client is fit for that load here.
    """
    from benchmarks import selftest

    found = selftest.self_test(selftest.Planned(**planned))  # type: ignore[arg-type]
    click.echo(selftest.report(found))
    sys.exit(0 if found.verdict is selftest.Verdict.FIT else 1)


def main() -> None:
    """Exit codes: 0 ok, 1 the user can fix it, 2 usage, 3 a bug here, 4 not all ok, 5 out of time, 130 interrupted."""
    try:
        cli(standalone_mode=False)
    except FleetError as error:
        click.echo(f"error: {harmless(str(error))}", err=True)
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
