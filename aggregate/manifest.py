"""What is published: every file with its hash, every run with its account, chained to the manifest before.

`published/manifest.json` is the newest; each one is also kept as `published/manifests/<its sha256>.json`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from aggregate.export import json_bytes
from aggregate.hashes import sha256
from aggregate.rows import ROW_SCHEMA
from matrix.atomic import write_atomic
from matrix.errors import UNDECODABLE, FleetError
from matrix.facts import Fact

if TYPE_CHECKING:
    from pathlib import Path

PUBLISHED = "published"
MANIFEST = "manifest.json"

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
Kind = Literal["night_parquet", "night_csv", "year_parquet", "frontiers", "coverage", "sharing"]
PLACE: dict[Kind, tuple[str, str]] = {
    "night_parquet": ("nights", "parquet"),
    "night_csv": ("nights", "csv"),
    "year_parquet": ("years", "parquet"),
    "frontiers": ("frontiers", "json"),
    "coverage": ("coverage", "json"),
    "sharing": ("sharing", "json"),
}
"""The folder and the ending of each kind of file."""


class FileEntry(Fact, frozen=True, kw_only=True):
    """One published file. `about` is its night, year or run; `rows` what it holds.

    `table_rows` counts the dataset rows it was made from, superseded ones too: the dataset only grows, so an
    equal count means an equal file.
    """

    path: Annotated[str, msgspec.Meta(pattern=r"^[a-z]+/[A-Za-z0-9][A-Za-z0-9.-]*$(?!\n)")]
    kind: Kind
    about: str
    sha256: Sha256
    bytes: int
    rows: int
    table_rows: int


class RunEntry(Fact, frozen=True, kw_only=True):
    """One run's account: planned = ok + failed + missing + quarantined."""

    run_id: str
    night: str
    git_sha: str
    planned: int
    ok: int
    failed: int
    missing: int
    quarantined: int


class Manifest(Fact, frozen=True, kw_only=True):
    """`delta_version` is the dataset version all files were made from; `previous` the hash of the last manifest.

    `columns` is the sha256 of the names of the columns its tables have, in order, joined by ",".
    """

    schema_version: int = ROW_SCHEMA
    columns: Sha256 | None = None
    delta_version: int
    runs: tuple[RunEntry, ...]
    files: tuple[FileEntry, ...]
    previous: Sha256 | None = None


def load(home: Path, digest: str | None = None) -> Manifest | None:
    """The newest manifest, or the one with this hash; null if there is none."""
    path = home / PUBLISHED / (f"manifests/{digest}.json" if digest else MANIFEST)
    return _decode(path, path.read_bytes()) if path.exists() else None


def _decode(path: Path, data: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except UNDECODABLE as error:
        raise FleetError(f"{path}: not a manifest: {error}") from error
    if manifest.schema_version > ROW_SCHEMA:
        raise FleetError(f"{path}: schema {manifest.schema_version} is newer than {ROW_SCHEMA}: upgrade the aggregator")
    return manifest


def store(home: Path, manifest: Manifest) -> tuple[str, bool]:
    """(hash, whether anything changed). Equal content keeps the old manifest, so its bytes and its place in the chain.

    The copy in `manifests/` is written first: a link of the chain never points at nothing.
    """
    path = home / PUBLISHED / MANIFEST
    before = path.read_bytes() if path.exists() else None
    if before is not None:
        old = _decode(path, before)
        if msgspec.structs.replace(old, previous=None) == msgspec.structs.replace(manifest, previous=None):
            _keep(home, before)
            return sha256(before), False
    data = json_bytes(msgspec.structs.replace(manifest, previous=sha256(before) if before is not None else None))
    _keep(home, data)
    write_atomic(path, data)
    return sha256(data), True


def _keep(home: Path, data: bytes) -> None:
    path = home / PUBLISHED / "manifests" / f"{sha256(data)}.json"
    if not path.exists() or path.read_bytes() != data:
        write_atomic(path, data)


def verify(home: Path) -> Manifest:
    """Re-hash all that the newest manifest names, walk the chain to the first. `FleetError` names the bad file."""
    manifest = load(home)
    if manifest is None:
        raise FleetError(f"{home / PUBLISHED / MANIFEST}: not there; nothing was published under this home")
    for entry in manifest.files:
        _verify_file(home / PUBLISHED / entry.path, entry)
    for run in manifest.runs:
        if run.planned != run.ok + run.failed + run.missing + run.quarantined:
            raise FleetError(f"{MANIFEST}: run {run.run_id}: planned is not ok + failed + missing + quarantined")
    _verify_chain(home)
    return manifest


def _verify_file(path: Path, entry: FileEntry) -> None:
    if not path.is_file():
        raise FleetError(f"{path}: the manifest names it, but it is not there; publish again to restore it")
    data = path.read_bytes()
    if sha256(data) != entry.sha256 or len(data) != entry.bytes:
        raise FleetError(f"{path}: its bytes are not those the manifest says (sha256 {sha256(data)})")
    if entry.kind.endswith("_parquet") and pq.ParquetFile(pa.BufferReader(data)).metadata.num_rows != entry.rows:
        raise FleetError(f"{path}: does not hold the {entry.rows} rows the manifest says")


def _verify_chain(home: Path) -> None:
    folder = home / PUBLISHED / "manifests"
    link: str | None = sha256((home / PUBLISHED / MANIFEST).read_bytes())
    while link is not None:
        path = folder / f"{link}.json"
        if not path.is_file():
            raise FleetError(f"{path}: a manifest of the chain is missing")
        data = path.read_bytes()
        if sha256(data) != link:
            raise FleetError(f"{path}: its bytes are not those of its name; history was changed")
        link = _decode(path, data).previous
