from __future__ import annotations

import os
from pathlib import Path

import pytest

from matrix.atomic import write_atomic


def test_bytes_arrive_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [item.name for item in path.parent.iterdir()] == ["file.json"]


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OSError, match="is no file that can be replaced"):
        write_atomic(path, b"x")
    assert path.is_fifo()


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    (path / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        write_atomic(path, b"x")
    assert [item.name for item in tmp_path.iterdir()] == ["folder"]
