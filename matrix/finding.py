"""What a search found, and what ties a measurement to the search that asked for it. Both are part of a result."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec

from matrix.facts import Fact
from matrix.words import Reason

if TYPE_CHECKING:
    from matrix.search import MethodKind

Amount = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Stop(StrEnum):
    """Why a search ended. `unfinished`: not by itself; its parent's reasons say what ended it."""

    THROUGHPUT_FELL = "throughput_fell"
    ERRORS = "errors"
    GAP = "gap"
    RESOLVED = "resolved"
    EDGE = "edge"
    NOTHING_KEEPS_IT = "nothing_keeps_it"
    BOUND = "bound"
    BUDGET = "budget"
    UNFINISHED = "unfinished"


class Finding(Fact, frozen=True, kw_only=True):
    """What a search found. `size` null: nothing.

    ramp: `size` is the smallest load whose throughput is not significantly below the highest, `break_size` the first
    load that was too much. refine: `gap` is the mean error of the frontier to be expected, `certified_gap` the most
    it can be if throughput and interactivity are monotone; both shares of throughput. reach: `size` is the highest
    load that surely keeps the SLO, `break_size` the lowest that does not.
    """

    stop: Stop
    size: Amount | None
    break_size: Amount | None = None
    gap: Amount | None = None
    certified_gap: Amount | None = None
    measurements: Count
    minutes: Amount
    detail: Annotated[str, msgspec.Meta(max_length=2000)] = ""


NOTHING_YET = Finding(stop=Stop.UNFINISHED, size=None, measurements=0, minutes=0.0)


class ChildOf(Fact, frozen=True, kw_only=True):
    """The search that asked for a measurement, at which load, for which time.

    `exempt` are reasons that do not count against it: past the knee of a ramp, failed requests are the data.
    """

    parent: str
    size: Amount
    replicate: Annotated[int, msgspec.Meta(ge=1)] = 1
    exempt: tuple[Reason, ...] = ()


def finding_text(method: MethodKind, unit: str, found: Finding) -> str:
    """One sentence: `breaks at 96 streams: throughput falls`. `unit` is of the loads: streams, requests/s."""
    said = {"ramp": _ramp_text, "refine": _refine_text, "reach": _reach_text}[method](unit, found)
    if found.stop is Stop.UNFINISHED:
        return f"unfinished after {found.measurements} measurements; {said}" if found.measurements else "not begun"
    return f"{said}; its measurements are used up" if found.stop is Stop.BUDGET else said


def _ramp_text(unit: str, found: Finding) -> str:
    why = {Stop.THROUGHPUT_FELL: "throughput falls", Stop.ERRORS: "requests fail"}.get(found.stop)
    knee = "" if found.size is None else f"; no surely higher throughput above {found.size:g}"
    if why is None or found.break_size is None:
        return f"not broken{' so far' if found.stop is Stop.UNFINISHED else ''}{knee}"
    return f"breaks at {found.break_size:g} {unit}: {why}{knee}"


def _refine_text(unit: str, found: Finding) -> str:
    if found.size is None:
        return "no frontier: no load brought output"
    end = f"most throughput at {found.size:g} {unit}"
    if found.gap is None or found.certified_gap is None:
        return end
    return f"frontier known within {found.gap:.1%} (at most {found.certified_gap:.1%}); {end}"


def _reach_text(unit: str, found: Finding) -> str:
    not_kept = "" if found.break_size is None else f", not at {found.break_size:g}"
    return (
        f"no load is sure to keep the SLO{not_kept}"
        if found.size is None
        else (f"keeps the SLO up to {found.size:g} {unit}{not_kept}")
    )
