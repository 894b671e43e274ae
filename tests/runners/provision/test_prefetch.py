"""Weights over HTTP from a stand-in hub: whole, checked, resumed, and where the engines look for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from inferfleet import cli
from launch.weights import resolve
from matrix.errors import FleetError
from matrix.facts import HubWeights
from runners.provision.download import Source
from runners.provision.prefetch import Wanted, prefetch, wanted
from tests.runners.provision.hub import COMMIT, Hub
from tests.runners.provision.sites import FLEET
from tests.stand_in import StandIn, stand_in

FILES = {
    "config.json": b'{"a": 1}',
    "model.safetensors": bytes(range(256)) * 40,
    "tokenizer.json": b"{}",
    "README.md": b"# no",
    "pytorch_model.bin": b"a pickle",
    "modeling.py": b"import os",
    "original/model.safetensors": b"again",
}
MODEL = Wanted(model="tiny", repo="org/tiny", commit=COMMIT, code=False)


@contextmanager
def serving(hub: Hub) -> Iterator[tuple[StandIn, StandIn]]:
    with stand_in(hub.store) as storage, stand_in(hub) as front:
        hub.storage = storage.url.replace("127.0.0.1", "localhost")
        yield front, storage


def fetched(hub: Hub, cache: Path, *, spare_bytes: int = 0, model: Wanted = MODEL) -> list[str]:
    with serving(hub) as (front, _):
        source = Source(hub=front.url, token="the-hub-token", spare_bytes=spare_bytes, sleep=lambda _: None)
        return list(prefetch([model], cache, source))


def names(cache: Path) -> list[str]:
    folder = cache / "models--org--tiny" / "snapshots" / COMMIT
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_weights_come_whole_and_where_the_engines_look(tmp_path: Path) -> None:
    assert fetched(Hub(FILES), tmp_path) == ["tiny: fetched, 0 MiB"]
    found = resolve(HubWeights(repo="org/tiny", revision=COMMIT), tmp_path)
    assert isinstance(found, Path)
    assert (found / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert (found / "model.safetensors").is_symlink()
    assert not str((found / "model.safetensors").readlink()).startswith("/")


def test_pickles_and_code_and_second_copies_are_left_where_they_are(tmp_path: Path) -> None:
    fetched(Hub(FILES), tmp_path)
    assert names(tmp_path) == ["config.json", "model.safetensors", "tokenizer.json"]


def test_code_comes_only_with_a_model_whose_code_is_trusted(tmp_path: Path) -> None:
    fetched(Hub(FILES), tmp_path, model=Wanted(model="tiny", repo="org/tiny", commit=COMMIT, code=True))
    assert "modeling.py" in names(tmp_path)


def test_what_is_here_is_not_fetched_again(tmp_path: Path) -> None:
    fetched(Hub(FILES), tmp_path)
    assert fetched(Hub({}, private=True), tmp_path) == ["tiny: here"]


def test_a_broken_connection_is_gone_on_with(tmp_path: Path) -> None:
    hub = Hub(FILES, cuts=[1000] * 8)
    with serving(hub) as (front, storage):
        list(prefetch([MODEL], tmp_path, Source(hub=front.url, spare_bytes=0, sleep=lambda _: None)))
        ranges = [asked.headers.get("range") for asked in storage.asked]
    assert ranges == [None, *(f"bytes={have}-" for have in range(1000, 9000, 1000))]
    assert names(tmp_path)


def test_a_storage_without_parts_begins_anew(tmp_path: Path) -> None:
    assert fetched(Hub(FILES, cuts=[1000], ranges=False), tmp_path) == ["tiny: fetched, 0 MiB"]


def test_a_storage_that_always_breaks_is_given_up_and_nothing_looks_whole(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="not fetched: tiny"):
        fetched(Hub(FILES, cuts=[0] * 20), tmp_path)
    assert names(tmp_path) == []


def test_bytes_that_are_not_the_listed_ones_are_thrown_away(tmp_path: Path) -> None:
    class Tampered(Hub):
        def store(self, _: object) -> tuple[int, dict[str, str], bytes]:
            return 200, {}, b"\0" * len(FILES["model.safetensors"])

    with pytest.raises(FleetError, match="not fetched: tiny"):
        fetched(Tampered(FILES), tmp_path)
    assert names(tmp_path) == []
    assert list((tmp_path / "models--org--tiny" / "blobs").glob("*.incomplete")) == []


def test_the_token_goes_to_the_hub_and_not_to_its_storage(tmp_path: Path) -> None:
    with serving(Hub(FILES)) as (front, storage):
        list(prefetch([MODEL], tmp_path, Source(hub=front.url, token="the-hub-token", spare_bytes=0)))
        assert all(asked.headers["authorization"] == "Bearer the-hub-token" for asked in front.asked)
        assert storage.asked
        assert not any("authorization" in asked.headers for asked in storage.asked)


def test_a_disk_that_would_be_full_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="not fetched"):
        fetched(Hub(FILES), tmp_path, spare_bytes=1 << 60)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "hub",
    [Hub(FILES, private=True), Hub(FILES, commit="b" * 40), Hub({"../evil.json": b"{}"}), Hub({"config.json": b""})],
    ids=["private", "another commit", "a name that climbs", "no weights"],
)
def test_a_hub_that_answers_wrongly_is_refused(tmp_path: Path, hub: Hub) -> None:
    with pytest.raises(FleetError, match="not fetched"):
        fetched(hub, tmp_path)
    assert not (tmp_path / "evil.json").exists()


def test_what_is_not_pinned_is_named_and_not_fetched(tmp_path: Path) -> None:
    unpinned = Wanted(model="tiny", repo="org/tiny", commit=None, code=False)
    assert "not pinned" in fetched(Hub(FILES), tmp_path, model=unpinned)[0]


def test_the_models_of_a_host_are_those_of_its_gpus_recipes() -> None:
    found = wanted(FLEET, "b200")
    assert [one.model for one in found] == sorted({one.model for one in found})
    assert all(any(recipe.gpu == "b200" for recipe in FLEET.recipes.values()) for _ in found)
    listed = CliRunner().invoke(cli, ["runner", "prefetch", "b200-cw", "--list"], catch_exceptions=False).output
    assert listed.splitlines() == [f"{one.model}: {one.repo}@{one.commit or 'not pinned'}" for one in found]
