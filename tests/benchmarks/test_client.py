"""The client against well-behaved servers over loopback, however they write. Faults: `test_client_faults`."""

from __future__ import annotations

import gc
import os
import resource
import select
import socket
import threading
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

import pytest

from benchmarks.client import required_fds, run_load
from benchmarks.connection import resolve
from benchmarks.metrics import client_budget
from benchmarks.prompts import random_prompts
from benchmarks.records import Prompt, Target
from benchmarks.stamps import Stamper
from benchmarks.wire import Wire
from matrix.dialect import Dialect
from matrix.point import Concurrency
from matrix.words import Reason
from tests.benchmarks.loads import WORKLOAD, errors, load, loaded, reasons, stop_after
from tests.fake_server.running import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.mark.parametrize("usage", ["separate", "last", "every"])
def test_every_request_is_whole_and_exact(usage: str) -> None:
    window = loaded("ok", usage=usage)
    assert errors(window) == {None}
    for record in window.records:
        assert record.input_tokens == record.asked_input_tokens
        assert record.output_tokens == record.asked_output_tokens == record.chunks == len(record.chunk_ns)
    assert len({record.text_digest for record in window.records}) == len(window.records)


@pytest.mark.fault(17)
@pytest.mark.parametrize("scenario", ["crlf", "comments", "bom", "split_utf8"])
def test_odd_but_legal_streams_are_read(scenario: str) -> None:
    window = loaded(scenario)
    assert errors(window) == {None}
    assert all(record.chunks == record.output_tokens for record in window.records)


@pytest.mark.fault(18)
@pytest.mark.parametrize("scenario", ["empty_deltas", "role_only"])
def test_chunks_without_content_are_not_tokens(scenario: str) -> None:
    window = loaded(scenario, ttft_ms=60)
    for record in window.records:
        assert record.chunks == record.output_tokens
        assert record.first_ns is not None
        assert record.first_ns - record.sent_ns >= 59_000_000


