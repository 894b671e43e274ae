"""One machine of the fleet as it is to be set up: which host entry it serves, for whom, and where things lie on it."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from matrix.errors import FleetError, listed, nearest
from matrix.github import REPOSITORY
from matrix.github_runners import ORGANIZATION
from matrix.gitinfo import ROOT
from matrix.pin.reference import loopback

if TYPE_CHECKING:
    from matrix.facts import Gpu, Host
    from matrix.fleet import Fleet

AGENT, JOBS, WEIGHTS = "inferfleet-agent", "inferfleet-job", "inferfleet-weights"
"""The users: who registers (and has the token), who runs jobs (and has nothing), who may write weights."""

MACHINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}", re.ASCII)
"""A machine's name; each registration adds 17 characters to it, and GitHub allows 64."""

DISK_GIB = 20
"""Free space a job needs: its checkout, logs and records, an engine's compiled kernels. Weights are not in it."""

GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:-]+(/[A-Za-z0-9._-]+)*", re.ASCII)
_PATH = re.compile(r"(/[A-Za-z0-9._-]+)+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things lie on the machine. `checkout` and `venv` are what runs, and belong to root."""

    checkout: Path = ROOT
    venv: Path = field(default_factory=lambda: Path(sys.prefix))
    units: Path = Path("/etc/systemd/system")
    etc: Path = Path("/etc")
    scripts: Path = Path("/usr/local/libexec/inferfleet")
    runner: Path = Path("/opt/actions-runner")
    state: Path = Path("/var/lib/inferfleet")
    hub: Path = Path("/var/lib/inferfleet-weights/hub")
    job: Path = Path("/var/lib/inferfleet-job")
    run: Path = Path("/run/inferfleet")
    under: Path | None = None

    @classmethod
    def beneath(cls, root: Path) -> Places:
        """A rehearsal: everything of the machine's, but for the checkout and its environment, lies under `root`."""
        names = ("units", "etc", "scripts", "runner", "state", "hub", "job", "run")
        real = cls()
        moved = {name: root / getattr(real, name).relative_to("/") for name in names}
        return cls(**moved, under=root)

    @property
    def token(self) -> Path:
        """Written by a person, never by us."""
        return self.etc / "inferfleet" / "github-token"

    @property
    def job_env(self) -> Path:
        return self.etc / "inferfleet" / "job.env"

    @property
    def requests(self) -> Path:
        """The one folder where a job may leave word for the agent."""
        return self.state / "requests"

    @property
    def configuration(self) -> Path:
        """What the agent hands to one runner. While it is there, that runner is wanted or at work."""
        return self.run / "jitconfig"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """This machine as one of a host entry's: `host` is its id under `matrix/data/hosts`.

    `disk_gib` must be free before a job is taken. `fleet` is where the data lies; null: in the checkout.
    """

    host: str
    facts: Host
    gpu: Gpu
    places: Places = Places()
    disk_gib: int = DISK_GIB
    fleet: Path | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """What the workflows ask for: `runs-on: [self-hosted, LABEL]`."""
        return ("self-hosted", self.facts.label)

    @property
    def gpus(self) -> int | None:
        """How many GPUs this machine must show; null where none are its own to look at, or nobody stated it."""
        elsewhere = self.facts.slots or self.facts.backend == "slurm"
        return None if elsewhere or self.gpu.device == "cpu" else self.facts.devices


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Whom a machine serves. `machine` is its own name among its equals.

    Without `organization` the runners belong to the repository alone, and `group` means nothing. `even_open` lets it
    serve where any workflow, or any stranger, could reach it.
    """

    site: Site
    machine: str
    repository: str
    organization: str | None
    group: str
    api: str
    even_open: bool = False


def require_host(fleet: Fleet, host: str) -> Host:
    """The host entry of that id."""
    if host not in fleet.hosts:
        raise FleetError(f"no host {host!r} in matrix/data/hosts: {nearest(host, fleet.hosts)}")
    return fleet.hosts[host]


def checked(setup: Setup) -> Setup:
    """The same, or a `FleetError`: its machine is one of the host's, and all of it can go into unit files."""
    facts = setup.site.facts
    if facts.runners and setup.machine not in facts.runners:
        raise FleetError(
            f"host {setup.site.host} has no machine {setup.machine!r}: {nearest(setup.machine, facts.runners)}"
        )
    _require_plain(setup)
    address = httpx.URL(setup.api)
    if address.scheme != "https" and not loopback(address.netloc.decode()):
        raise FleetError(f"API address {setup.api!r}: a token is sent there, so only https, or http on this machine")
    return setup


def only_machine(site: Site) -> str:
    """A host with names has one of them; another is called after itself and the machine we are on."""
    runners = site.facts.runners
    if len(runners) > 1:
        raise FleetError(f"host {site.host} is {len(runners)} machines; say which with --machine: {listed(runners)}")
    return runners[0] if runners else f"{site.host}-{platform.node().partition('.')[0]}"[:48]


def _require_plain(setup: Setup) -> None:
    """Unit files have a syntax of their own (`%`, quotes, spaces): what goes into them has none of it."""
    checks = (
        ("machine", setup.machine, MACHINE),
        ("repository", setup.repository, REPOSITORY),
        ("organization", setup.organization or "none", ORGANIZATION),
        ("group", setup.group, GROUP),
        ("API address", setup.api, _ADDRESS),
        ("checkout", str(setup.site.places.checkout), _PATH),
        ("environment", str(setup.site.places.venv), _PATH),
        ("folder", str(setup.site.places.etc), _PATH),
        ("fleet", str(setup.site.fleet or "/none"), _PATH),
    )
    for what, value, grammar in checks:
        if not grammar.fullmatch(value):
            raise FleetError(f"{what} {value!r} cannot go into a unit file: no spaces and no signs but '.', '_', '-'")
