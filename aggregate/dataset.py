"""The canonical dataset: a Delta table under `home/delta`, one append per transaction id, exactly once.

Columns, order and types come from `Row`; floats are float32 except where a value is part of a point's identity.
Files are partitioned by `month`, which readers need not know of.
"""

from __future__ import annotations

import random
import time
import types
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import unquote

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from aggregate.rows import Row
from matrix.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

DELTA = "delta"
COMMIT_TRIES = 40
_IDENTITY_FLOATS = frozenset({"range_ratio", "rate_per_s", "burstiness", "shared_prefix_share"})
_ARROW = {str: pa.string(), int: pa.int64(), bool: pa.bool_(), float: pa.float32(), datetime: pa.timestamp("us", "UTC")}


def _field(name: str, hint: object) -> pa.Field:
    nullable = get_origin(hint) in (types.UnionType, Union)
    kind = next(part for part in get_args(hint) if part is not types.NoneType) if nullable else hint
    if get_origin(kind) is Literal:
        kind = str
    arrow = pa.float64() if name in _IDENTITY_FLOATS else _ARROW[kind]  # type: ignore[index]
    return pa.field(name, arrow, nullable=nullable)


SCHEMA = pa.schema([_field(name, hint) for name, hint in get_type_hints(Row).items()])
_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(Row) if not field.required}
_STORED = SCHEMA.append(pa.field("month", pa.string(), nullable=False))


def to_table(rows: Iterable[Row]) -> pa.Table:
    """Rows as columns, in `SCHEMA`. Here float64 becomes float32."""
    return pa.Table.from_pylist([msgspec.structs.asdict(row) for row in rows], schema=SCHEMA)


def to_rows(table: pa.Table) -> tuple[Row, ...]:
    """The inverse of `to_table`, but for the rounding to float32."""
    return tuple(msgspec.convert(table.select(SCHEMA.names).to_pylist(), type=list[Row]))


def create(home: Path) -> DeltaTable:
    """An empty table, unless there is one."""
    if not (home / DELTA).exists():  # where that cannot be, the system says why; the library says no table was found
        (home / DELTA).mkdir(parents=True)
    with _undamaged(home):
        DeltaTable.create(home / DELTA, schema=_STORED, partition_by=["month"], mode="ignore")
        return DeltaTable(home / DELTA)


@contextmanager
def _undamaged(home: Path) -> Iterator[None]:
    """Damage is the user's to undo, from a copy: nothing is written over what may still be mended."""
    try:
        yield
    except (CommitFailedError, TableNotFoundError):
        raise
    except (DeltaError, pa.ArrowInvalid, FileNotFoundError) as error:
        said = str(error).partition("\n")[0]
        remedy = "nothing was changed; restore this folder from a copy, or from the commit before on its branch"
        raise FleetError(f"{home / DELTA}: the dataset is damaged: {said}; {remedy}") from error
    except OSError as error:  # of these libraries, with neither a file name nor one line
        said = error.strerror or " ".join(str(error).split())
        raise FleetError(f"{home / DELTA}: cannot be read: {said}") from error


def append(home: Path, rows: Sequence[Row], transaction_id: str) -> bool:
    """Commit `rows` under this id; False if the id was committed before, by anyone. Racing writers are safe.

    A table made by an older version, which lacks columns, is a `FleetError` until somebody calls `migrate`.
    """
    table = to_table(rows)
    month = pa.array([row.night[:7] for row in rows], pa.string())
    stored = table.append_column(_STORED.field("month"), month)
    for attempt in range(COMMIT_TRIES):
        delta = _opened(home) or create(home)
        if lacking := _lacking(delta):
            raise FleetError(f"{home / DELTA}: lacks columns {lacking}; call aggregate.dataset.migrate once")
        if delta.transaction_version(transaction_id) is not None:
            return False
        try:
            write_deltalake(
                delta,
                stored,
                mode="append",
                writer_properties=WriterProperties(compression="ZSTD"),
                commit_properties=CommitProperties(app_transactions=[Transaction(transaction_id, 1)]),
            )
        except CommitFailedError:  # another writer was first: look again, it may have been this very id
            _pause(attempt)
        except DeltaError as error:
            said = str(error).partition("\n")[0]
            raise FleetError(
                f"{home / DELTA}: nothing was appended: {said}; may it be written, is there room?"
            ) from error
        else:
            return True
    raise FleetError(f"{home / DELTA}: no commit in {COMMIT_TRIES} tries; are many publishers running at once?")


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0, 0.02 * (attempt + 1)))  # noqa: S311 - spreads retries, guards nothing


