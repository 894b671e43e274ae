from __future__ import annotations

import itertools
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.http1 import Framing, StreamFault, parse_head, request_head

BODY = b"data: one\n\ndata: two\r\n\r\n0\r\n\r\nmore"


def chunked(body: bytes, sizes: list[int]) -> bytes:
    out = b""
    for size in sizes:
        part, body = body[:size], body[size:]
        if part:
            out += b"%x;ext=1\r\n%s\r\n" % (len(part), part)
    if body:
        out += b"%X\r\n%s\r\n" % (len(body), body)
    return out + b"0\r\nTrailer: x\r\n\r\n"


def fed(reads: list[bytes]) -> Framing:
    framing = Framing()
    for stamp, data in enumerate(reads):
        framing.feed(stamp, data)
    return framing


def cut_at(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % len(data) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


@given(sizes=st.lists(st.integers(1, 9), max_size=8), cuts=st.lists(st.integers(0, 10_000), max_size=12))
def test_any_cutting_of_a_chunked_response_gives_the_same_body(sizes: list[int], cuts: list[int]) -> None:
    response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(BODY, sizes)
    framing = fed(cut_at(response, cuts))
    assert framing.done
    assert b"".join(data for _, data in framing.pieces) == BODY


@given(cuts=st.lists(st.integers(0, 10_000), max_size=12))
def test_each_body_byte_carries_the_stamp_of_its_read(cuts: list[int]) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    reads = cut_at(head + BODY, cuts)
    framing = fed(reads)
    expected = [read for read in range(len(reads)) for _ in reads[read]][len(head) :]
    assert [stamp for stamp, data in framing.pieces for _ in data] == expected
    assert framing.done


def test_a_body_without_length_ends_with_the_connection() -> None:
    framing = fed([b"HTTP/1.0 200 OK\r\n\r\nabc"])
    assert not framing.done
    assert framing.at_eof()
    assert framing.head is not None
    assert not framing.head.keeps_alive


def test_a_chunked_body_cut_short_is_not_complete_at_the_end_of_the_connection() -> None:
    framing = fed([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"])
    assert not framing.at_eof()


def test_an_interim_response_is_passed_over() -> None:
    framing = fed([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"])
    assert framing.done
    assert framing.head is not None
    assert framing.head.status == 204


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not an HTTP/1 response"),
        (b"HTTP/1.1 abc\r\n\r\n", "not an HTTP/1 response"),
        (b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", "without a colon"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "content-length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "negative"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", "longer than its size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 2000, "without an end"),
        (b"H" * 70_000, "head longer"),
    ],
)
def test_bytes_that_are_not_http_are_a_fault(response: bytes, message: str) -> None:
    with pytest.raises(StreamFault, match=message):
        fed([response])


@given(data=st.binary(max_size=300))
def test_no_bytes_from_a_server_crash_the_framing(data: bytes) -> None:
    framing = Framing()
    with suppress(StreamFault):
        framing.feed(0, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
    assert sum(len(piece) for _, piece in framing.pieces) <= len(data)


def test_a_request_states_its_host_and_stays_open_for_more() -> None:
    head = request_head("::1", 8000, "/v1/completions", {"X-Extra": "7"})
    assert head.startswith(b"POST /v1/completions HTTP/1.1\r\nHost: [::1]:8000\r\n")
    assert head.endswith(b"X-Extra: 7\r\n")


def test_a_header_value_cannot_smuggle_a_line() -> None:
    with pytest.raises(ValueError, match="not printable"):
        request_head("h", 1, "/", {"Authorization": "a\r\nX: y"})


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"HTTP/1.1 200 OK", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Close", False),
        (b"HTTP/1.0 200 OK", False),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive", True),
    ],
)
def test_whether_a_connection_is_kept(head: bytes, keeps: bool) -> None:
    assert parse_head(head).keeps_alive is keeps
