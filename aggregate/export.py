"""The published bytes of a table: the same rows give the same bytes, so that a second publish changes nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from aggregate.dataset import SCHEMA

if TYPE_CHECKING:
    from matrix.facts import Fact

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins with one of these."""

_FORMULA_START = f"^[{re.escape(''.join(FORMULA_STARTS))}]"


def parquet_bytes(table: pa.Table) -> bytes:
    """zstd; floats byte-stream split (three times smaller than plain), the rest by dictionary."""
    floats = [field.name for field in SCHEMA if pa.types.is_floating(field.type)]
    others = [name for name in SCHEMA.names if name not in floats]
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=others, use_byte_stream_split=floats)
    return bytes(sink.getvalue())


def csv_bytes(table: pa.Table) -> bytes:
    """Text that a spreadsheet would run as a formula gets a leading apostrophe. Null is an empty cell."""
    columns = [_harmless(column) if pa.types.is_string(column.type) else column for column in table.columns]
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(pa.Table.from_arrays(columns, names=table.column_names), sink)
    return bytes(sink.getvalue())


def _harmless(column: pa.ChunkedArray) -> pa.ChunkedArray:
    quoted = pc.binary_join_element_wise("'", column, "")
    return pc.if_else(pc.match_substring_regex(column, _FORMULA_START), quoted, column)


def json_bytes(value: Fact | tuple[Fact, ...]) -> bytes:
    """Indented, for people and diffs."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"
