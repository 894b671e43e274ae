"""The files of a machine, held against the tools that will read them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from inferfleet import cli
from runners.provision.files import Whose, files, stamped, whose
from runners.provision.install import changes, write
from runners.provision.setup import AGENT, JOBS
from tests.runners.provision.machine import units
from tests.runners.provision.sites import beneath, setup

UNITS = "etc/systemd/system"


def installed(folder: Path) -> Path:
    """A rehearsed machine's files, written; `folder`."""
    write(changes(files(beneath(folder)), Path("/")))
    return folder


def said(*argv: str | Path) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_systemd_finds_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    """It returns 0 for a line it ignores, too: any word is a finding."""
    for unit in sorted((installed(tmp_path) / UNITS).iterdir()):
        assert said("systemd-analyze", "verify", "--man=no", unit) == ""


def test_the_users_and_folders_are_made_by_systemds_own_tools(tmp_path: Path) -> None:
    """In a root of its own; only root may give folders away."""
    write(changes(files(setup()), tmp_path))
    said("systemd-sysusers", f"--root={tmp_path}")
    users = dict(line.split(":", 1) for line in (tmp_path / "etc/passwd").read_text().splitlines())
    assert set(users) == {"inferfleet-agent", "inferfleet-job", "inferfleet-weights"}
    assert all(rest.endswith("/usr/sbin/nologin") for rest in users.values())
    if os.geteuid() == 0:
        assert said("systemd-tmpfiles", f"--root={tmp_path}", "--create", "inferfleet.conf") == ""
        ids = {name: int(rest.split(":")[1]) for name, rest in users.items()}
        state, job = (tmp_path / "var/lib/inferfleet").stat(), (tmp_path / "var/lib/inferfleet-job").stat()
        assert (state.st_uid, state.st_mode & 0o777) == (ids[AGENT], 0o755)
        assert (job.st_uid, job.st_mode & 0o777) == (ids[JOBS], 0o700)


def test_the_scripts_have_no_mistakes_shellcheck_knows(tmp_path: Path) -> None:
    scripts = sorted((installed(tmp_path) / "usr/local/libexec/inferfleet").iterdir())
    assert [path.name for path in scripts] == ["job-completed.sh", "job-started.sh", "job.sh"]
    assert all(os.access(path, os.X_OK) for path in scripts)
    said("shellcheck", *scripts)


def test_the_token_and_the_jobs_belong_to_different_users(tmp_path: Path) -> None:
    folder = installed(tmp_path) / UNITS
    agent, job = units(folder / "inferfleet-runner.service"), units(folder / "inferfleet-job.service")
    assert agent["User"] != job["User"]
    assert "github-token" in agent["LoadCredential"][0]
    assert [one.partition(":")[0] for one in job["LoadCredential"]] == ["jitconfig"]
    assert job["NoNewPrivileges"] == agent["NoNewPrivileges"] == ["yes"]
    assert job["CapabilityBoundingSet"] == []
    assert job["IPAddressDeny"] == ["169.254.169.254 fd00:ec2::254"]
    assert not any("root" in one or "docker" in one for one in [*job["Group"], *job["SupplementaryGroups"]])


def test_nothing_that_is_installed_is_a_secret_or_asks_for_one_by_argument() -> None:
    text = "".join(file.text for file in files(setup()))
    assert "--token" not in text
    assert "--jitconfig" not in text


def test_what_is_ours_is_known_by_its_stamp() -> None:
    script = stamped("#!/bin/sh\ntrue\n")
    assert script.startswith("#!/bin/sh\n# Written by")
    assert whose(script) is whose(stamped("[Unit]\n")) is Whose.OURS
    assert whose(script + "rm -rf /\n") is Whose.CHANGED
    assert whose("[Unit]\n") is Whose.FOREIGN


def test_show_prints_every_file_and_the_steps_around_them() -> None:
    words = ("runner", "show", "b200-cw", "--machine", "b200-cw_00", "--repo", "example/fleet", "--org", "example")
    shown = CliRunner().invoke(cli, words, catch_exceptions=False).output
    for file in files(setup(group="inferfleet")):
        assert f"# ==> {file.path} (" in shown
        assert file.text in shown
    assert "systemctl enable --now" in shown


@pytest.mark.parametrize("template", ["inferfleet-job.service", "job.env"])
def test_a_job_finds_its_environment_and_its_weights(template: str, tmp_path: Path) -> None:
    (file,) = (file for file in files(beneath(tmp_path)) if file.path.name == template)
    if template == "job.env":
        assert "INFERFLEET_VENV=/" in file.text
        assert f"HF_HUB_CACHE={tmp_path}/var/lib/inferfleet-weights/hub" in file.text
    else:
        assert f"EnvironmentFile={tmp_path}/etc/inferfleet/job.env" in file.text
