from __future__ import annotations

import json
import multiprocessing
import socket
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import pytest

from benchmarks.client import run_load
from benchmarks.paced_server import Pace, Truth, serve
from benchmarks.processes import receive, started
from benchmarks.prompts import random_prompts
from benchmarks.records import Target
from matrix.dialect import Dialect
from matrix.point import Concurrency
from matrix.workload import RandomWorkload
from tests.benchmarks.loads import errors, stop_after

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.processes import Pipe

PACE = Pace(ttft_ns=30_000_000, itl_ns=10_000_000)
WORKLOAD = RandomWorkload(name="paced", isl=40, osl=12, ratio=0.5)


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[tuple[int, Pipe]]:
    with started(serve, [(PACE, host)]) as (pipe,):
        yield cast("int", receive(pipe)), pipe


def truth_of(pipe: Pipe) -> Truth:
    pipe.send("stop")
    return cast("Truth", receive(pipe))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_request_is_answered_in_full_and_remembered(host: str) -> None:
    try:
        socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with serving(host) as (port, pipe):
        target = Target(host=host, port=port, model="m", dialect=Dialect())
        window = run_load(target, random_prompts(WORKLOAD, (1, 99), "p"), Concurrency(streams=3), stop_after(9))
        truth = truth_of(pipe)
    assert errors(window) == {None}
    for record in window.records:
        served = truth.requests[record.index]
        assert record.input_tokens == record.asked_input_tokens
        assert record.output_tokens == record.asked_output_tokens == len(served.sent_ns)
        assert record.sent_ns <= served.arrived_ns
        assert all(sent <= seen for sent, seen in zip(served.sent_ns, record.chunk_ns, strict=True))
    assert len({record.text_digest for record in window.records}) == len(window.records)


def test_tokens_never_leave_before_their_tick_and_ticks_are_common() -> None:
    with serving() as (port, pipe):
        target = Target(host="127.0.0.1", port=port, model="m", dialect=Dialect())
        run_load(target, random_prompts(WORKLOAD, (1, 99), "p"), Concurrency(streams=4), stop_after(8))
        truth = truth_of(pipe)
    assert min(truth.late_ns) >= 0
    assert len(truth.late_ns) == sum(len(served.sent_ns) for served in truth.requests.values())
    for served in truth.requests.values():
        assert served.sent_ns[0] - served.arrived_ns >= PACE.ttft_ns
        ticks = [stamp // PACE.itl_ns for stamp in served.sent_ns]
        assert all(later > earlier for earlier, later in pairwise(ticks)) or max(truth.late_ns) > PACE.itl_ns


def test_a_request_in_pieces_and_one_that_goes_away_are_no_trouble() -> None:
    body = json.dumps({"prompt": [1, 2, 3], "max_tokens": 2}).encode()
    request = b"POST / HTTP/1.1\r\nX-Request-Id: 5\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with serving() as (port, pipe):
        with socket.create_connection(("127.0.0.1", port)) as gone:
            gone.sendall(request)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
            peer.sendall(request[:20])
            peer.sendall(request[20:])
            answer = b""
            while not answer.endswith(b"0\r\n\r\n"):
                answer += peer.recv(65536)
        truth = truth_of(pipe)
    assert answer.count(b'"text"') == 2
    assert b'"prompt_tokens":3,"completion_tokens":2' in answer
    assert len(truth.requests[5].sent_ns) == 2


def test_it_ends_with_its_parents_block() -> None:
    with serving():
        assert len(multiprocessing.active_children()) == 1
    assert not multiprocessing.active_children()
