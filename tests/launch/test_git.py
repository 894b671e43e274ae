"""With a real git, in repositories made here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from launch.git import files_at
from matrix.errors import FleetError


def git(repository: Path, *args: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "init.defaultBranch=main")
    done = subprocess.run(("git", *identity, "-C", str(repository), *args), check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A repository with one commit; its `data/` has since been changed."""
    git(tmp_path, "init")
    folder = tmp_path / "data" / "recipes"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text("a: 1\n")
    (tmp_path / "other.txt").write_text("not data\n")
    (folder / "link.yaml").symlink_to("/etc/passwd")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    (folder / "a.yaml").write_text("a: 2\n")
    return tmp_path / "data"


def test_a_folder_is_read_as_it_was_and_nothing_stays_behind(data: Path) -> None:
    with files_at("main", data) as (copy, sha):
        assert {path.relative_to(copy).as_posix(): path.read_text() for path in copy.rglob("*.yaml")} == {
            "recipes/a.yaml": "a: 1\n"
        }
        assert sha == git(data, "rev-parse", "HEAD")
    assert not copy.exists()
    assert (data / "recipes" / "a.yaml").read_text() == "a: 2\n"


@pytest.mark.parametrize("revision", ["nosuch", "--all", "-h", "", "main; rm -rf /"])
def test_a_revision_that_is_none_says_how_else_to_compare(data: Path, revision: str) -> None:
    with pytest.raises(FleetError, match="--against DIR"), files_at(revision, data):
        pytest.fail("there is no such revision")


def test_a_folder_that_was_not_there_then_is_an_error(data: Path) -> None:
    new = data.parent / "new"
    new.mkdir()
    with pytest.raises(FleetError, match="--against DIR"), files_at("main", new):
        pytest.fail("there was no such folder")


def test_outside_a_repository_git_says_so(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="not a git repository"), files_at("main", tmp_path):
        pytest.fail("there is no repository")
