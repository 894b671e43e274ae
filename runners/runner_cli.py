"""`inferfleet runner`: what a self-hosted machine needs. Thin calls; each imports what it needs when it runs."""

from __future__ import annotations

import sys
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from matrix.options import FLEET

if TYPE_CHECKING:
    from collections.abc import Callable

    from matrix.github_runners import Runners
    from runners.provision.setup import Places, Setup, Site

    Shown = TypeVar("Shown")

API = "https://api.github.com"
HUB = "https://huggingface.co"


@click.group("runner")
def runner_group() -> None:
    """Set up a GPU host of your own: its service, its checks, its weights; take it out of service and back."""


def for_whom(command: Callable[..., Shown]) -> Callable[..., Shown]:
    """Add the options that say whom a machine serves; a command gets them as one `setup`."""

    @wraps(command)
    def with_setup(
        fleet: Path | None,
        host: str,
        under: Path | None,
        disk_gib: int,
        machine: str | None,
        repository: str,
        organization: str | None,
        group: str,
        api: str,
        *,
        even_open: bool,
        **others: object,
    ) -> Shown:
        from runners.provision.setup import Setup, checked, only_machine

        site = _site(fleet, host, under, disk_gib)
        setup = Setup(
            site=site,
            machine=machine or only_machine(site),
            repository=repository,
            organization=organization,
            group=group,
            api=api.rstrip("/"),
            even_open=even_open,
        )
        return command(setup=checked(setup), **others)

    decorated: Callable[..., Shown] = with_setup
    for option in reversed(_WHOM):
        decorated = option(decorated)
    return decorated


UNDER = click.option(
    "--under",
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    default=None,
    help="Rehearse: all that would lie in /etc, /var, /opt and /run lies under this folder.",
)
DISK = click.option("--disk-gib", type=click.IntRange(1), default=20, show_default=True, help="Free disk a job needs.")
REPOSITORY = click.option(
    "--repo", "repository", required=True, metavar="OWNER/NAME", help="The repository of the fleet."
)
GROUP = click.option("--group", default="inferfleet", show_default=True, help="The organization's runner group.")
API_ADDRESS = click.option("--api", default=API, show_default=True, help="GitHub's REST API, or your own server's.")
_WHOM = (
    FLEET,
    UNDER,
    DISK,
    click.argument("host"),
    click.option("--machine", default=None, help="This machine's name, where the host entry has several."),
    REPOSITORY,
    click.option("--org", "organization", default=None, help="Its organization. Without: runners of the repository."),
    GROUP,
    API_ADDRESS,
    click.option("--even-open", is_flag=True, help="Also where strangers, or any workflow, could use it."),
)


def _runners(setup: Setup) -> Runners:
    from matrix.github_runners import Runners
    from runners.provision import commands

    return Runners(
        api=setup.api, repository=setup.repository, organization=setup.organization, token=commands.required_token()
    )


def _site(fleet: Path | None, host: str, under: Path | None, disk_gib: int) -> Site:
    from matrix.fleet import DATA, load_fleet
    from runners.provision.setup import Site, require_host

    known = load_fleet(fleet or DATA)
    facts = require_host(known, host)
    data = None if fleet is None else fleet.resolve()
    gpu = known.gpus[facts.gpu]
    return Site(host=host, facts=facts, gpu=gpu, places=_places(under), disk_gib=disk_gib, fleet=data)


def _places(under: Path | None) -> Places:
    from runners.provision.setup import Places

    return Places() if under is None else Places.beneath(under)


@runner_group.command("show")
@for_whom
def show_command(setup: Setup) -> None:
    """Print every file that `install` would write for HOST, and the steps around it."""
    from runners.provision import commands

    for text in commands.show(setup):
        click.echo(text)


@runner_group.command("install")
@for_whom
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), default=Path("/"), show_default=True)
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would change.")
def install_command(setup: Setup, root: Path, *, dry_run: bool) -> None:
    """Write the service, hooks and declarations of HOST, with a diff; never over a file it did not write."""
    from runners.provision import commands

    for text in commands.install(setup, root, dry_run=dry_run):
        click.echo(text)


