"""Streams for the readers' tests: ordinary events and odd ones, and reading them either way."""

from __future__ import annotations

import itertools

from benchmarks.exchange import Exchange
from benchmarks.http1 import StreamFault
from benchmarks.records import RequestError, RequestRecord
from benchmarks.responses import record_of

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"
ORDINARY = [
    b'data: {"choices":[{"text":"a"}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"b"}}],"usage":null}\n\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n',
]
ODD = [
    b'data: {"choices":[{"text":"two"}]}\n\ndata: {"choices":[{"text":"events"}]}\n\n',
    b'data: {"choices":[{"text":"crlf"}]}\r\n\r\n',
    b'data: {"choices":[{"text":"cr"}]}\r\r',
    b': note\n\ndata: {"choices":[{"text":"after a comment"}]}\n\n',
    b'data:{"choices":[{"text":"tight"}]}\n\n',
    b'data: {"choices":[{"text":"half"}',
    b'data: {"choices":\ndata: []}\n\n',
    b'data: {"choices":\n[]}\n\n',
    b'data: {"choices":[]},{"choices":[]}\n\n',
    b'data: {"error":{"message":"boom"}}\n\n',
    b"data: [DONE]\n\n",
    b"data: \n\n",
    b"data: 7\n\n",
    b"\xef\xbb\xbf",
    b"\n\n",
]


def framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def read(stream: bytes, edges: list[int], *, fast: bool) -> RequestRecord:
    """Read number n of the stream came at n."""
    exchange = Exchange(index=0, asked_input_tokens=5, asked_output_tokens=2, payload=b"", sent_ns=0)
    last = len(edges) - 1
    try:
        for stamp, (start, end) in enumerate(itertools.pairwise(edges), start=1):
            first = not exchange.answered
            exchange.add(stamp, stream[start:end])
            if not ((first and exchange.begin()) or exchange.plain):
                exchange.follow()
        if not fast:
            exchange.follow()
    except StreamFault as fault:
        exchange.error, exchange.detail = RequestError.BAD_STREAM, str(fault)
    exchange.end_ns = exchange.closed_ns = last
    return record_of(exchange)[0]
