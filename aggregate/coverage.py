"""Coverage: what became of every planned point of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from matrix.atomic import write_atomic
from matrix.errors import UNDECODABLE, FleetError
from matrix.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aggregate.rows import Row, RowOutcome


class Named(Fact, frozen=True, kw_only=True):
    """A planned point without a published result: `reasons` joined by ",", `detail` for a person."""

    point_id: str
    reasons: str
    detail: str = ""


class Refused(Fact, frozen=True, kw_only=True):
    """Something in the artifact folder that was not used: its name as found, a `Quarantine` word, and why."""

    name: str
    reason: str
    detail: str = ""


class Coverage(Fact, frozen=True, kw_only=True):
    """The account of one run: `planned` = published + quarantined + missing, each point in exactly one.

    A search counts as one point; its measurements were not planned, and are in no count.
    `outcomes` counts the published points by outcome, `repeats` the repeats of points, which are no points themselves.
    """

    run_id: str
    night: str
    planned: int
    outcomes: dict[str, int]
    published: tuple[str, ...]
    quarantined: tuple[Named, ...]
    missing: tuple[Named, ...]
    repeats: dict[str, int] = {}
    refused: tuple[Refused, ...] = ()


def in_order(refused: Iterable[Refused]) -> tuple[Refused, ...]:
    """Each once, by name."""
    return tuple(sorted(set(refused), key=lambda one: (one.name, one.reason, one.detail)))


def coverage_of(rows: Iterable[Row], refused: tuple[Refused, ...] = ()) -> Coverage:
    """The account of one run's current rows (one per planned point, at least one)."""
    everything = sorted((row for row in rows if row.search_parent is None), key=lambda row: row.point_id)
    ordered = [row for row in everything if not row.repeat]
    repeats = [row.outcome for row in everything if row.repeat]
    published = [row for row in ordered if row.outcome not in ("quarantined", "missing")]
    outcomes = [row.outcome for row in published]
    return Coverage(
        run_id=everything[0].run_id,
        night=everything[0].night,
        planned=len(ordered),
        outcomes={outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
        published=tuple(row.point_id for row in published),
        quarantined=_named(ordered, "quarantined"),
        missing=_named(ordered, "missing"),
        repeats={outcome: repeats.count(outcome) for outcome in sorted(set(repeats))},
        refused=refused,
    )


def _named(rows: list[Row], outcome: RowOutcome) -> tuple[Named, ...]:
    return tuple(
        Named(point_id=row.point_id, reasons=row.reasons, detail=row.detail) for row in rows if row.outcome == outcome
    )


def write_coverage(coverage: Coverage, path: Path) -> None:
    """Indented JSON, atomically."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(coverage), indent=1) + b"\n")


def read_coverage(path: Path) -> Coverage:
    """Strict; a `FleetError` names the file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Coverage)
    except UNDECODABLE as error:
        raise FleetError(f"{path}: not a coverage file: {error}") from error
