"""The fast reader against the careful one: whatever it does not decline, both read the same."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bulk import read_block, stamps_of
from benchmarks.exchange import Exchange
from benchmarks.responses import record_of
from tests.benchmarks.streams_by_hand import DONE, END, HEAD, ODD, ORDINARY, framed, read


@given(
    blocks=st.lists(st.sampled_from(ORDINARY * 3 + ODD), max_size=12),
    cuts=st.lists(st.integers(0, 10_000), max_size=15),
    done=st.booleans(),
)
def test_both_readers_say_the_same_of_any_stream_in_any_reads(blocks: list[bytes], cuts: list[int], done: bool) -> None:
    stream = HEAD + b"".join(map(framed, blocks)) + framed(DONE) * done + END
    edges = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    assert read(stream, edges, fast=True) == read(stream, edges, fast=False)


@given(
    blocks=st.lists(st.sampled_from(ORDINARY), min_size=1, max_size=20),
    cuts=st.lists(st.integers(0, 10_000), max_size=15),
    pauses=st.sets(st.integers(0, 15)),
)
def test_an_answer_read_through_in_parts_says_the_same(blocks: list[bytes], cuts: list[int], pauses: set[int]) -> None:
    stream = HEAD + b"".join(map(framed, [*blocks, DONE])) + END
    edges = sorted({0, len(HEAD), len(stream), *(max(len(HEAD), cut % len(stream)) for cut in cuts)})
    exchange = Exchange(index=0, asked_input_tokens=5, asked_output_tokens=2, payload=b"", sent_ns=0)
    for stamp, (start, end) in enumerate(itertools.pairwise(edges), start=1):
        exchange.add(stamp, stream[start:end])
        if stamp == 1:
            assert exchange.begin()
        if stamp in pauses and stamp < len(edges) - 1:
            assert exchange.digest()
    assert exchange.plain
    assert exchange.ends()
    exchange.end_ns = exchange.closed_ns = len(edges) - 1
    assert record_of(exchange)[0] == read(stream, edges, fast=False)
    assert exchange.framing is None


@given(data=st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=9), max_size=2), max_size=9))
def test_what_is_ordinary_is_not_declined(data: list[dict[str, str]]) -> None:
    values = [json.dumps(one).encode() for one in data]
    chunks = [framed(b"data: " + value + b"\n\n") for value in values]
    block = read_block(b"".join([*chunks, framed(DONE), END]))
    assert block is not None
    assert block.done
    assert json.loads(block.array) == data
    assert block.ends == list(itertools.accumulate(map(len, chunks)))


@pytest.mark.parametrize(
    "raw",
    [
        b"5\r\ndata:",
        b"zz\r\ndata: {}\n\n\r\n",
        b"a\r\ndata: {}\n\n\r\nb",
        b"9\r\ndata: {}\n\n\r\n0\r\n\r\n",
        b"A\r\n{}",
    ],
)
def test_what_does_not_fit_is_declined(raw: bytes) -> None:
    assert read_block(raw) is None


def test_an_event_takes_the_stamp_of_the_read_that_ended_its_blank_line() -> None:
    assert stamps_of([10, 20, 30], [10, 20, 30], [1, 2, 3]) == [1, 2, 3]
    assert stamps_of([10, 20, 30], [10, 45], [1, 2]) == [1, 2, 2]
    assert stamps_of([10, 20, 30], [7, 8, 25, 30], [1, 2, 3, 4]) == [2, 3, 4]
    assert stamps_of([], [5], [1]) == []


def test_a_byte_order_mark_in_the_middle_is_no_beginning() -> None:
    """Found by fuzzing: after a part that was read in bulk, the rest began anew."""
    stream = HEAD + framed(ORDINARY[0]) + framed(b"\xef\xbb\xbf") + framed(b'data: {"half')
    edges = [0, 106, len(stream)]
    assert read(stream, edges, fast=True) == read(stream, edges, fast=False)