def is_committed(home: Path, transaction_id: str) -> bool:
    """Whether `append` with this id has happened."""
    delta = _opened(home)
    return delta is not None and delta.transaction_version(transaction_id) is not None


def version(home: Path) -> int:
    """The table's newest version; 0 for one just made, or not made yet."""
    delta = _opened(home)
    return delta.version() if delta else 0


def read_table(home: Path, *, history: bool = False, at: int | None = None, run_id: str | None = None) -> pa.Table:
    """All current rows, by night, run and point; with `history` also those that were superseded.

    Files are read one by one: three to ten times faster than the library's own dataset. With `run_id`, files
    whose statistics exclude it are skipped.
    """
    delta = _opened(home)
    if delta is None:
        raise FleetError(f"{home / DELTA}: there is no dataset; `inferfleet publish --home {home}` makes one")
    only = [("run_id", "=", run_id)] if run_id is not None else None
    with _undamaged(home):
        if at is not None:
            delta.load_as_version(at)
        files = [Path(unquote(uri.removeprefix("file://"))) for uri in delta.file_uris()]
        parts = [_fitted(pq.read_table(file, filters=only, partitioning=None)) for file in files]
    whole = pa.concat_tables([SCHEMA.empty_table(), *parts])
    ordered = whole.sort_by([(name, "ascending") for name in ("night", "run_id", "point_id", "revision")])
    return ordered if history else current(ordered)


def current(ordered: pa.Table) -> pa.Table:
    """The last revision of each (run, point). `ordered` is as `read_table` gives it, with history."""
    if ordered.num_rows == 0:
        return ordered
    later, earlier = ordered.slice(1), ordered.slice(0, ordered.num_rows - 1)
    changes = [pc.not_equal(earlier.column(name), later.column(name)) for name in ("run_id", "point_id")]
    is_last = pa.chunked_array([*pc.or_(*changes).chunks, pa.array([True])], pa.bool_())
    return ordered if pc.all(is_last).as_py() else ordered.filter(is_last)


def migrate(home: Path) -> tuple[str, ...]:
    """Add the columns that `Row` has gained, in a commit of their own; returns their names. Old rows hold `Row`'s
    default. No file is rewritten, and racing migrations add each column once.
    """
    for attempt in range(COMMIT_TRIES):
        delta = _opened(home) or create(home)
        added = [_STORED.field(name).with_nullable(nullable=True) for name in _lacking(delta)]
        if not added:
            return ()
        try:
            delta.alter.add_columns(DeltaSchema.from_arrow(pa.schema(added)).fields)
        except CommitFailedError:  # another writer was first: look again
            _pause(attempt)
        else:
            return tuple(field.name for field in added)
    raise FleetError(f"{home / DELTA}: no commit in {COMMIT_TRIES} tries; are many publishers running at once?")


def _opened(home: Path) -> DeltaTable | None:
    """The table, if there is one. Columns of a newer version are a `FleetError`; an older one's may be read."""
    path = home / DELTA
    try:
        with _undamaged(home):
            delta = DeltaTable(path)
    except TableNotFoundError:
        return None
    unknown = sorted(_stored_names(delta) - set(_STORED.names))
    if unknown:
        raise FleetError(f"{path}: has columns this version does not know: {unknown}; upgrade inferfleet")
    return delta


def _lacking(delta: DeltaTable) -> list[str]:
    """In order of the schema."""
    stored = _stored_names(delta)
    return [name for name in _STORED.names if name not in stored]


def _stored_names(delta: DeltaTable) -> set[str]:
    return {field.name for field in delta.schema().fields}


def _fitted(part: pa.Table) -> pa.Table:
    """One file's rows in today's schema: a column that was added later holds its default, nearly always null."""
    columns = [
        part.column(field.name).cast(field.type)
        if field.name in part.column_names
        else pa.repeat(pa.scalar(_DEFAULTS[field.name], field.type), part.num_rows)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)