@pytest.mark.fault(18)
def test_chunks_of_several_tokens_are_fewer_than_tokens_and_that_is_fine() -> None:
    window = loaded("multi_token")
    assert all(record.chunks == -(-(record.output_tokens or 0) // 4) for record in window.records)
    assert Reason.TOKEN_COUNT not in reasons(window)


@pytest.mark.parametrize("scenario", ["connection_close", "keepalive_close"])
def test_a_server_that_closes_connections_fails_no_request(scenario: str) -> None:
    window = loaded(scenario, stop_after(12))
    assert errors(window) == {None}
    assert len(window.records) >= 12


def test_an_idle_connection_the_server_closed_is_reopened_off_the_clock() -> None:
    """The server drops a kept connection within 20 ms; a slow prompt source leaves it idle for longer."""

    def slow_prompts() -> Iterator[Prompt]:
        pause = threading.Event()
        for token in count(10):
            pause.wait(0.06)
            yield Prompt(token_ids=(token, 11, 12), output_tokens=2)

    with running("keepalive_close") as server:
        window = run_load(server.target(), slow_prompts(), Concurrency(streams=1), stop_after(4))
    assert errors(window) == {None}
    assert len(window.records) == 4


def test_exactly_the_asked_streams_are_in_flight_until_it_stops() -> None:
    window = loaded("ok", stop_after(12), streams=4, itl_ms=2)
    assert len(window.records) == 12 + 3
    moves = sorted([(one.sent_ns, 1) for one in window.records] + [(one.end_ns, -1) for one in window.records])
    in_flight, most = 0, 0
    for _, change in moves:
        in_flight += change
        most = max(most, in_flight)
    assert most == 4
    assert client_budget(window, Concurrency(streams=4)).achieved_concurrency > 2


def test_no_request_starts_after_the_longest_time() -> None:
    window = loaded("ok", stop_after(10**6, max_s=0.3), itl_ms=1)
    assert window.records
    assert all(record.sent_ns - window.start_ns < 2 * 10**9 for record in window.records)
    assert errors(window) == {None}


@pytest.mark.parametrize(("most", "streams"), [(9, 4), (3, 4), (1, 1)])
def test_as_many_requests_start_as_may(most: int, streams: int) -> None:
    window = loaded("ok", stop_after(10**6, max_requests=most), streams=streams)
    assert len(window.records) == most
    assert errors(window) == {None}


def test_the_shortest_time_is_filled() -> None:
    window = loaded("ok", stop_after(1, min_s=0.6))
    assert window.end_ns - window.start_ns >= 300_000_000  # ends by the kernel's clock, stops by ours: late under load


def test_progress_is_told() -> None:
    told: list[tuple[int, float]] = []
    with running("ok") as server:
        prompts = random_prompts(WORKLOAD, (10, 1000), 1)
        window = run_load(
            server.target(),
            prompts,
            Concurrency(streams=1),
            stop_after(3),
            lambda done, elapsed_s: told.append((done, elapsed_s)),
        )
    assert told[-1][0] == len(window.records)
    assert [elapsed_s for _, elapsed_s in told] == sorted(elapsed_s for _, elapsed_s in told)


@pytest.mark.parametrize("keep_alive", [True, False])
def test_connections_are_kept_where_the_dialect_allows_it(keep_alive: bool) -> None:
    with running("ok") as server, counting_proxy(server.port) as (port, connections):
        target = Target(host="127.0.0.1", port=port, model="fake-model", dialect=Dialect(keep_alive=keep_alive))
        window = load(target, stop_after(10), streams=2)
    assert errors(window) == {None}
    assert connections == [2 if keep_alive else len(window.records)]


@contextmanager
def counting_proxy(port: int) -> Iterator[tuple[int, list[int]]]:
    """A byte pump before a server, which counts the connections made to it."""
    connections = [0]
    listener = socket.create_server(("127.0.0.1", 0))
    sockets = [listener]

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with_data = True
        while with_data:
            try:
                data = source.recv(65536)
                sink.sendall(data)
                with_data = bool(data)
            except OSError:
                with_data = False

    def accept() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            connections[0] += 1
            far = socket.create_connection(("127.0.0.1", port))
            sockets.extend((near, far))
            for ends in ((near, far), (far, near)):
                threading.Thread(target=pump, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1], connections
    finally:
        for each in sockets:
            each.close()


def test_stamps_agree_with_the_servers_own() -> None:
    with running("ok", ttft_ms=20, itl_ms=5) as server:
        window = load(server.target())
        truth = {stamps.request_id: stamps for stamps in server.stamps()}
    for record in window.records:
        said = truth[str(record.index)]
        assert record.sent_ns <= said.received_ns
        assert len(said.content_ns) == record.chunks
        assert all(seen >= sent for seen, sent in zip(record.chunk_ns, said.content_ns, strict=True))
    assert window.health.reads >= sum(record.chunks for record in window.records) // 2


def test_ipv6_works() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    assert errors(loaded("ok", host="::1")) == {None}


def interrupt_after(seconds: float) -> Callable[[int, float], None]:
    """For `on_progress`, where a signal is heard: raised between two lines of anybody's it might be swallowed."""

    def on_progress(done: int, elapsed_s: float) -> None:
        if elapsed_s >= seconds:
            raise KeyboardInterrupt

    return on_progress


@pytest.mark.fault(27)
def test_an_interrupt_gets_out_at_once_and_leaves_nothing_open() -> None:
    prompts = random_prompts(WORKLOAD, (10, 1000), "test")
    with running("stall") as server:
        target = server.target()
        open_files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        with pytest.raises(KeyboardInterrupt):
            run_load(target, prompts, Concurrency(streams=2), stop_after(10**6), interrupt_after(0.3))
        assert len(os.listdir("/proc/self/fd")) == open_files  # noqa: PTH208
    assert gc.isenabled()


def test_a_wire_that_was_cut_off_in_the_middle_of_a_disconnect_can_be_closed() -> None:
    with running("ok") as server:
        wire = Wire(resolve(server.host, server.port), 2, Stamper(), lambda _slot, _exchange: None, keep_alive=True)
        wire.open_all()
        wire._by_fd.clear()
        wire.close()
        assert wire._epoll.closed


@pytest.mark.parametrize("without", ["", "epoll"])
def test_what_a_progress_callback_raises_ends_the_load(without: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if without:
        monkeypatch.delattr(select, without)
    prompts = random_prompts(WORKLOAD, (10, 1000), "test")
    with running("ok", ttft_ms=0, itl_ms=0) as server:
        target = server.target()
        with pytest.raises(KeyboardInterrupt):
            run_load(target, prompts, Concurrency(streams=2), stop_after(10**6), interrupt_after(0.1))


@pytest.mark.fault(26)
def test_the_file_limit_a_load_needs_can_be_asked_beforehand() -> None:
    streams = 4
    needed = required_fds(Concurrency(streams=streams))
    assert needed > streams
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with running("ok") as server:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(needed, len(os.listdir("/proc/self/fd")) + 8), limits[1]))  # noqa: PTH208
        try:
            window = load(server.target(), stop_after(4), streams=streams)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert errors(window) == {None}


def test_the_collector_is_left_as_it_was_found() -> None:
    gc.disable()
    try:
        loaded("ok", stop_after(1))
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert gc.get_freeze_count() == 0
