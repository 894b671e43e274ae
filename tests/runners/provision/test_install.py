from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from inferfleet import cli
from matrix.errors import FleetError
from runners.provision.files import File, files, stamped
from runners.provision.install import changes, require_trusted, write
from runners.provision.setup import Places
from tests.runners.provision.sites import setup

WORDS = ("runner", "install", "b200-cw", "--machine", "b200-cw_00", "--repo", "example/fleet")


def install(root: Path, *words: str) -> str:
    return CliRunner().invoke(cli, [*WORDS, "--root", str(root), *words], catch_exceptions=False).output


def test_a_second_install_changes_nothing(tmp_path: Path) -> None:
    assert "12 files changed" in install(tmp_path)
    assert install(tmp_path) == "0 files changed\n"


def test_a_dry_run_says_everything_and_writes_nothing(tmp_path: Path) -> None:
    said = install(tmp_path, "--dry-run")
    assert "+ExecStart=" in said
    assert said.endswith("12 files would change\n")
    assert list(tmp_path.iterdir()) == []


def test_an_update_is_shown_as_a_diff(tmp_path: Path) -> None:
    install(tmp_path)
    said = install(tmp_path, "--org", "example", "--group", "gpus")
    assert "-ExecStart=" in said
    assert "--org example --group gpus" in said
    assert "1 files changed" in said


@pytest.mark.parametrize(
    ("text", "who"),
    [("[Unit]\nDescription=mine\n", "not ours"), (stamped("[Unit]\n") + "# mine\n", "changed by hand")],
    ids=["foreign", "changed"],
)
def test_a_file_of_somebody_elses_is_in_the_way_and_nothing_is_written(tmp_path: Path, text: str, who: str) -> None:
    path = tmp_path / "etc/systemd/system/inferfleet-job.service"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(FleetError, match=who):
        changes(files(setup()), tmp_path)
    assert path.read_text() == text
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "passwd"
    target.write_text("root")
    path = tmp_path / "etc/inferfleet/job.env"
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    with pytest.raises(FleetError, match=r"job\.env is not ours"):
        changes(files(setup()), tmp_path)
    assert target.read_text() == "root"


def test_a_mode_that_was_changed_is_put_right(tmp_path: Path) -> None:
    file = File(path=Path("/a.sh"), text=stamped("#!/bin/sh\n"), mode=0o755)
    write(changes([file], tmp_path))
    (tmp_path / "a.sh").chmod(0o777)
    (found,) = changes([file], tmp_path)
    assert list(found.lines()) == [f"{tmp_path}/a.sh: mode 0777 -> 0755"]
    write([found])
    assert changes([file], tmp_path) == ()


def test_services_of_roots_execute_nothing_that_others_can_change(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / ".ci").mkdir(parents=True)
    (checkout / "inferfleet.py").touch()
    checkout.chmod(0o777)
    with pytest.raises(FleetError, match="can be changed by others than root"):
        require_trusted(Places(checkout=checkout, venv=checkout))
