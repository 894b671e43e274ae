"""Where a model's weights lie on this machine. Looks, never downloads, never imports the package that ships them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

from matrix.facts import FileWeights, HubWeights, NamedWeights, PackageWeights
from matrix.words import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matrix.facts import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsMissing:
    """The host lacks the weights; `detail` says what was looked for and where."""

    detail: str
    reason: Reason = Reason.MODEL_MISSING


def resolve(weights: Weights, hub_cache: Path) -> Path | WeightsMissing:
    """The absolute file (or folder, for hub weights) an engine loads."""
    match weights:
        case PackageWeights():
            return _from_package(weights)
        case FileWeights():
            return _existing(Path(weights.path).absolute(), "file weights")
        case HubWeights():
            return _from_hub(weights, hub_cache)
        case NamedWeights():
            return WeightsMissing(detail=f"weights {weights.called!r}: a name is all that is known of them")


def hub_cache_folder(env: Mapping[str, str]) -> Path:
    """Where the hub's client keeps its files, by its own environment variables."""
    if "HF_HUB_CACHE" in env:
        return Path(env["HF_HUB_CACHE"])
    if "HF_HOME" in env:
        return Path(env["HF_HOME"]) / "hub"
    return Path(env.get("HOME", "/")) / ".cache" / "huggingface" / "hub"


def _existing(path: Path, what: str) -> Path | WeightsMissing:
    if not path.exists():
        return WeightsMissing(detail=f"{what}: {path} does not exist")
    if not os.access(path, os.R_OK):  # an engine would end on it, and its recipe be blamed
        return WeightsMissing(detail=f"{what}: {path} may not be read by this user")
    return path


def _from_package(weights: PackageWeights) -> Path | WeightsMissing:
    wanted = f"{weights.package} {weights.version}"
    try:
        installed = metadata.version(weights.package)
    except metadata.PackageNotFoundError:
        return WeightsMissing(detail=f"package {wanted} is not installed")
    if installed != weights.version:
        return WeightsMissing(detail=f"package {wanted} is wanted, {installed} is installed")
    spec = util.find_spec(weights.package.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        return WeightsMissing(detail=f"package {wanted} is installed, but is not an importable folder")
    return _existing(Path(spec.submodule_search_locations[0]) / weights.path, f"package {wanted}")


def _from_hub(weights: HubWeights, cache: Path) -> Path | WeightsMissing:
    repo = cache / f"models--{weights.repo.replace('/', '--')}"
    revision = weights.revision or _main_revision(repo)
    if revision is None:
        return WeightsMissing(detail=f"hub weights {weights.repo}: not in {cache}")
    snapshot = repo / "snapshots" / revision
    absent = _absent_file(snapshot)
    if absent is not None:
        return WeightsMissing(detail=f"hub weights {weights.repo}: {absent} is not in the cache")
    return snapshot


def _main_revision(repo: Path) -> str | None:
    ref = repo / "refs" / "main"
    return ref.read_text(encoding="ascii").strip() if ref.is_file() else None


def _absent_file(snapshot: Path) -> Path | None:
    """The first file a complete snapshot would have and this one lacks: an interrupted download leaves gaps."""
    if not (snapshot / "config.json").is_file():
        return snapshot / "config.json"
    shards = [snapshot / name for name in sorted(_indexed_shards(snapshot / "model.safetensors.index.json"))]
    wanted = shards or sorted(snapshot.glob("*.safetensors")) or [snapshot / "model.safetensors"]
    return next((path for path in wanted if not path.is_file()), None)


def _indexed_shards(index: Path) -> set[str]:
    if not index.is_file():
        return set()
    return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
