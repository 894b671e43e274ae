"""`inferfleet pin` from YAML to YAML: a real registry, a stand-in for the hub, files as people write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from inferfleet import cli
from matrix.errors import FleetError
from matrix.fleet import load_fleet
from matrix.official import unpinned
from matrix.recipe import pinned
from tests.fleets import RECIPE, write_fleet
from tests.registry import push_image, registry
from tests.stand_in import Asked, Reply, stand_in

SHA = "4236a6af538feda4548eca9ab308586007567f52"
MODEL = """\
tiny:
  name: a model on a hub
  weights: {kind: hub, repo: team/tiny}  # gated for no good reason
  vocab_size: 256
  max_context: 4096
  unknown:
    weights.revision: "nobody said"
    prompt_token_ids: nobody counted
    dimensions: nobody measured
  source: a test
"""


def recipes(host: str) -> str:
    """Two recipes of one image, and one of another that is not there."""
    first = RECIPE.replace("  layouts:", f"  image: {host}/engine:v1  # the vendor's\n  layouts:")
    second = first.replace("tiny-cpu:", "tiny-cpu-2:")
    third = first.replace("tiny-cpu:", "tiny-cpu-3:").replace("engine:v1", "engine:gone")
    return f"# three recipes\n{first}{second}{third}"


def hub(asked: Asked) -> Reply:
    return (200, {}, json.dumps({"sha": SHA}).encode()) if "/team/tiny/" in asked.path else (404, {}, b"")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    with registry(tmp_path / "registry") as host:
        yield host


def run(*args: str | Path) -> tuple[str, str]:
    """What the command printed, and the error it ended with."""
    result = CliRunner().invoke(cli, [str(arg) for arg in args])
    assert result.exception is None or isinstance(result.exception, FleetError | SystemExit), result.exception
    return result.output, str(result.exception or "")


def test_tags_become_digests_and_every_other_byte_stays(tmp_path: Path, host: str) -> None:
    pushed = push_image(host, "engine", "v1")
    root = write_fleet(tmp_path / "fleet", recipe=recipes(host), model=MODEL)
    said, error = run("pin", "--fleet", root, "--images", "--registry", host)
    now = f"{host}/engine:v1@{pushed.digest}"
    assert (root / "recipes" / "test.yaml").read_text() == recipes(host).replace(f"{host}/engine:v1", now)
    assert said.count(f"-> {pushed.digest} (one platform)") == 2
    assert "test.yaml:7: image" in said
    assert f"not pinned: {host} has no engine:gone" in said
    assert "2 names pinned in 1 files" in said
    assert error == "1 names could not be pinned; each is said above"
    assert [pinned(recipe.image) for recipe in load_fleet(root).recipes.values()] == [True, True, False]


def test_a_selection_pins_only_its_recipes(tmp_path: Path, host: str) -> None:
    push_image(host, "engine", "v1")
    root = write_fleet(tmp_path / "fleet", recipe=recipes(host), model=MODEL)
    said, error = run("pin", "--fleet", root, "--images", "--registry", host, "--recipe", "tiny-cpu-2")
    assert (error, "1 names pinned in 1 files" in said) == ("", True)
    found = {name: pinned(recipe.image) for name, recipe in load_fleet(root).recipes.items()}
    assert found == {"tiny-cpu": False, "tiny-cpu-2": True, "tiny-cpu-3": False}


def test_a_tag_that_has_moved_is_found_and_pinned_again(tmp_path: Path, host: str) -> None:
    first = push_image(host, "engine", "v1")
    root = write_fleet(tmp_path / "fleet", recipe=recipes(host), model=MODEL)
    only = ("pin", "--fleet", root, "--images", "--registry", host, "--recipe", "tiny-cpu")
    run(*only)
    assert "0 names pinned" in run(*only)[0]
    assert f"still {first.digest}" in run(*only, "--again")[0]
    second = push_image(host, "engine", "v1", layer=b"changed")
    said, _ = run(*only, "--again", "--dry-run")
    assert f"{first.digest} -> {second.digest}" in said
    assert f"@{first.digest}" in (root / "recipes" / "test.yaml").read_text()
    run(*only, "--again")
    assert load_fleet(root).recipes["tiny-cpu"].image == f"{host}/engine:v1@{second.digest}"


def test_a_model_gets_its_revision_and_where_it_was_read(tmp_path: Path) -> None:
    root = write_fleet(tmp_path, model=MODEL)
    with stand_in(hub) as server:
        said, error = run("pin", "--fleet", root, "--models", "--hub", server.url)
        assert (error, f"model team/tiny -> {SHA}" in said) == ("", True)
        assert (root / "models" / "test.yaml").read_text() == MODEL.replace(
            "repo: team/tiny}", f"repo: team/tiny, revision: {SHA}}}"
        ).replace('    weights.revision: "nobody said"\n', "").replace(
            "  source:", f'  sources:\n    weights.revision: "{server.url}/team/tiny/tree/{SHA}"\n  source:'
        )
        assert f"still {SHA}" in run("pin", "--fleet", root, "--models", "--hub", server.url, "--again")[0]


def test_a_model_the_hub_does_not_know_leaves_its_file_alone(tmp_path: Path) -> None:
    model = MODEL.replace("team/tiny", "team/other")
    root = write_fleet(tmp_path, model=model)
    with stand_in(hub) as server:
        said, error = run("pin", "--fleet", root, "--models", "--hub", server.url)
    assert "not pinned: there is no team/other" in said
    assert error.startswith("1 names could not be pinned")
    assert (root / "models" / "test.yaml").read_text() == model


def test_what_was_pinned_passes_the_official_check(tmp_path: Path, host: str) -> None:
    push_image(host, "engine", "v1")
    root = write_fleet(tmp_path / "fleet", recipe=recipes(host).replace("engine:gone", "engine:v1"), model=MODEL)
    assert len(unpinned(load_fleet(root))) == 4
    with stand_in(hub) as server:
        run("pin", "--fleet", root, "--registry", host, "--hub", server.url)
    left = unpinned(load_fleet(root))
    assert all("unknown registry" in problem.message for problem in left)


def test_a_file_that_cannot_be_edited_cleanly_is_named_and_none_is_written(tmp_path: Path, host: str) -> None:
    push_image(host, "engine", "v1")
    plain = recipes(host).replace("  # the vendor's", "").replace("engine:gone", "engine:v1")
    folded = plain.replace(f"  image: {host}/", f"  image: >-\n    {host}/", 1)
    root = write_fleet(tmp_path / "fleet", recipe=folded, model=MODEL)
    _, error = run("pin", "--fleet", root, "--images", "--registry", host)
    assert "test.yaml: line 7 holds more than one value or line: edit it by hand; nothing was written" in error
    assert (root / "recipes" / "test.yaml").read_text() == folded
