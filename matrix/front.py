"""The commands of the front door that need the matrix alone. Thin calls; each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from matrix.options import FLEET, Token, night_options, selection

if TYPE_CHECKING:
    from matrix.importers.recordings import Whose
    from matrix.options import NightOptions
    from matrix.select import Selector


@click.command("check")
@FLEET
@click.option("--official", is_flag=True, help="Refuse also what is not pinned: images, models, recordings.")
def check_command(fleet: Path | None, *, official: bool) -> None:
    """Check the fleet's data: every problem with its file, line and remedy."""
    from matrix import commands

    click.echo(commands.check_fleet(fleet, official=official))


@click.command("list")
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


@click.command("plan")
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


@click.command("simulate")
@FLEET
@click.option("--nights", type=click.IntRange(1, 365), default=14, show_default=True, help="How many in a row.")
@night_options
@click.option("--perfect", is_flag=True, help="Nothing fails. Default: the field's published failure rates.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
def simulate_command(fleet: Path | None, nights: int, options: NightOptions, *, perfect: bool, as_json: bool) -> None:
    """Play the plan against a model of the fleet for many nights, beside one server start per point."""
    from matrix import nightcommands

    click.echo(nightcommands.simulate(fleet, nights, options, perfect=perfect, as_json=as_json))


@click.command("pin")
@FLEET
@click.option("--images", is_flag=True, help="Only images.")
@click.option("--models", is_flag=True, help="Only model revisions.")
@click.option("--again", is_flag=True, help="Ask also about what is pinned: has the name moved?")
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would change.")
@click.option("--registry", "registries", multiple=True, metavar="HOST[=ISSUER]", help="Allow this registry too.")
@click.option("--hub", default="https://huggingface.co", show_default=True, help="The model hub.")
@click.option(
    "--hub-token", type=Token(), envvar="HF_TOKEN", show_envvar=True, default=None, help="For models that need a login."
)
@selection
def pin_command(
    fleet: Path | None,
    selector: Selector,
    registries: tuple[str, ...],
    hub: str,
    hub_token: str | None,
    *,
    images: bool,
    models: bool,
    again: bool,
    dry_run: bool,
) -> None:
    """Write into the recipes which image digest each tag means now, and into the models which commit."""
    from matrix.fleet import DATA, load_fleet
    from matrix.pin.commands import PinOptions, pin

    options = PinOptions(
        images=images or not models,
        models=models or not images,
        again=again,
        write=not dry_run,
        registries=registries,
        hub=hub,
        hub_token=hub_token,
    )
    for line in pin(load_fleet(fleet or DATA), selector, options):
        click.echo(line)


@click.group("import")
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


@import_group.command("trace")
@click.argument("recordings", type=click.Path(path_type=Path, dir_okay=False), nargs=-1, required=True)
@click.option("--from", "whose", type=click.Choice(["mooncake", "bailian", "weka"]), required=True, help="Its format.")
@click.option("--name", default=None, help="Of the trace. Default: the first file's.")
@click.option("--source", required=True, help="Whose recording it is and where it is from: it stays in the file.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The trace to write.")
def import_trace_command(recordings: tuple[Path, ...], whose: Whose, name: str | None, source: str, out: Path) -> None:
    """Turn somebody's recorded requests into a trace of sessions; what does not come over is counted."""
    from matrix import commands

    for line in commands.import_trace(recordings, whose, name or recordings[0].stem, source, out):
        click.echo(line)


@click.group("recipe")
def recipe_group() -> None:
    """Begin a recipe from its nearest sibling, and see what a change to recipes changes."""


@recipe_group.command("new")
@FLEET
@click.argument("name")
@click.option("--from", "sibling", required=True, metavar="RECIPE", help="The nearest recipe there is.")
@click.option("--model", default=None, help="Another model than the sibling's.")
@click.option("--gpu", default=None, help="Another GPU than the sibling's.")
@click.option("--precision", default=None, help="Another precision than the sibling's.")
def recipe_new_command(fleet: Path | None, name: str, sibling: str, **facts: str | None) -> None:
    """Write recipe NAME as a copy of its nearest sibling in which a few lines differ, and say what to edit."""
    from matrix import commands

    stated = {key: value for key, value in facts.items() if value is not None}
    for line in commands.start_recipe(fleet, name, sibling, stated):
        click.echo(line)


@click.command("schema")
@FLEET
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path(".schema"), show_default=True)
def schema_command(fleet: Path | None, out: Path) -> None:
    """Write JSON Schemas of the data files: an editor then completes flags and marks mistakes as you type."""
    from matrix import commands

    for line in commands.write_schemas(fleet, out):
        click.echo(line)


COMMANDS = (
    check_command,
    list_command,
    plan_command,
    simulate_command,
    pin_command,
    recipe_group,
    schema_command,
    import_group,
)
