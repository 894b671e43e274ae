"""The usual answer read in bulk: every HTTP chunk one whole event of one JSON object, all of them decoded in one go.

A third of the time of `http1` and `sse`, which read everything else: whatever is unusual here is left to them, so
that there is one opinion on it. Where this module does not decline, it finds what they would find (tested).
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from operator import methodcaller
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.sse import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

RESPONSE_END = b"0\r\n\r\n"
EVENT_END = b"}\n\n\r\n"
_FIRST = b"data: "
_LAST = b"}\n\n"
_BETWEEN = b"}\n\ndata: {"
_DONE = b"data: [DONE]\n\n"
_ends_object = methodcaller("endswith", _LAST)
_HEX = tuple(b"%x" % length for length in range(4096))
_AROUND = len(b"\r\n") * 2  # after the size, and after the data


class Block(NamedTuple):
    """The data of consecutive events as one JSON array, and the offset at which each event's chunk ends.

    `done` if `[DONE]` followed them; it is not among them, and nothing came after it.
    """

    array: bytes
    ends: list[int]
    done: bool


def read_block(raw: bytes) -> Block | None:
    """`raw` is whole chunks of a chunked body, perhaps with the body's end. None for anything out of the ordinary."""
    fields = raw.split(b"\r\n")
    whole = -3 if raw == RESPONSE_END or raw.endswith(b"\r\n" + RESPONSE_END) else -1
    sizes, datas = fields[:whole:2], fields[1:whole:2]
    if fields[-1] or not _sizes_fit(sizes, datas):
        return None
    ends = list(accumulate([len(size) + len(data) + _AROUND for size, data in zip(sizes, datas, strict=True)]))
    done = bool(datas) and datas[-1] == _DONE
    if done:
        del datas[-1], ends[-1]
    array = _array(datas)
    return None if array is None else Block(array, ends, done)


def _sizes_fit(sizes: list[bytes], datas: list[bytes]) -> bool:
    """Whether there is a size for each data, and the right one."""
    right = [_HEX[length] if length < len(_HEX) else b"%x" % length for length in map(len, datas)]
    return sizes == right or [size.lower() for size in sizes] == right


def _array(datas: list[bytes]) -> bytes | None:
    joined = b"".join(datas)
    if not joined:
        return b"[]"
    ordinary = joined.startswith(_FIRST) and len(joined) < MAX_LINE_BYTES
    if not ordinary or not all(map(_ends_object, datas)):
        return None
    inner = joined[len(_FIRST) : 1 - len(_LAST)].replace(_BETWEEN, b"},{")
    # a line break that is left is one inside an event, or one too many between two
    return None if b"\n" in inner or b"\r" in inner else b"[%b]" % inner


def stamps_of(ends: list[int], read_ends: list[int], marks: Sequence[int]) -> list[int]:
    """For each event, the mark of the read that completed it. `read_ends` are offsets in the same bytes as `ends`."""
    last = len(read_ends) - 1
    if last >= 0 and len(ends) >= last and ends[:last] == read_ends[:last]:  # as it nearly always is: an event a read
        return [*marks[:last], *[marks[last]] * (len(ends) - last)]
    blank_line = len(EVENT_END) - len(_LAST) + 1  # from the byte that completes an event to its chunk's end
    return [marks[bisect_right(read_ends, end - blank_line)] for end in ends]
