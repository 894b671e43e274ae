"""A runner's JSON, read strictly: the typed record or `ArtifactRefused` naming the place in it."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, TypeVar

import msgspec

from matrix.errors import ArtifactRefused
from matrix.pull_check import PullCheck
from matrix.result import RESULT_SCHEMA, HostFacts, PointResult

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_JSON_BYTES = 1 << 20
MAX_STRING = 4000
MAX_DIGITS = 20
YEARS = range(2020, 2200)

# A terminal, a log viewer and a CSV reader must all be able to show it: ASCII without control characters.
_PRINTABLE = re.compile(r"[ -~\n\t]*", re.ASCII)

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
_Record = TypeVar("_Record")


def read_point(data: bytes) -> PointResult:
    """A point file. A newer `schema_version` is refused with "upgrade the aggregator"."""
    tree = _tree(data)
    version = tree.get("schema_version", RESULT_SCHEMA) if isinstance(tree, dict) else RESULT_SCHEMA
    if isinstance(version, int) and version > RESULT_SCHEMA:
        raise ArtifactRefused(
            f"$.schema_version: {version} is newer than {RESULT_SCHEMA}, the newest known here: upgrade the aggregator"
        )
    result = _typed(data, PointResult)
    for name, when in (("started_at", result.started_at), ("ended_at", result.ended_at)):
        # without a zone it is nobody's time; outside these years arithmetic on it overflows
        if when is not None and (when.tzinfo is None or when.year not in YEARS):
            raise ArtifactRefused(f"$.{name}: not a time with a zone in the years {YEARS.start} to {YEARS.stop - 1}")
    return result


def read_host(data: bytes) -> HostFacts:
    """`host.json`."""
    _tree(data)
    return _typed(data, HostFacts)


def read_pull_check(data: bytes) -> PullCheck:
    """What `pr check` left."""
    _tree(data)
    return _typed(data, PullCheck)


def _typed(data: bytes, kind: type[_Record]) -> _Record:
    try:
        return msgspec.json.decode(data, type=kind, strict=True)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise ArtifactRefused(str(error)) from error


def _tree(data: bytes) -> Json:
    """The parsed JSON, after the checks a typed decoder does not make."""
    if len(data) > MAX_JSON_BYTES:
        raise ArtifactRefused(f"{len(data)} bytes of JSON, more than {MAX_JSON_BYTES}")
    try:
        tree: Json = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=lambda name: _Bad(f"{name} is not a number"),
            parse_float=_finite,
            parse_int=_bounded,
        )
    except RecursionError as error:
        raise ArtifactRefused("$: nested too deeply") from error
    except ValueError as error:
        raise ArtifactRefused(f"$: not JSON: {error}") from error
    for path, value in _strings(tree):
        if len(value) > MAX_STRING:
            raise ArtifactRefused(f"{path}: a string of {len(value)} characters, more than {MAX_STRING}")
        if not _PRINTABLE.fullmatch(value):
            raise ArtifactRefused(f"{path}: a string with characters outside printable ASCII")
    return tree


class _Bad(str):
    """Stands in the tree where something may not be, with what it was, so that the walk can say where."""

    __slots__ = ()


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, value in pairs:
        found[key] = _Bad("the key is there twice") if key in found else value
    return found


def _finite(digits: str) -> float | _Bad:
    value = float(digits)
    return value if math.isfinite(value) else _Bad(f"{digits[:20]} is not a finite number")


def _bounded(digits: str) -> int | _Bad:
    """Integers must fit the dataset's 64 bits; the length test keeps the conversion itself cheap."""
    if len(digits) <= MAX_DIGITS and abs(value := int(digits)) < 1 << 63:
        return value
    return _Bad(f"{digits[:20]} does not fit 64 bits")


def _strings(tree: Json) -> Iterator[tuple[str, str]]:
    """Every string and key of the tree with its path, without recursion; what may not be is refused here."""
    pending: list[tuple[str, Json]] = [("$", tree)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, _Bad):
            raise ArtifactRefused(f"{path}: {value}")
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, dict):
            for key, child in value.items():
                yield f"{path} (a key)", key
                pending.append((f"{path}.{key}", child))
        elif isinstance(value, list):
            pending.extend((f"{path}[{index}]", child) for index, child in enumerate(value))
