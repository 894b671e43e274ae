from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.http1 import StreamFault
from benchmarks.sse import MAX_LINE_BYTES, Event, parse

BLOCKS = [
    b"data: plain\n\n",
    b"data:tight\n\n",
    b"data: crlf\r\n\r\n",
    b"data: cr\r\r",
    b"data: first\ndata: second\n\n",
    b": a comment\n\n",
    b": note\nid: 3\nevent: x\ndata: after a comment\n\n",
    b"data\n\n",
    b"data:\n\n",
    b"data: \xc3\xa9\xf0\x9f\x98\x80\n\n",
    b"retry: 5\r\n\r\n",
    b"\n\n\n",
]


def reference(body: bytes) -> list[tuple[int, bytes]]:
    """The standard's algorithm, a byte at a time: (offset of the byte that completes the event, its data)."""
    found: list[tuple[int, bytes]] = []
    lines: list[bytes] = []
    line = b""
    start = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    for at in range(start, len(body)):
        byte = body[at : at + 1]
        if byte not in b"\r\n":
            line += byte
        elif byte == b"\r" or at == start or body[at - 1 : at] != b"\r":
            name, _, value = line.partition(b":")
            if name == b"data":
                lines.append(value.removeprefix(b" "))
            if not line:
                if b"\n".join(lines):
                    found.append((at, b"\n".join(lines)))
                lines = []
            line = b""
    return found


@given(
    blocks=st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=12),
    cuts=st.lists(st.integers(0, 10_000), max_size=15),
    bom=st.booleans(),
)
def test_any_chunking_gives_the_same_events_with_the_stamp_that_completed_each(
    blocks: list[bytes], cuts: list[int], bom: bool
) -> None:
    body = b"\xef\xbb\xbf" * bom + b"".join(blocks)
    edges = sorted({0, len(body), *(cut % len(body) for cut in cuts)})
    pieces = [(start, body[start:end]) for start, end in itertools.pairwise(edges)]
    expected = tuple(Event(max(edge for edge in edges if edge <= at), data) for at, data in reference(body))
    assert parse(pieces).events == expected


@given(body=st.binary(max_size=200), cut=st.integers(0, 200))
def test_arbitrary_bytes_give_what_the_standard_says(body: bytes, cut: int) -> None:
    parsed = parse([piece for piece in ((0, body[:cut]), (1, body[cut:])) if piece[1]])
    assert [event.data for event in parsed.events] == [data for _, data in reference(body)]


def test_an_unfinished_event_is_told_apart_from_the_finished() -> None:
    parsed = parse([(1, b"data: whole\n\ndata: [DONE]\n")])
    assert parsed.events == (Event(1, b"whole"),)
    assert parsed.rest == b"[DONE]"


def test_an_empty_body_has_no_events() -> None:
    assert parse([]) == ((), None)


@pytest.mark.fault(17)
@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b""])
def test_a_line_over_the_cap_is_a_fault(end: bytes) -> None:
    with pytest.raises(StreamFault, match="a line of"):
        parse([(0, b"data: " + b"x" * MAX_LINE_BYTES + end)])
