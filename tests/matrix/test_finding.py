from __future__ import annotations

import pytest

from matrix.finding import NOTHING_YET, Finding, Stop, finding_text
from matrix.search import MethodKind


def found(stop: Stop, size: float | None = None, **changes: float) -> Finding:
    return Finding(stop=stop, size=size, measurements=5, minutes=3.0, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "finding", "text"),
    [
        (
            "ramp",
            found(Stop.THROUGHPUT_FELL, 64, break_size=96),
            "breaks at 96 streams: throughput falls; no surely higher throughput above 64",
        ),
        ("ramp", found(Stop.ERRORS, break_size=1), "breaks at 1 streams: requests fail"),
        ("ramp", found(Stop.BOUND, 64), "not broken; no surely higher throughput above 64"),
        (
            "ramp",
            found(Stop.UNFINISHED, 4),
            "unfinished after 5 measurements; not broken so far; no surely higher throughput above 4",
        ),
        ("ramp", NOTHING_YET, "not begun"),
        (
            "refine",
            found(Stop.GAP, 64, gap=0.01, certified_gap=0.04),
            "frontier known within 1.0% (at most 4.0%); most throughput at 64 streams",
        ),
        ("refine", found(Stop.BUDGET, 8), "most throughput at 8 streams; its measurements are used up"),
        ("refine", found(Stop.BOUND), "no frontier: no load brought output"),
        ("reach", found(Stop.EDGE, 40, break_size=42), "keeps the SLO up to 40 streams, not at 42"),
        ("reach", found(Stop.NOTHING_KEEPS_IT, break_size=1), "no load is sure to keep the SLO, not at 1"),
    ],
)
def test_a_finding_is_a_sentence(method: MethodKind, finding: Finding, text: str) -> None:
    assert finding_text(method, "streams", finding) == text
