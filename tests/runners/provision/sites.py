"""Machines of the fleet's own data, for tests."""

from __future__ import annotations

from pathlib import Path

from matrix.fleet import Fleet, load_fleet
from runners.provision.setup import Places, Setup, Site, require_host
from tests.runners.provision.github import ORGANIZATION, REPOSITORY

FLEET: Fleet = load_fleet()


def site(host: str, places: Places | None = None) -> Site:
    facts = require_host(FLEET, host)
    return Site(host=host, facts=facts, gpu=FLEET.gpus[facts.gpu], places=places or Places())


def setup(
    host: str = "b200-cw",
    machine: str = "b200-cw_00",
    *,
    organization: str | None = ORGANIZATION,
    group: str = "gpus",
    repository: str = REPOSITORY,
    api: str = "https://api.github.com",
    even_open: bool = False,
    places: Places | None = None,
) -> Setup:
    return Setup(
        site=site(host, places),
        machine=machine,
        repository=repository,
        organization=organization,
        group=group,
        api=api,
        even_open=even_open,
    )


def beneath(folder: Path) -> Setup:
    return setup(places=Places.beneath(folder))
