from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.answer import DETAIL_CHARS
from benchmarks.exchange import Exchange
from benchmarks.http1 import StreamFault
from benchmarks.latency import chunk_gaps_s, e2e_of, tpot_of, ttft_of
from benchmarks.records import RequestError, RequestRecord
from benchmarks.responses import printable, record_of

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(value: object) -> bytes:
    data = b"[DONE]" if value == "[DONE]" else json.dumps(value).encode()
    framed = b"data: " + data + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(framed), framed)


def text(content: str, **more: object) -> dict[str, object]:
    return {"choices": [{"text": content}], **more}


def delta(**fields: object) -> dict[str, object]:
    return {"choices": [{"delta": fields}]}


def answered(*reads: bytes) -> Exchange:
    """An exchange whose reads came at 1, 2, 3, ..."""
    exchange = Exchange(index=0, asked_input_tokens=5, asked_output_tokens=2, payload=b"", sent_ns=0)
    for stamp, data in enumerate(reads, start=1):
        exchange.add(stamp, data)
    if not exchange.begin():
        exchange.follow()
    exchange.end_ns = exchange.closed_ns = len(reads)
    return exchange


def recorded(*values: object) -> RequestRecord:
    """The record of a stream with one event per read; the head is read number 1."""
    return record_of(answered(HEAD, *map(event, values), b"0\r\n\r\n"))[0]


USAGE = {"prompt_tokens": 5, "completion_tokens": 2}


@pytest.mark.parametrize(
    "values",
    [
        [text("a"), text("b"), {"choices": [], "usage": USAGE}],
        [text("a"), text("b"), text("", usage=USAGE)],
        [text("a"), text("b", usage=USAGE)],
        [text("a", usage={"prompt_tokens": 5, "completion_tokens": 1}), text("b", usage=USAGE)],
        [text("a"), text("b"), {"usage": USAGE}, {"choices": None, "usage": None}],
    ],
)
def test_usage_is_read_from_whichever_event_has_it(values: list[object]) -> None:
    record = recorded(*values, "[DONE]")
    assert record.error is None
    assert (record.input_tokens, record.output_tokens) == (5, 2)
    assert list(record.chunk_ns) == [2, 3]


@pytest.mark.fault(18)
def test_only_content_makes_a_token_time() -> None:
    record = recorded(
        delta(role="assistant", content=""),
        delta(reasoning_content="hm"),
        delta(reasoning="hm"),
        delta(content=None, tool_calls=[]),
        delta(tool_calls=[{"function": {"name": "f"}}]),
        delta(content="yes"),
        delta(),
        "[DONE]",
    )
    assert list(record.chunk_ns) == [3, 4, 6, 7]
    assert (record.first_ns, record.last_ns, record.worst_gap_ns) == (3, 7, 2)


@pytest.mark.fault(18)
def test_events_that_share_a_read_share_its_stamp_and_are_counted() -> None:
    reads = (HEAD + event(text("a")), event(text("b")) + event(text("c")) + event(text("d")), event("[DONE]"))
    record, several = record_of(answered(*reads, b"0\r\n\r\n"))
    assert list(record.chunk_ns) == [1, 2, 2, 2]
    assert several == 1


@given(cuts=st.lists(st.integers(0, 10_000), max_size=20))
def test_however_a_stream_is_cut_it_says_the_same(cuts: list[int]) -> None:
    stream = HEAD + b"".join(map(event, [text("é"), text("b"), text("", usage=USAGE), "[DONE]"])) + b"0\r\n\r\n"
    edges = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    reads = [stream[start:end] for start, end in itertools.pairwise(edges)]
    record = record_of(answered(*reads))[0]
    whole = record_of(answered(stream))[0]
    assert record.error is None
    assert (record.chunks, record.output_tokens, record.text_digest) == (2, 2, whole.text_digest)


def test_equal_texts_have_equal_digests_however_they_were_chunked() -> None:
    one = recorded(text("ab"), "[DONE]")
    two = recorded(text("a"), text("b"), "[DONE]")
    other = recorded(text("a"), text("c"), "[DONE]")
    assert one.text_digest == two.text_digest != other.text_digest


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    "bad", [b'{"choices": [{"text": ', b'{"choices": 3}', b'{"choices": [{"text": "\xff"}]}', b"null", b'{"a":1}x']
)
def test_an_event_that_is_not_a_chunk_fails_its_request(bad: bytes) -> None:
    framed = b"data: " + bad + b"\n\n"
    reads = (HEAD, event(text("a")), b"%x\r\n%s\r\n" % (len(framed), framed), event("[DONE]"), b"0\r\n\r\n")
    record = record_of(answered(*reads))[0]
    assert record.error is RequestError.BAD_STREAM
    assert "JSON" in record.detail
    assert record.chunks == 0


@pytest.mark.fault(14)
def test_an_error_inside_the_stream_fails_its_request() -> None:
    record = recorded(text("a"), {"error": {"message": "out of memory"}}, "[DONE]")
    assert record.error is RequestError.BAD_STREAM
    assert "out of memory" in record.detail


