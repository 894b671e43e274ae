"""The scripts under .ci that workflows call, on their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from matrix.gitinfo import ROOT

REPOSITORY = "example/fleet"


class Home:
    """A repository behind GitHub's address, and what `.ci/data` sees of it."""

    def __init__(self, root: Path) -> None:
        self.root, self.remote = root, root / "remote.git"
        subprocess.run(("git", "init", "--quiet", "--bare", self.remote), check=True, timeout=30)
        config = f'[url "file://{self.remote}"]\n\tinsteadOf = https://github.com/{REPOSITORY}\n'
        (root / "gitconfig").write_text(config)

    def data(self, command: str, folder: str) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": str(self.root / "gitconfig"),
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_TOKEN": "the-secret-token",
        }
        script = (ROOT / ".ci" / "data", command, self.root / folder)
        return subprocess.run(script, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_a_dataset_goes_to_its_branch_and_comes_back(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.data("fetch", "first").returncode == 0
    (tmp_path / "first" / "manifest.json").write_text("{}")
    assert home.data("push", "first").returncode == 0
    assert home.data("fetch", "second").returncode == 0
    assert (tmp_path / "second" / "manifest.json").read_text() == "{}"
    assert home.data("push", "second").stdout == "nothing new to publish\n"


def test_the_token_is_in_no_file_that_is_left(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.data("fetch", "first")
    (tmp_path / "first" / "a").touch()
    assert home.data("push", "first").returncode == 0
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"the-secret-token" not in left
    assert b"AUTHORIZATION" not in left


def test_of_two_publishers_the_slower_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for name in ("first", "second"):
        assert home.data("fetch", name).returncode == 0
        (tmp_path / name / name).touch()
    assert home.data("push", "first").returncode == 0
    assert home.data("push", "second").returncode != 0
    assert home.data("fetch", "third").returncode == 0
    assert (tmp_path / "third" / "first").exists()


def test_a_remote_that_cannot_be_reached_is_not_an_empty_one(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (home.root / "gitconfig").write_text("")
    home.remote.rename(tmp_path / "gone")
    (home.root / "gitconfig").write_text(
        f'[url "file://{home.remote}"]\n\tinsteadOf = https://github.com/{REPOSITORY}\n'
    )
    assert home.data("fetch", "first").returncode != 0


def test_the_front_door_of_a_checkout_runs_on_the_environment_a_host_was_given(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "INFERFLEET_VENV": sys.prefix}
    asked = subprocess.run(
        (ROOT / ".ci" / "inferfleet", "--help"), env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert "second-wave" in asked.stdout
    installed = subprocess.run((ROOT / ".ci" / "install",), env=env, timeout=60, check=True, capture_output=True)
    assert installed.stdout == b""
