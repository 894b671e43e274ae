"""How numbers and words are written for people. The page's script repeats `significant` for the chart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aggregate.site.records import Figures, Measurement

UNKNOWN = "not recorded"


def significant(value: float, digits: int = 3) -> str:
    """`value` to `digits` significant digits, never in exponent form, thousands separated: 1234.5 -> 1,230."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "–"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    return f"{rounded:,.{max(decimals, 0)}f}"


def milliseconds(value_s: float) -> str:
    """Seconds, written as milliseconds."""
    return significant(value_s * 1e3)


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal; a dash where there is none."""
    return "–" if share is None else f"{share * 100:.1f} %"


def plural(count: int, one: str) -> str:
    """`1 night`, `3 nights`."""
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"


def evidence(figures: Figures) -> str:
    """How much stands behind a number: `412 requests, 3 nights`."""
    return f"{plural(figures.requests, 'request')}, {plural(figures.nights, 'night')}"


def load(dot: Measurement) -> str:
    """`16` requests in flight, or `2.5/s`: as short as a chart's label."""
    return f"{dot.concurrency}" if dot.rate_per_s is None else f"{dot.rate_per_s:g}/s"


def goodput(figures: Figures) -> str:
    """`1.25 (98.0 %)`: requests per second within the limits, and their share of all; a dash without limits."""
    if figures.goodput_requests_per_s is None:
        return "–"
    return f"{significant(figures.goodput_requests_per_s)} ({percent(figures.goodput_share)})"


def short(digest: str) -> str:
    """The first twelve characters of a digest, enough to tell two apart on a page."""
    return digest[:12]
