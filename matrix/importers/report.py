"""What an import did, and everything it could not say: each finding counted, with the places it comes from."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum

SHOWN_PLACES = 3


class Kind(StrEnum):
    """How far a fact of theirs came."""

    SKIPPED = "not imported"
    DUPLICATE = "asked for twice, kept once"
    LOST = "not carried over"
    OPAQUE = "kept word for word, not understood"
    UNKNOWN = "unknown here, null with the reason"
    DERIVED = "derived"
    UNPINNED = "unpinned"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One thing and every place it occurs, in the order of the files."""

    kind: Kind
    what: str
    places: tuple[str, ...]


@dataclass(slots=True)
class Findings:
    """Collects findings while an import runs."""

    places: dict[tuple[Kind, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: Kind, what: str, place: str) -> None:
        self.places[kind, what].append(place)

    def closed(self) -> tuple[Finding, ...]:
        order = list(Kind)
        found = [Finding(kind=kind, what=what, places=tuple(where)) for (kind, what), where in self.places.items()]
        return tuple(sorted(found, key=lambda one: (order.index(one.kind), -len(one.places), one.what)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """`asked` counts their points one by one; `points` is what they come to without exact duplicates."""

    configs: int
    entries: int
    recipes: int
    layouts: int
    asked: int
    points: int
    launchable: int
    findings: tuple[Finding, ...]

    def text(self, *, every_place: bool = False) -> str:
        """Readable lines; a finding shows its first places unless `every_place`."""
        lines = [
            f"{self.configs} configurations, {self.entries} search entries, {self.asked} points asked for",
            f"{self.recipes} recipes, {self.layouts} layouts, {self.points} points",
            f"{self.asked - self.points} of theirs are exact duplicates or could not be imported",
            f"{self.launchable} recipes have all their server flags",
        ]
        for kind in Kind:
            of_kind = [finding for finding in self.findings if finding.kind is kind]
            if of_kind:
                lines.append(f"{kind}:")
                lines += [_line(finding, None if every_place else SHOWN_PLACES) for finding in of_kind]
        return "\n".join(lines)


def _line(finding: Finding, shown: int | None) -> str:
    places = list(dict.fromkeys(finding.places))
    more = "" if shown is None or len(places) <= shown else f" and {len(places) - shown} more"
    return f"  {len(finding.places):5d} x {finding.what}: {', '.join(places[:shown])}{more}"
