"""Announcing a runner to GitHub: only with its host's own labels, and only where strangers cannot reach it."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from matrix.errors import FleetError, listed
from matrix.github_runners import ONLY_GROUP
from matrix.render import SWEEP, WORKFLOWS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matrix.fleet import Fleet
    from matrix.github_runners import Group, Registration, Runners
    from runners.provision.setup import Setup

MAY_USE_GPUS = ("run-one.yml", "approve-sweep.yml")
"""Besides the sweeps: the workflows of ours that run jobs on our machines."""


def register(runners: Runners, setup: Setup, labels: Sequence[str]) -> Registration:
    """Announce this machine for one job."""
    if not setup.even_open:
        require_closed(runners, setup)
    group = ONLY_GROUP if setup.organization is None else _group(runners, setup.group).id
    return runners.register(runner_name(setup.machine), group, labels)


def runner_name(machine: str, when: datetime | None = None) -> str:
    """New each time, for GitHub refuses a name it still knows: the machine, the hour, and 4 random digits."""
    return f"{machine}-{when or datetime.now(UTC):%y%m%d%H%M}-{secrets.token_hex(2)}"


def checked_labels(fleet: Fleet, setup: Setup, asked: Sequence[str]) -> tuple[str, ...]:
    """The labels to announce: by default the host's own. Any other would let jobs land on hardware they do not name."""
    if wrong := [label for label in asked if label not in setup.site.labels]:
        owner = next((name for name, host in fleet.hosts.items() if host.label == wrong[0]), None)
        whose = f"is host {owner}'s" if owner else "is no label of the fleet"
        raise FleetError(f"label {wrong[0]!r} {whose}; {setup.site.host} has {listed(setup.site.labels)}")
    if asked and setup.site.facts.label not in asked:
        raise FleetError(f"without {setup.site.facts.label!r} no job of the fleet would come to {setup.site.host}")
    return tuple(dict.fromkeys(("self-hosted", *asked))) if asked else setup.site.labels


def require_closed(runners: Runners, setup: Setup) -> None:
    """Refuse where code of a stranger's could run here (SECURITY: restricted group, named workflows on main)."""
    if setup.organization is None:
        if not runners.private():
            raise FleetError(
                f"{setup.repository} is public and its runners are in no group: whoever opens a pull request could ask "
                "for this machine. Use --org with a restricted group, or --even-open after requiring approval for all "
                "outside collaborators"
            )
        return
    if why := loose(_group(runners, setup.group), setup.repository):
        raise FleetError(f"runner group {setup.group}: {why}. `inferfleet runner group` makes one that is right")


def loose(group: Group, repository: str) -> str | None:
    """What a group lets in that it should not; None when only workflows of ours on main may use it."""
    if not group.restricted_to_workflows:
        return "any workflow may use it"
    prefix = f"{repository}/{WORKFLOWS}/".lower()
    wrong = [
        name
        for name in group.selected_workflows
        if not (name.lower().startswith(prefix) and name.endswith("@refs/heads/main"))
    ]
    if wrong:
        return f"{wrong[0]} may use it, which is no workflow on main of {repository}"
    if group.visibility != "selected":
        return f"its repositories are {group.visibility!r}, not selected ones"
    return None


def workflows_for_gpus(root: Path, repository: str) -> tuple[str, ...]:
    """The workflows on main that may use our machines, as GitHub names them."""
    present = sorted(path.name for path in (root / WORKFLOWS).glob("*.yml"))
    files = [name for name in present if name in MAY_USE_GPUS or SWEEP.fullmatch(name)]
    return tuple(f"{repository}/{WORKFLOWS}/{name}@refs/heads/main" for name in files)


def write_secret(path: Path, secret: str) -> None:
    """A new file that only this user may read, whole from the moment it is there."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _group(runners: Runners, name: str) -> Group:
    found = runners.group(name)
    if found is None:
        raise FleetError(f"{runners.organization} has no runner group {name!r}. `inferfleet runner group` makes it")
    return found
