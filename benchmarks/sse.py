"""Server-sent events out of a response body, after the fact: each event with the stamp of the read that completed it.

Grammar: WHATWG HTML, section 9.2 (server-sent events). Only `data` fields matter to completions.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.http1 import StreamFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.http1 import Piece

MAX_LINE_BYTES = 1_000_000
_BOM = b"\xef\xbb\xbf"
_PLAIN_EVENT = re.compile(rb"data: ?([^\r\n]*)\n\n")
_LINE_END = re.compile(rb"\r\n?|\n")


class Event(NamedTuple):
    """`stamp_ns` is of the read that brought the first byte ending the event's blank line."""

    stamp_ns: int
    data: bytes


class Parsed(NamedTuple):
    """`rest` is the data of an event the body ended in the middle of (None: it ended between events)."""

    events: tuple[Event, ...]
    rest: bytes | None


def parse(pieces: Sequence[Piece], *, at_start: bool = True) -> Parsed:
    """All events of a body, or of the rest of one whose beginning has been read (not `at_start`).

    Raises StreamFault on a line over MAX_LINE_BYTES; comments and other fields are dropped.
    """
    body = b"".join(data for _, data in pieces)
    ends = list(accumulate(len(data) for _, data in pieces))
    events = []
    rest: bytes | None = None
    piece = 0
    start = len(_BOM) if at_start and body.startswith(_BOM) else 0
    for at, data in _events_with_offset(body, start):
        if at is None:
            rest = data
            continue
        while ends[piece] <= at:
            piece += 1
        events.append(Event(pieces[piece][0], data))
    return Parsed(tuple(events), rest)


def _events_with_offset(body: bytes, position: int) -> Iterator[tuple[int | None, bytes]]:
    """Each event with the offset of the byte that completes it; None for an unfinished last one."""
    while position < len(body):
        plain = _PLAIN_EVENT.match(body, position)
        if plain:
            position = plain.end()
            _check_length(plain.end(1) - plain.start())
            if plain.start(1) < plain.end(1):
                yield position - 1, plain.group(1)
            continue
        at, position, data = _any_event(body, position)
        if data is not None:
            yield at, data


def _any_event(body: bytes, position: int) -> tuple[int | None, int, bytes | None]:
    """The slow way, line by line, to the next blank line: (completing offset, next position, data if any)."""
    lines: list[bytes] = []
    while True:
        end = _LINE_END.search(body, position)
        line = body[position : end.start() if end else len(body)]
        _check_length(len(line))
        if end is None:
            lines += _data_of(line)
            return None, len(body), b"\n".join(lines) if lines else None
        position = end.end()
        if not line:
            data = b"\n".join(lines)
            return end.start(), position, data or None
        lines += _data_of(line)


def _data_of(line: bytes) -> list[bytes]:
    if line == b"data":
        return [b""]
    if not line.startswith(b"data:"):
        return []
    value = line[5:]
    return [value[1:] if value.startswith(b" ") else value]


def _check_length(length: int) -> None:
    if length > MAX_LINE_BYTES:
        raise StreamFault(f"a line of {length} bytes; at most {MAX_LINE_BYTES} are read")
