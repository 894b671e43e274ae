"""What `make parity` calls agreement, on numbers by hand."""

from __future__ import annotations

import pytest

from tests.perf.parity.table import FIGURES, compare, show

SAME = dict.fromkeys(FIGURES, 10.0)


def verdict(figure: str, ours: list[float], theirs: list[float]) -> bool:
    rows = compare([{**SAME, figure: value} for value in ours], [{**SAME, figure: value} for value in theirs])
    assert [row.figure for row in rows if not row.agrees] in ([], [figure])
    return all(row.agrees for row in rows)


@pytest.mark.parametrize(
    ("ours", "theirs", "agrees"),
    [
        ([10, 11, 12], [11, 12, 13], True),  # the medians are 1 apart, each tool 2 apart from itself
        ([10, 10.1, 10.2], [11, 11.1, 11.2], False),
        ([8, 10, 12], [11, 11, 11], True),  # the wider of the two counts
        ([10, 10, 10], [10, 10, 10], True),
    ],
)
def test_a_figure_agrees_within_what_a_tool_differs_from_itself(
    ours: list[float], theirs: list[float], agrees: bool
) -> None:
    assert verdict("mean_ttft_ms", ours, theirs) is agrees


def test_counts_agree_only_when_they_are_equal() -> None:
    assert not verdict("total_output_tokens", [512, 512, 512], [512, 511, 512])


def test_what_differs_is_named_in_the_table() -> None:
    shown = show(compare([SAME], [{**SAME, "duration": 11.0}]))
    assert [line.split()[0] for line in shown.splitlines() if "DIFFERS" in line] == ["duration"]
