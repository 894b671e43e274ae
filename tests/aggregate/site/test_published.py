from __future__ import annotations

import pytest

from aggregate.site.build import PUBLISHED, published_rows
from aggregate.site.published import load_published, published_groups
from matrix.errors import FleetError


def test_the_shipped_history_is_read_and_every_row_names_its_source() -> None:
    rows = published_rows()
    assert len(rows) >= 24
    assert all("aiconfigurator-core" in row.source for row in rows)
    assert sum(len(series.dots) for group in published_groups(rows) for series in group.series) == len(rows)


def test_a_bad_row_is_named_by_its_line() -> None:
    lines = PUBLISHED.read_text().splitlines()
    lines[2] = lines[2].replace(",8,", ",0,")
    with pytest.raises(FleetError, match=r"history\.csv:3: .*concurrency"):
        load_published("\n".join(lines), "history.csv")


def test_an_unknown_column_is_refused() -> None:
    header, first, *_ = PUBLISHED.read_text().splitlines()
    with pytest.raises(FleetError, match="unknown field"):
        load_published(f"{header},extra\n{first},1\n", "history.csv")