@runner_group.command("group")
@REPOSITORY
@click.option("--org", "organization", required=True, help="Its organization: only these have groups.")
@GROUP
@API_ADDRESS
@click.option("--create", is_flag=True, help="Make the group where there is none.")
@click.option("--public", is_flag=True, help="With --create: the repository is public.")
def group_command(repository: str, organization: str, group: str, api: str, *, create: bool, public: bool) -> None:
    """Check that the runner group lets in only our workflows on main, with a token of yours in GITHUB_TOKEN."""
    from matrix.github_runners import Runners
    from runners.provision import commands

    token = commands.required_token()
    runners = Runners(api=api, repository=repository, organization=organization, token=token)
    click.echo(commands.group(runners, group, create=create, public=public))


@runner_group.command("register")
@for_whom
@click.option("--labels", multiple=True, help="Default: the host's. Another host's are refused.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Only you can read it.")
def register_command(setup: Setup, labels: tuple[str, ...], out: Path) -> None:
    """Announce one runner for one job (the service does this by itself); its configuration goes into a file."""
    from matrix.fleet import DATA, load_fleet
    from runners.provision import commands

    fleet = load_fleet(setup.site.fleet or DATA)
    click.echo(commands.register_once(_runners(setup), fleet, setup, labels, out))


@runner_group.command("serve")
@for_whom
def serve_command(setup: Setup) -> None:
    """Be the machine's agent (the service runs this): fit? announce a runner, wait for its one job, again."""
    from runners.provision import commands

    commands.serve(setup, _runners(setup))


@runner_group.command("preflight")
@FLEET
@UNDER
@DISK
@click.argument("host")
@click.option("--clean", is_flag=True, help="Remove processes that a job of this user left behind.")
@click.option("--refuse-into", type=click.Path(path_type=Path, file_okay=False), default=None, hidden=True)
def preflight_command(
    fleet: Path | None, under: Path | None, disk_gib: int, host: str, refuse_into: Path | None, *, clean: bool
) -> None:
    """Say whether this machine is fit for a job: disk, GPUs, environment. The hooks around a job run this."""
    from runners.provision import commands

    click.echo(commands.preflight(_site(fleet, host, under, disk_gib), refuse_into, clean=clean))


@runner_group.command("drain")
@UNDER
@click.option("--why", required=True, help="For whoever wonders later.")
def drain_command(under: Path | None, why: str) -> None:
    """Let this machine end its job and take no other; a runner that waits is taken back."""
    from runners.provision import commands

    click.echo(commands.drain(_places(under), why))


@runner_group.command("undrain")
@UNDER
def undrain_command(under: Path | None) -> None:
    """Let this machine take jobs again."""
    from runners.provision import commands

    click.echo(commands.undrain(_places(under)))


@runner_group.command("status")
@UNDER
def status_command(under: Path | None) -> None:
    """Say what this machine does; exit 1 if it takes no jobs."""
    from runners.provision import commands

    text, takes_jobs = commands.status(_places(under))
    click.echo(text)
    sys.exit(0 if takes_jobs else 1)


@runner_group.command("prefetch")
@FLEET
@click.argument("host")
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), default=None, help="Default: the hub's cache.")
@click.option("--list", "only_list", is_flag=True, help="Fetch nothing; list them.")
@click.option("--hub", default=HUB, show_default=True, help="The model hub.")
def prefetch_command(fleet: Path | None, host: str, to: Path | None, hub: str, *, only_list: bool) -> None:
    """Fetch the pinned weights of every recipe on HOST's GPU, checked by their sums (HF_TOKEN where one is needed)."""
    import os

    from launch.weights import hub_cache_folder
    from matrix.fleet import DATA, load_fleet
    from runners.provision import commands
    from runners.provision.download import Source

    gpu = _site(fleet, host, None, 1).facts.gpu
    source = Source(hub=hub, token=commands.token_from(dict(os.environ), "HF_TOKEN", "hf-token"))
    cache = to or hub_cache_folder(os.environ)
    for line in commands.fetch(load_fleet(fleet or DATA), gpu, cache, source, only_list=only_list):
        click.echo(line)


COMMANDS = (runner_group,)
