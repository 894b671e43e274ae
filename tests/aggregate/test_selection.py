from __future__ import annotations

import pytest

from aggregate.dataset import to_rows, to_table
from aggregate.selection import selected
from matrix.errors import FleetError
from matrix.select import parse_selector
from tests.aggregate.test_dataset import some_rows


def test_rows_are_selected_by_the_words_that_select_points() -> None:
    table = to_table(some_rows())
    kept = to_rows(selected(table, parse_selector({"recipe": ("r0",), "conc": ("2..8",)})))
    assert [row.point_id for row in kept] == [
        row.point_id for row in some_rows() if row.recipe == "r0" and 2 <= row.concurrency <= 8
    ]
    assert kept


def test_no_condition_takes_every_row() -> None:
    table = to_table(some_rows())
    assert selected(table, parse_selector({})) is table


def test_a_selection_of_nothing_says_what_there_is() -> None:
    with pytest.raises(FleetError, match="r0"):
        selected(to_table(some_rows()), parse_selector({"recipe": ("none-such",)}))
