from __future__ import annotations

import json
from importlib.metadata import version as installed
from pathlib import Path

import pytest

from launch.weights import WeightsMissing, hub_cache_folder, resolve
from matrix.facts import FileWeights, HubWeights, PackageWeights, Weights
from matrix.words import Reason

_REVISION = "0123456789abcdef0123456789abcdef01234567"


def _missing(weights: Weights, cache: Path) -> str:
    found = resolve(weights, cache)
    assert isinstance(found, WeightsMissing)
    assert found.reason is Reason.MODEL_MISSING
    return found.detail


def _snapshot(cache: Path, *files: str) -> Path:
    folder = cache / "models--org--model" / "snapshots" / _REVISION
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).write_text("{}")
    return folder


def test_weights_of_an_installed_package_are_found_without_importing_it(tmp_path: Path) -> None:
    path = resolve(PackageWeights(package="gguf", version=installed("gguf"), path="constants.py"), tmp_path)
    assert isinstance(path, Path)
    assert path.is_absolute()
    assert path.name == "constants.py"


@pytest.mark.parametrize(
    ("package", "version", "path", "says"),
    [
        ("no-such-package", "1", "x", "package no-such-package 1 is not installed"),
        ("gguf", "0.0.0", "x", "package gguf 0.0.0 is wanted,"),
        ("gguf", None, "nothing.gguf", "nothing.gguf does not exist"),
    ],
)
def test_a_package_that_is_absent_different_or_incomplete_is_named(
    tmp_path: Path, package: str, version: str | None, path: str, says: str
) -> None:
    weights = PackageWeights(package=package, version=version or installed(package), path=path)
    assert says in _missing(weights, tmp_path)


def test_a_file_is_resolved_to_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.gguf").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert resolve(FileWeights(path="m.gguf"), tmp_path) == tmp_path / "m.gguf"
    assert "does not exist" in _missing(FileWeights(path="absent.gguf"), tmp_path)


def test_a_file_this_user_may_not_read_is_missing_not_the_recipes_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read anything, so the system's answer is played."""
    (tmp_path / "m.gguf").write_bytes(b"")
    monkeypatch.setattr("os.access", lambda _path, _mode: False)
    assert "m.gguf may not be read by this user" in _missing(FileWeights(path=str(tmp_path / "m.gguf")), tmp_path)


def test_a_pinned_snapshot_is_found_in_the_cache(tmp_path: Path) -> None:
    folder = _snapshot(tmp_path, "config.json", "model.safetensors")
    assert resolve(HubWeights(repo="org/model", revision=_REVISION), tmp_path) == folder


def test_an_unpinned_model_uses_the_revision_that_was_fetched_last(tmp_path: Path) -> None:
    folder = _snapshot(tmp_path, "config.json", "model.safetensors")
    refs = tmp_path / "models--org--model" / "refs"
    refs.mkdir()
    (refs / "main").write_text(_REVISION + "\n")
    assert resolve(HubWeights(repo="org/model"), tmp_path) == folder


def test_a_snapshot_with_a_gap_is_not_a_model(tmp_path: Path) -> None:
    index = {"weight_map": {"a": "model-00001.safetensors", "b": "model-00002.safetensors"}}
    folder = _snapshot(tmp_path, "config.json", "model-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-00002.safetensors is not in the cache" in _missing(
        HubWeights(repo="org/model", revision=_REVISION), tmp_path
    )


def test_a_model_that_was_never_fetched_is_missing(tmp_path: Path) -> None:
    assert "org/model" in _missing(HubWeights(repo="org/model"), tmp_path)
    assert "config.json" in _missing(HubWeights(repo="org/model", revision=_REVISION), tmp_path)


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({"HF_HUB_CACHE": "/c", "HF_HOME": "/h"}, "/c"),
        ({"HF_HOME": "/h", "HOME": "/root"}, "/h/hub"),
        ({"HOME": "/root"}, "/root/.cache/huggingface/hub"),
    ],
)
def test_the_cache_lies_where_the_hubs_client_would_put_it(env: dict[str, str], folder: str) -> None:
    assert hub_cache_folder(env) == Path(folder)
