"""The README tells the truth: its commands exist, every command is in it, and its files are there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import yaml

from inferfleet import cli

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
HOSTS = (ROOT / "runners" / "HOSTS.md").read_text()


def _commands() -> dict[str, click.Command]:
    """Every command by what is typed; those of a group with its name before theirs."""
    found: dict[str, click.Command] = {}
    for name, command in cli.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {"": command}
        found |= {f"{name} {sub}".strip(): one for sub, one in inner.items()}
    return found


COMMANDS = _commands()


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_is_in_the_readme(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert f"`inferfleet {name}" in README
    assert all(
        option.help or option.show_default or len(option.opts[0]) > 2
        for option in command.params
        if isinstance(option, click.Option)
    )


@pytest.mark.parametrize("text", [README, CONTRIBUTING, HOSTS], ids=["README", "CONTRIBUTING", "HOSTS"])
def test_every_command_the_docs_name_exists(text: str) -> None:
    code = "".join(re.findall(r"`[^`]+`|```.*?```", text, re.DOTALL))
    for name, sub in re.findall(r"\binferfleet ([a-z-]+)(?: ([a-z-]+))?", code):
        assert name in COMMANDS or f"{name} {sub}" in COMMANDS


def test_the_page_for_hosts_is_short_and_its_commands_take_what_they_are_given() -> None:
    assert len(HOSTS.splitlines()) <= 120
    lines = re.findall(r"^[$#] .*\.ci/inferfleet runner ([a-z]+)(.*)", HOSTS, re.MULTILINE)
    assert len(lines) >= 7
    for name, rest in lines:
        known = {opt for option in COMMANDS[f"runner {name}"].params for opt in option.opts}
        assert set(re.findall(r"--[a-z-]+", rest.partition(" # ")[0].partition("    #")[0])) <= known


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_every_make_target_the_docs_name_exists(text: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z]+)\b", text)) - {"sure"} <= targets


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_every_relative_link_leads_to_a_file(text: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert links or text is CONTRIBUTING
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readmes_recipe_is_a_valid_recipe(tmp_path: Path) -> None:
    import shutil

    from matrix.check import check
    from matrix.fleet import DATA, load_fleet

    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert list(yaml.safe_load(block)) == ["my-model-cpu-llamacpp"]
    shutil.copytree(DATA, tmp_path / "data")
    (tmp_path / "data" / "recipes" / "mine.yaml").write_text(block)
    assert check(load_fleet(tmp_path / "data")) == []


def test_every_word_of_how_a_point_can_end_is_documented() -> None:
    from matrix.words import Missing, Outcome, Quarantine, Reason

    text = (ROOT / "matrix" / "README.md").read_text()
    words = [*Outcome, *Reason, *Missing, *Quarantine]
    assert [word for word in words if f"`{word}`" not in text] == []


def test_the_walk_throughs_are_short_and_tell_the_truth_too(tmp_path: Path) -> None:
    import shutil

    from matrix.check import check
    from matrix.fleet import DATA, load_fleet

    text = (ROOT / "MAINTAINING.md").read_text()
    assert len(text.splitlines()) <= 150
    test_every_command_the_docs_name_exists(text)
    test_every_make_target_the_docs_name_exists(text)
    test_every_relative_link_leads_to_a_file(text)
    (host,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    shutil.copytree(DATA, tmp_path / "data")
    (tmp_path / "data" / "hosts" / "mine.yaml").write_text(host)
    fleet = load_fleet(tmp_path / "data")
    assert check(fleet) == []
    assert fleet.hosts["my-h200"].by_hand
