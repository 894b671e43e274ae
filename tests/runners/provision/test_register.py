from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from inferfleet import cli
from matrix.errors import FleetError
from matrix.github_runners import RUNNER_NAME, Group, Runners
from matrix.gitinfo import ROOT
from runners.provision.register import (
    checked_labels,
    loose,
    register,
    require_closed,
    runner_name,
    workflows_for_gpus,
    write_secret,
)  # fmt: skip
from tests.runners.provision.github import ORGANIZATION, REPOSITORY, TOKEN, RunnerApi, serving
from tests.runners.provision.sites import FLEET, setup

OURS = f"{REPOSITORY}/.github/workflows/sweep-00.yml@refs/heads/main"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[RunnerApi]:
    with serving(RunnerApi(tmp_path)) as found:
        yield found


def runners(api: RunnerApi, organization: str | None = ORGANIZATION) -> Runners:
    return Runners(api=api.url, repository=REPOSITORY, organization=organization, token=TOKEN)


def group(**other: object) -> dict[str, object]:
    right = {"id": 7, "name": "gpus", "visibility": "selected", "restricted_to_workflows": True}
    return {**right, "selected_workflows": [OURS], **other}


def test_a_runner_is_announced_in_its_group_with_its_hosts_label(api: RunnerApi) -> None:
    api.groups = [{"id": 1, "name": "Default", "visibility": "all"}, group()]
    found = register(runners(api), setup(), checked_labels(FLEET, setup(), ()))
    assert api.registered == [
        {"name": found.name, "runner_group_id": 7, "labels": ["self-hosted", "b200-cw"], "work_folder": "_work"}
    ]
    assert found.encoded not in repr(found)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"restricted_to_workflows": False}, "any workflow may use it"),
        ({"visibility": "all"}, "repositories are 'all'"),
        ({"selected_workflows": [OURS, OURS.replace("main", "feature")]}, "no workflow on main"),
        ({"selected_workflows": ["evil/fleet/.github/workflows/x.yml@refs/heads/main"]}, "no workflow on main"),
    ],
    ids=["open", "visible", "branch", "foreign"],
)
def test_a_group_that_lets_in_others_is_refused(api: RunnerApi, wrong: dict[str, object], why: str) -> None:
    api.groups = [group(**wrong)]
    with pytest.raises(FleetError, match=why):
        register(runners(api), setup(), ())
    assert api.registered == []
    register(runners(api), setup(even_open=True), ())
    assert len(api.registered) == 1


def test_a_group_that_is_not_there_is_an_error_that_says_how_to_make_it(api: RunnerApi) -> None:
    with pytest.raises(FleetError, match=r"no runner group 'gpus'\. `inferfleet runner group` makes it"):
        register(runners(api), setup(), ())


def test_a_public_repository_without_a_group_is_refused(api: RunnerApi) -> None:
    alone = setup(organization=None)
    require_closed(runners(api, None), alone)
    api.private = False
    with pytest.raises(FleetError, match="whoever opens a pull request"):
        register(runners(api, None), alone, ())
    register(runners(api, None), setup(organization=None, even_open=True), ())
    assert api.registered[0]["runner_group_id"] == 1


def test_only_the_hosts_own_labels_can_be_announced() -> None:
    assert checked_labels(FLEET, setup(), ()) == ("self-hosted", "b200-cw")
    assert checked_labels(FLEET, setup(), ("b200-cw",)) == ("self-hosted", "b200-cw")
    with pytest.raises(FleetError, match="label 'b200-nb' is host b200-nb's"):
        checked_labels(FLEET, setup(), ("b200-nb",))
    with pytest.raises(FleetError, match="is no label of the fleet"):
        checked_labels(FLEET, setup(), ("gpu",))
    with pytest.raises(FleetError, match="no job of the fleet would come"):
        checked_labels(FLEET, setup(), ("self-hosted",))


def test_a_name_is_new_each_time_and_one_that_github_takes() -> None:
    names = {runner_name("m" * 48) for _ in range(50)}
    assert len(names) > 45
    assert all(RUNNER_NAME.fullmatch(name) for name in names)


def test_the_group_that_is_made_lets_in_our_workflows_on_main_and_nothing_else(api: RunnerApi) -> None:
    words = ["runner", "group", "--repo", REPOSITORY, "--org", ORGANIZATION]
    words += ["--group", "gpus", "--api", api.url]
    env = {"GITHUB_TOKEN": TOKEN}
    refused = CliRunner().invoke(cli, words, env=env)
    assert "--create makes it" in str(refused.exception)
    made = CliRunner().invoke(cli, [*words, "--create"], env=env, catch_exceptions=False)
    assert re.search(r"group gpus \(1\): \d+ workflows on main may use it", made.output)
    again = CliRunner().invoke(cli, words, env=env, catch_exceptions=False)
    assert again.output == made.output
    (there,) = api.groups
    assert there["selected_workflows"] == list(workflows_for_gpus(ROOT, REPOSITORY))
    assert there["selected_repository_ids"] == [77]
    assert OURS in workflows_for_gpus(ROOT, REPOSITORY)
    assert loose(Group(id=1, name="gpus", visibility="selected"), REPOSITORY) == "any workflow may use it"


def test_every_workflow_that_asks_for_our_machines_is_in_the_group() -> None:
    asking = {path.name for path in (ROOT / ".github/workflows").glob("*.yml") if "self-hosted" in path.read_text()}
    named = {name.partition("@")[0].rpartition("/")[2] for name in workflows_for_gpus(ROOT, REPOSITORY)}
    assert named == asking


def test_a_configuration_is_for_one_user_alone(api: RunnerApi, tmp_path: Path) -> None:
    out = tmp_path / "jit"
    out.write_text("old")
    out.chmod(0o644)
    words = ["runner", "register", "this-machine", "--repo", REPOSITORY, "--api", api.url, "--out", str(out)]
    done = CliRunner().invoke(cli, words, env={"GITHUB_TOKEN": TOKEN}, catch_exceptions=False)
    assert out.stat().st_mode & 0o777 == 0o600
    assert "may take one job" in done.output
    assert out.read_text() not in done.output
    assert len(out.read_text()) > 20


def test_a_token_is_never_an_argument(api: RunnerApi, tmp_path: Path) -> None:
    words = ["runner", "register", "this-machine", "--repo", REPOSITORY, "--api", api.url, "--out", str(tmp_path / "x")]
    without = CliRunner().invoke(cli, words, env={"GITHUB_TOKEN": "", "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "no token: set GITHUB_TOKEN" in str(without.exception)
    assert CliRunner().invoke(cli, [*words, "--token", "x"]).exit_code == 2
    (tmp_path / "github-token").write_text(f"{TOKEN}\n")
    service = CliRunner().invoke(cli, words, env={"GITHUB_TOKEN": "", "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert service.exit_code == 0


def test_a_link_in_the_place_of_a_secret_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").symlink_to(tmp_path / "elsewhere")
    write_secret(tmp_path / "secret", "x")
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "secret").is_symlink()
