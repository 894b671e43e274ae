"""The published files of a dataset: what is out of date is made again, what is not is taken over."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pyarrow.compute as pc

from aggregate import dataset
from aggregate.coverage import Coverage, Refused, coverage_of, in_order
from aggregate.export import csv_bytes, json_bytes, parquet_bytes
from aggregate.frontiers import frontiers
from aggregate.hashes import sha256
from aggregate.manifest import PLACE, PUBLISHED, FileEntry, Kind, Manifest, RunEntry, load
from aggregate.sharing import sharing
from matrix.atomic import write_atomic
from matrix.errors import UNDECODABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa


COLUMNS = sha256(",".join(dataset.SCHEMA.names).encode())


class _Layer:
    """Collects the entries of the next manifest, writing only files whose rows have changed since the last one.

    Tables of an older version, with fewer columns, are made again.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / PUBLISHED
        old = load(home)
        files = old.files if old else ()
        fits = old is not None and old.columns == COLUMNS
        self._old = {(one.kind, one.about): one for one in files if fits or one.kind == "coverage"}
        self.entries: list[FileEntry] = []

    def add(self, kind: Kind, about: str, rows: int, table_rows: int, make: Callable[[], bytes]) -> None:
        """Take over the old file if it is whole and was made from as many dataset rows: the dataset only grows."""
        old = self._old.get((kind, about))
        if old is not None and old.table_rows == table_rows and self._is_there(old):
            self.entries.append(old)
        else:
            self.write(kind, about, rows, table_rows, make())

    def write(self, kind: Kind, about: str, rows: int, table_rows: int, data: bytes) -> None:
        """Make the file whatever there was before. Its name holds its hash: old readers keep what they have open."""
        digest = sha256(data)
        folder, ending = PLACE[kind]
        entry = FileEntry(
            path=f"{folder}/{about}.{digest[:16]}.{ending}",
            kind=kind,
            about=about,
            sha256=digest,
            bytes=len(data),
            rows=rows,
            table_rows=table_rows,
        )
        path = self._folder / entry.path
        if not path.is_file() or path.read_bytes() != data:
            write_atomic(path, data)
        self.entries.append(entry)

    def old_coverage(self, run_id: str) -> Coverage | None:
        """The account of a run as it was last published."""
        entry = self._old.get(("coverage", run_id))
        path = self._folder / entry.path if entry else None
        try:
            return msgspec.json.decode(path.read_bytes(), type=Coverage) if path else None
        except (OSError, *UNDECODABLE):  # damaged or gone: it is being made again, from the dataset
            return None

    def _is_there(self, entry: FileEntry) -> bool:
        path = self._folder / entry.path
        return path.is_file() and sha256(path.read_bytes()) == entry.sha256


def render(home: Path, coverage: Coverage) -> Manifest:
    """Write every file the newest dataset version calls for and return the manifest that names them.

    `coverage` adds what only the merge knows: which artifacts were refused. They stay named from then on.
    """
    version = dataset.version(home)
    history = dataset.read_table(home, history=True, at=version)
    table = dataset.current(history)
    layer = _Layer(home)
    _by_night_and_year(layer, table, history)
    groups = frontiers(table)
    points = sum(len(curve.points) for group in groups for curve in group.curves)
    layer.write("frontiers", "frontiers", points, history.num_rows, json_bytes(groups))
    beside = sharing(table)
    layer.write("sharing", "sharing", len(beside.pairs), history.num_rows, json_bytes(beside))
    _coverages(layer, table, history, coverage)
    files = tuple(sorted(layer.entries, key=lambda entry: entry.path))
    return Manifest(columns=COLUMNS, delta_version=version, runs=_runs(table), files=files)


