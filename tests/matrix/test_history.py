from __future__ import annotations

from pathlib import Path

import pytest

from matrix.errors import FleetError
from matrix.history import History, PointHistory, read_history, write_history

PAST = PointHistory(recipe_digest="r", args_digest="a", seen="2026-01-31", ok="2026-01-30", failures=1, minutes=2.5)


def test_a_history_reads_back_equal_and_is_written_in_one_order(tmp_path: Path) -> None:
    history = History(until="2026-01-31", points={"b": PAST, "a": PAST}, starts={"z": 2.0, "j": 1.0})
    for path, one in ((tmp_path / "one.json", history), (tmp_path / "two.json", read_order(history))):
        write_history(one, path)
        assert read_history(path) == history
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def read_order(history: History) -> History:
    """Equal, with its keys the other way round."""
    return History(
        until=history.until,
        points=dict(reversed(history.points.items())),
        starts=dict(reversed(history.starts.items())),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not a history"),
        ('{"schema_version": 99}', "publish once more"),
        ('{"schema_version": 1, "until": "yesterday"}', "is not a history"),
        ('{"schema_version": 1, "until": "2026-13-45"}', "a night is no date"),
        (
            '{"schema_version": 1, "points": {"k": {"recipe_digest": "r", "args_digest": "a", "seen": "2026-02-30"}}}',
            "a night is no date",
        ),
        ('{"schema_version": 1, "points": {"k": {"recipe_digest": "r"}}}', "missing required field"),
        ('{"schema_version": 1, "until": "\udcff"}', "is not a history"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_history_says_what_is_wrong(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "history.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(FleetError, match=words):
        read_history(tmp_path / "history.json")