def test_a_null_error_field_is_no_error() -> None:
    assert recorded(text("a", error=None), "[DONE]").error is None


def test_nothing_after_done_is_read() -> None:
    assert recorded(text("a"), "[DONE]", {"error": "late"}).error is None


def test_a_done_without_its_blank_line_counts() -> None:
    reads = (HEAD, event(text("a")), b"d\r\ndata: [DONE]\n\r\n", b"0\r\n\r\n")
    assert record_of(answered(*reads))[0].error is None


@pytest.mark.fault(15)
def test_a_stream_without_done_is_truncated_and_its_tokens_do_not_count() -> None:
    record = recorded(text("a", usage=USAGE))
    assert record.error is RequestError.TRUNCATED_STREAM
    assert (record.chunks, record.output_tokens) == (0, None)


@pytest.mark.fault(24)
@pytest.mark.parametrize("step", [1000, -1000])
def test_stamps_of_a_stepped_clock_are_not_believed(step: int) -> None:
    exchange = Exchange(index=0, asked_input_tokens=5, asked_output_tokens=3, payload=b"", sent_ns=100)
    for stamp, data in [(110, HEAD + event(text("a"))), (120 + step, event(text("b"))), (130, event(text("c")))]:
        exchange.add(stamp, data)
    exchange.begin()
    exchange.add(140 + step, event("[DONE]") + b"0\r\n\r\n")
    exchange.end_ns, exchange.closed_ns = 140 + step, 150
    record = record_of(exchange)[0]
    assert record.chunks == 3
    assert 100 <= min(record.chunk_ns) <= max(record.chunk_ns) <= record.end_ns <= 150 or step < 0
    assert list(record.chunk_ns) == sorted(record.chunk_ns)
    assert 100 <= record.end_ns <= 150


@pytest.mark.fault(24)
@example(gaps=[10, 10], steps=[(1, -70)], late=10)
@given(
    gaps=st.lists(st.integers(0, 50), min_size=1, max_size=30),
    steps=st.lists(st.tuples(st.integers(0, 29), st.integers(-200, 200)), max_size=4),
    late=st.integers(0, 20),
)
def test_no_step_of_the_clock_makes_a_latency_negative(
    gaps: list[int], steps: list[tuple[int, int]], late: int
) -> None:
    """Reads really arrive `gaps` apart; at each step the wall clock jumps, and all later stamps with it."""
    exchange = Exchange(index=0, asked_input_tokens=5, asked_output_tokens=len(gaps), payload=b"", sent_ns=1000)
    arrived, marks = 1000, []
    for place, gap in enumerate(gaps):
        arrived += gap
        marks.append(arrived + sum(size for at, size in steps if at <= place))
        exchange.add(marks[-1], (b"" if place else HEAD) + event(text(f"{place} ")))
        if place == 0:
            exchange.begin()
    exchange.add(marks[-1], event("[DONE]") + b"0\r\n\r\n")
    exchange.end_ns, exchange.closed_ns = marks[-1], arrived + late
    record = record_of(exchange)[0]
    assert record.error is None
    assert record.chunks == len(gaps)
    assert record.first_ns is not None
    assert record.last_ns is not None
    stamps = list(record.chunk_ns)
    assert stamps == sorted(stamps)
    assert 1000 <= record.first_ns <= record.last_ns <= record.end_ns <= arrived + late
    assert all(value >= 0 for of in (ttft_of, tpot_of, e2e_of, chunk_gaps_s) for value in of(record))
    assert 0 <= record.worst_gap_ns <= record.last_ns - record.first_ns
    if marks == sorted(marks) and marks[0] >= 1000 and marks[-1] <= arrived + late:
        assert stamps == marks  # nothing that can have been is touched


@pytest.mark.fault(13)
def test_a_sample_of_an_error_body_is_kept_and_safe_to_print() -> None:
    body = "\x1b[31mno\n" + "é" * 5000
    head = f"HTTP/1.1 502 Bad Gateway\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    record = record_of(answered(head.encode() + body.encode()))[0]
    assert (record.error, record.status) == (RequestError.HTTP_STATUS, 502)
    assert record.detail.startswith("?[31mno")
    assert len(record.detail) == DETAIL_CHARS


@given(message=st.text())
def test_details_are_short_printable_ascii(message: str) -> None:
    shown = printable(message)
    assert shown.isascii()
    assert len(shown) <= DETAIL_CHARS
    assert not shown or shown.isprintable()


@given(body=st.binary(max_size=300))
def test_no_body_crashes_the_reader(body: bytes) -> None:
    exchange = answered(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", body)
    assert record_of(exchange)[0].error in {
        None,
        RequestError.BAD_STREAM,
        RequestError.TRUNCATED_STREAM,
    }


def test_feeding_is_incremental() -> None:
    exchange = answered(HEAD)
    exchange.add(2, b"zz\r\n")
    with pytest.raises(StreamFault):
        exchange.follow()
