"""`history.json`: what the plan of a night needs to know of the nights before. Written by `aggregate`, read here."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import msgspec

from matrix.atomic import write_atomic
from matrix.errors import UNDECODABLE, FleetError
from matrix.facts import Fact, Seconds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HISTORY_SCHEMA = 1

NightDate = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$(?!\n)")]


class PointHistory(Fact, frozen=True, kw_only=True):
    """One point key. The digests and the image are those of its newest verdict.

    `seen` is the newest night that said something about the recipe (`ok`, `invalid`, `recipe_failed`); a host that
    failed or a window that closed says nothing. `failures` counts such nights since the last `ok`. `certified` is the
    newest night with enough requests for a p99. `minutes` is what the point takes, warm-up included, and `measured_s`
    the part of it that is measured: medians of its last nights, like `x` (interactivity) and `y` (throughput per
    device).
    """

    recipe_digest: str
    args_digest: str
    image: str | None = None
    seen: NightDate
    ok: NightDate | None = None
    failures: Annotated[int, msgspec.Meta(ge=0)] = 0
    certified: NightDate | None = None
    minutes: Seconds | None = None
    measured_s: Seconds | None = None
    x: float | None = None
    y: float | None = None


class History(Fact, frozen=True, kw_only=True):
    """`points` by point key; `starts` by job id: minutes until its server was ready, a median of its last nights.

    `to_split` has the recipes whose points come out otherwise when they share a server, with how much.
    """

    schema_version: int = HISTORY_SCHEMA
    until: NightDate | None = None
    points: dict[str, PointHistory] = {}
    starts: dict[str, Seconds] = {}
    to_split: dict[str, str] = {}


NO_HISTORY = History()


def write_history(history: History, path: Path) -> None:
    """Readable JSON in one order, atomically."""
    encoded = msgspec.json.encode(history, order="deterministic")
    write_atomic(path, msgspec.json.format(encoded, indent=1) + b"\n")


def read_history(path: Path) -> History:
    """A `FleetError` says what is wrong with the file. Of another version: it is derived, so it can be made again."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FleetError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        version = msgspec.json.decode(data, type=_Version).schema_version
        if version != HISTORY_SCHEMA:
            raise FleetError(f"{path}: is of version {version}, this program reads {HISTORY_SCHEMA}: publish once more")
        history = msgspec.json.decode(data, type=History)
        for night in _nights(history):
            date.fromisoformat(night)
    except UNDECODABLE as error:
        raise FleetError(f"{path}: is not a history: {error}") from None
    except ValueError as error:
        raise FleetError(f"{path}: is not a history: a night is no date: {error}") from None
    return history


def _nights(history: History) -> Iterator[str]:
    for past in history.points.values():
        yield from (night for night in (past.seen, past.ok, past.certified) if night is not None)
    if history.until is not None:
        yield history.until


class _Version(msgspec.Struct):
    schema_version: int
