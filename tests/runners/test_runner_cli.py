"""`inferfleet runner` as typed: exit codes and words, in a rehearsed machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inferfleet import cli
from matrix.errors import FleetError
from runners.provision import marks
from runners.provision.setup import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places.beneath(tmp_path)
    for folder in (found.requests, found.job):
        folder.mkdir(parents=True)
    return found


def typed(places: Places, *words: str) -> Result:
    return CliRunner().invoke(cli, ["runner", *words, "--under", str(places.under)])


def test_status_says_whether_jobs_are_taken_by_its_exit_code(places: Places) -> None:
    assert typed(places, "status").output == "agent: has never run here\n"
    assert typed(places, "status").exit_code == 0
    typed(places, "drain", "--why", "new driver")
    assert typed(places, "status").exit_code == 1
    assert "new driver" in typed(places, "status").output
    assert "takes jobs again" in typed(places, "undrain").output
    assert typed(places, "undrain").output == "was not drained\n"
    assert typed(places, "status").exit_code == 0


def test_a_drain_needs_a_reason(places: Places) -> None:
    assert typed(places, "drain").exit_code == 2


def test_an_unfit_machine_leaves_word_for_its_agent(places: Places) -> None:
    words = ("preflight", "this-machine", "--clean", "--refuse-into", str(places.requests))
    assert typed(places, *words, "--disk-gib", "1").output == "this-machine is fit for a job\n"
    assert marks.refused(places.requests) is None
    refused = typed(places, *words, "--disk-gib", str(1 << 20))
    assert isinstance(refused.exception, FleetError)
    assert "GiB are needed" in (marks.refused(places.requests) or "")


def test_a_host_the_fleet_does_not_know_is_named_with_its_nearest(places: Places) -> None:
    assert "did you mean 'this-machine'" in str(typed(places, "preflight", "this-machin").exception)


def test_the_help_of_the_group_names_every_command() -> None:
    said = CliRunner().invoke(cli, ["runner", "--help"]).output
    names = ["show", "install", "group", "register", "serve", "preflight", "drain", "undrain", "status", "prefetch"]
    assert [name for name in names if f"  {name} " not in said] == []
