"""Weights onto a machine, ahead of its jobs: every pinned model of the recipes its GPUs can run, file by file, checked.

The layout is the hub client's own cache, which `launch.weights` and the engines read; a snapshot's `config.json` is
linked last, so that an interrupted one is never taken for whole.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from launch.weights import WeightsMissing, resolve
from matrix.errors import FleetError
from matrix.facts import HubWeights
from matrix.official import models_of
from matrix.pin.http import Http
from matrix.pin.hub import require_safe
from matrix.pin.reference import Failed
from matrix.pin.snapshot import wanted_files
from runners.provision.download import Source, download

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matrix.facts import Model
    from matrix.fleet import Fleet

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A model that recipes on this host's GPU use. `commit` null: nobody has pinned it, so nothing is fetched."""

    model: str
    repo: str
    commit: str | None
    code: bool


def wanted(fleet: Fleet, gpu: str) -> list[Wanted]:
    """The hub models of every recipe on `gpu`, by name."""
    names = {name for recipe in fleet.recipes.values() if recipe.gpu == gpu for name in models_of(recipe)}
    found = [_wanted(name, fleet.models[name]) for name in sorted(names)]
    return [one for one in found if one is not None]


def _wanted(name: str, model: Model) -> Wanted | None:
    weights = model.weights
    if not isinstance(weights, HubWeights):
        return None
    return Wanted(model=name, repo=weights.repo, commit=weights.revision, code=model.trust_remote_code)


def prefetch(models: list[Wanted], cache: Path, source: Source) -> Iterator[str]:
    """A line for each model as it is done. A `FleetError` at the end names what is missing; the others are there."""
    hub, failed = require_safe(source.hub), []
    with httpx.Client(trust_env=False, timeout=_TIMEOUT, follow_redirects=False) as client:
        for one in models:
            if one.commit is None:
                yield f"{one.model}: not pinned; `inferfleet pin` fixes it"
            elif not isinstance(resolve(HubWeights(repo=one.repo, revision=one.commit), cache), WeightsMissing):
                yield f"{one.model}: here"
            elif isinstance(got := _fetch(client, one, one.commit, cache, source, hub), Failed):
                failed.append(one.model)
                yield f"{one.model}: {got.why}"
            else:
                yield f"{one.model}: fetched, {got >> 20} MiB"
    if failed:
        raise FleetError(f"not fetched: {', '.join(failed)}; why is said above")


def _fetch(client: httpx.Client, one: Wanted, commit: str, cache: Path, source: Source, hub: str) -> int | Failed:
    """Bytes that the model has in all."""
    listed = wanted_files(Http(client, source.sleep), hub, one.repo, commit, source.token, code=one.code)
    if isinstance(listed, Failed):
        return listed
    if not any(file.path.endswith(".safetensors") for file in listed):
        return Failed(f"{one.repo} has no weights as safetensors")
    home = cache / f"models--{one.repo.replace('/', '--')}"
    (home / "blobs").mkdir(parents=True, exist_ok=True)
    absent = [file for file in listed if not (home / "blobs" / file.sum).exists()]
    needed, free = sum(file.size for file in absent), shutil.disk_usage(cache).free
    if needed + source.spare_bytes > free:
        return Failed(f"{needed >> 30} GiB are to come, and {free >> 30} GiB are free under {cache}")
    for file in absent:
        url = f"{hub}/{one.repo}/resolve/{commit}/{file.path}"
        if (failed := download(client, url, file, home / "blobs" / file.sum, source)) is not None:
            return failed
    for file in sorted(listed, key=lambda file: file.path == "config.json"):
        _link(home / "snapshots" / commit / file.path, home / "blobs" / file.sum)
    missing = resolve(HubWeights(repo=one.repo, revision=commit), cache)
    return Failed(missing.detail) if isinstance(missing, WeightsMissing) else sum(file.size for file in listed)


def _link(path: Path, blob: Path) -> None:
    """A relative link, as the hub's own client makes them: the cache can be moved as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(os.path.relpath(blob, path.parent))
