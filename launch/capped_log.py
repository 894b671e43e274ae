"""A server's log on disk: the whole of it up to a cap, beyond that its head and its tail.

`launch.process` runs this file as a program of its own, for two reasons: a chatty server then cannot steal the
interpreter lock from the client that is measuring it, and the pipe stays open when the runner is killed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

CAP_BYTES = 256 * 1024 * 1024
TAIL_BYTES = 8 * 1024
_READ_BYTES = 64 * 1024


class CappedLog:
    """Half of the cap is the head; the tail is kept in two files of a quarter each that take turns."""

    def __init__(self, path: Path, cap_bytes: int) -> None:
        self._path = path
        self._older = path.with_name(path.name + ".older")
        self._newer = path.with_name(path.name + ".newer")
        self._segment_bytes = cap_bytes // 4
        self._room = cap_bytes // 2
        self._received = 0
        self._out = path.open("wb", buffering=0)

    def write(self, data: bytes) -> None:
        self._received += len(data)
        while data:
            part, data = data[: self._room], data[self._room :]
            self._out.write(part)
            self._room -= len(part)
            if data:
                self._next_segment()

    def close(self) -> None:
        """Join what was kept into the one file, with a line that says how much is not there."""
        self._out.close()
        segments = [path for path in (self._older, self._newer) if path.exists()]
        if not segments:
            return
        kept = sum(path.stat().st_size for path in (self._path, *segments))
        with self._path.open("ab") as log:
            if kept < self._received:
                log.write(b"\n[inferfleet: %d bytes left out here]\n" % (self._received - kept))
            for path in segments:
                log.write(path.read_bytes())
                path.unlink()

    def _next_segment(self) -> None:
        self._out.close()
        if self._newer.exists():
            self._newer.replace(self._older)
        self._out = self._newer.open("wb", buffering=0)
        self._room = self._segment_bytes


def read_tail(path: Path, limit_bytes: int = TAIL_BYTES) -> str:
    """The last bytes of a log, finished or still being written. Untrusted text: never print it as it is in CI."""
    blocks: list[bytes] = []
    for part in (path.with_name(path.name + ".newer"), path.with_name(path.name + ".older"), path):
        wanted = limit_bytes - sum(map(len, blocks))
        if wanted > 0 and part.exists():
            blocks.append(_last_bytes(part, wanted))
    return b"".join(reversed(blocks)).decode("utf-8", errors="replace")


def _last_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - count))
        return file.read(count)


def pump(source: int, log: CappedLog) -> None:
    """Copy until every writer is gone. A full disk loses log, and must not block the server on its pipe."""
    while data := os.read(source, _READ_BYTES):
        try:
            log.write(data)
        except OSError:
            continue
    log.close()


if __name__ == "__main__":
    pump(sys.stdin.fileno(), CappedLog(Path(sys.argv[1]), int(sys.argv[2])))
