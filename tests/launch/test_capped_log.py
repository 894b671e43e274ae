from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from launch.capped_log import CappedLog, read_tail

_MARKER = re.compile(rb"\n\[inferfleet: (\d+) bytes left out here\]\n")
_lines = st.lists(st.text("abc\n", max_size=300).map(str.encode), max_size=40)


@given(chunks=_lines, cap_bytes=st.integers(16, 2000))
def test_what_is_kept_is_a_head_and_a_tail_and_the_gap_is_counted(chunks: list[bytes], cap_bytes: int) -> None:
    written = b"".join(chunks)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "server.log"
        log = CappedLog(path, cap_bytes)
        for chunk in chunks:
            log.write(chunk)
        log.close()
        kept = path.read_bytes()
    gap = _MARKER.search(kept)
    if gap is None:
        assert kept == written
        return
    head, tail = kept[: gap.start()], kept[gap.end() :]
    assert written.startswith(head)
    assert written.endswith(tail)
    assert len(head) + int(gap[1]) + len(tail) == len(written)
    assert cap_bytes // 4 <= len(tail)
    assert len(head) + len(tail) <= cap_bytes


@given(chunks=_lines, cap_bytes=st.integers(16, 2000))
def test_the_tail_of_a_log_still_being_written_is_the_newest_text(chunks: list[bytes], cap_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "server.log"
        log = CappedLog(path, cap_bytes)
        for chunk in chunks:
            log.write(chunk)
        limit = cap_bytes // 4
        tail = read_tail(path, limit)
        log.close()
    assert tail == b"".join(chunks)[-limit:].decode()


def test_bytes_that_are_not_text_do_not_hide_the_tail(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    path.write_bytes(b"\xff\xfeboom")
    assert read_tail(path).endswith("boom")
    assert read_tail(tmp_path / "none.log") == ""