def _by_night_and_year(layer: _Layer, table: pa.Table, history: pa.Table) -> None:
    for night, rows, table_rows in _counts(table.column("night"), history.column("night")):
        layer.add("night_parquet", night, rows, table_rows, partial(_part, parquet_bytes, table, night))
        layer.add("night_csv", night, rows, table_rows, partial(_part, csv_bytes, table, night))
    for year, rows, table_rows in _counts(_year(table), _year(history)):
        layer.add("year_parquet", year, rows, table_rows, partial(_part, parquet_bytes, table, year))


def _year(table: pa.Table) -> pa.ChunkedArray:
    return pc.utf8_slice_codeunits(table.column("night"), 0, 4)


def _part(encode: Callable[[pa.Table], bytes], table: pa.Table, prefix: str) -> bytes:
    """The rows of one night or year. Chunks are joined: how the dataset cut its files must not show in the bytes."""
    return encode(table.filter(pc.starts_with(table.column("night"), prefix)).combine_chunks())


def _counts(now: pa.ChunkedArray, ever: pa.ChunkedArray) -> list[tuple[str, int, int]]:
    """(value, how often it is there now, how often with history), in the order of the values."""
    counted = [{one["values"]: one["counts"] for one in pc.value_counts(array).to_pylist()} for array in (now, ever)]
    return [(value, counted[0].get(value, 0), count) for value, count in sorted(counted[1].items())]


def _coverages(layer: _Layer, table: pa.Table, history: pa.Table, coverage: Coverage) -> None:
    for run_id, rows, table_rows in _counts(table.column("run_id"), history.column("run_id")):
        old = layer.old_coverage(run_id)
        named = {*(old.refused if old else ()), *(coverage.refused if run_id == coverage.run_id else ())}
        if old is None or named != set(old.refused):
            layer.write("coverage", run_id, rows, table_rows, _account(table, run_id, named))
        else:
            layer.add("coverage", run_id, rows, table_rows, partial(_account, table, run_id, named))


def _account(table: pa.Table, run_id: str, refused: set[Refused]) -> bytes:
    rows = dataset.to_rows(table.filter(pc.equal(table.column("run_id"), run_id)))
    return json_bytes(coverage_of(rows, in_order(refused)))


def _runs(table: pa.Table) -> tuple[RunEntry, ...]:
    """Every run's counts, by run id. Repeats of points are no points, and what a search measured was not planned."""
    table = table.filter(pc.invert(pc.fill_null(table.column("repeat"), fill_value=False)))
    table = table.filter(pc.is_null(table.column("search_parent")))
    keys = ["run_id", "night", "git_sha", "outcome"]
    counts: dict[tuple[str, str, str], dict[str, int]] = {}
    for found in table.group_by(keys).aggregate([([], "count_all")]).to_pylist():
        of_run = counts.setdefault((found["run_id"], found["night"], found["git_sha"]), {})
        of_run[found["outcome"]] = found["count_all"]
    return tuple(_run(key, of_run) for key, of_run in sorted(counts.items()))


def _run(key: tuple[str, str, str], outcomes: dict[str, int]) -> RunEntry:
    planned = sum(outcomes.values())
    ok, missing, quarantined = (outcomes.get(word, 0) for word in ("ok", "missing", "quarantined"))
    return RunEntry(
        run_id=key[0],
        night=key[1],
        git_sha=key[2],
        planned=planned,
        ok=ok,
        failed=planned - ok - missing - quarantined,
        missing=missing,
        quarantined=quarantined,
    )


def remove_orphans(home: Path) -> None:
    """Delete data files that neither the newest manifest nor the one before it names: left by crashes, or outdated.

    The manifest before is spared for readers that fetched it a moment ago. Manifests themselves are never deleted.
    """
    newest = load(home)
    before = load(home, newest.previous) if newest and newest.previous else None
    named = {entry.path for one in (newest, before) if one for entry in one.files}
    folder = home / PUBLISHED
    for name in sorted({place for place, _ in PLACE.values()}):
        for path in (folder / name).glob("*"):
            if path.relative_to(folder).as_posix() not in named:
                path.unlink()
