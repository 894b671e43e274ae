"""Reading what an import needs and writing what it made: the only part of it that touches the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from matrix.atomic import write_atomic
from matrix.errors import UNDECODABLE, FleetError
from matrix.fleet import DATA, Fleet, load_fleet
from matrix.importers.inferencex import Imported, import_masters
from matrix.importers.theirs import Runners, Script, runners
from matrix.yamlfile import MAX_BYTES, read_yaml
from matrix.yamlwrite import to_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matrix.facts import Fact

KINDS = ("models", "gpus", "hosts", "workloads", "engines")
COMMENT = (
    "Written by `inferfleet import inferencex`.\nFrom SemiAnalysisAI/InferenceX, Apache-2.0; changed into this format."
)


def import_inferencex(masters: tuple[Path, ...], runners_file: Path, flags: Path | None, out: Path) -> Imported:
    """Import into the fleet folder `out`: what it has is used and left alone, what it lacks is written."""
    own = load_fleet(out) if out.is_dir() else empty_fleet()
    known = _over(load_fleet(DATA), own)
    parsed = {path.name: read_yaml(path).value for path in masters}
    if len(parsed) < len(masters):
        raise FleetError("two masters have one name: import them into folders of their own")
    imported = import_masters(parsed, _runners(runners_file), _scripts(flags), known)
    _write(imported, own, out)
    return imported


def empty_fleet() -> Fleet:
    return Fleet(models={}, gpus={}, engines={}, workloads={}, hosts={}, recipes={}, documents={})


def _over(base: Fleet, own: Fleet) -> Fleet:
    """Facts of both; those of `own` win."""
    merged = {kind: {**getattr(base, kind), **getattr(own, kind)} for kind in KINDS}
    return Fleet(**merged, recipes={}, documents={})


def _runners(path: Path) -> Runners:
    try:
        return runners(read_yaml(path).value)
    except msgspec.ValidationError as error:
        raise FleetError(f"{path}: is not a runners file: {error}") from None


def _scripts(path: Path | None) -> tuple[Script, ...]:
    if path is None:
        return ()
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FleetError(f"{path}: is larger than {MAX_BYTES:,} bytes")
        return msgspec.json.decode(path.read_bytes(), type=tuple[Script, ...])
    except OSError as error:
        raise FleetError(f"{path}: cannot be read: {error.strerror}") from None
    except UNDECODABLE as error:
        raise FleetError(f"{path}: is not a file of server flags: {error}") from None


def _write(imported: Imported, own: Fleet, out: Path) -> None:
    paths = {
        recipe_id: out / "recipes" / imported.gpus[recipe.gpu].device / "inferencex" / f"{recipe_id}.yaml"
        for recipe_id, recipe in imported.recipes.items()
    }
    for recipe_id, path in paths.items():
        if recipe_id in own.recipes and not path.exists():
            raise FleetError(f"{out} already has a recipe {recipe_id!r}, in {own.documents[recipe_id].file}: rename it")
    for recipe_id, path in paths.items():
        _file(path, {recipe_id: imported.recipes[recipe_id]})
    for kind in KINDS:
        for name, record in getattr(imported, kind).items():
            if name not in getattr(own, kind):
                _file(out / kind / "inferencex" / f"{name}.yaml", {name: record})


def _file(path: Path, records: Mapping[str, Fact]) -> None:
    write_atomic(path, to_yaml(records, COMMENT).encode())
