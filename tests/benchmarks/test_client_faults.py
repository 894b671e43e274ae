"""The client against servers that fail, one named fault at a time."""

from __future__ import annotations

import socket
from collections import Counter
from contextlib import ExitStack

import pytest

from benchmarks import streams, wire
from benchmarks.records import RequestError, Target
from matrix.dialect import Dialect
from matrix.words import Reason
from tests.benchmarks.loads import STREAMS, errors, load, loaded, reasons, stop_after


@pytest.mark.fault(11)
def test_a_dead_port_refuses_a_few_requests_and_gets_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    window = load(Target(host="127.0.0.1", port=port, model="m", dialect=Dialect()), stop_after(10**6))
    assert errors(window) == {RequestError.REFUSED}
    assert 3 * STREAMS <= len(window.records) <= 5 * STREAMS
    assert reasons(window) == (Reason.REQUEST_ERRORS, Reason.NO_OUTPUT)


@pytest.mark.fault(11)
def test_a_server_that_stops_listening_refuses_the_rest() -> None:
    window = loaded("refuse_after", stop_after(10**6), after=4)
    kinds = Counter(record.error for record in window.records)
    assert kinds[None] >= 3
    assert kinds[RequestError.REFUSED] >= 3 * STREAMS
    # a request may have been in the listener's queue when it closed, and then nobody ever answers it
    assert {Reason.REQUEST_ERRORS} <= set(reasons(window)) <= {Reason.REQUEST_ERRORS, Reason.SERVER_STALLED}


@pytest.mark.fault(6)
def test_a_crash_fails_what_is_in_flight_and_ends_the_load() -> None:
    window = loaded("crash_after", stop_after(10**6), after=5, itl_ms=1)
    kinds = Counter(record.error for record in window.records)
    assert kinds[None] >= 1
    assert kinds[RequestError.TRUNCATED_STREAM] + kinds[RequestError.RESET] >= 1
    assert kinds[RequestError.REFUSED] >= 1
    assert Reason.REQUEST_ERRORS in reasons(window)


@pytest.mark.parametrize(
    ("scenario", "status"),
    [
        pytest.param("http_429", 429, marks=pytest.mark.fault(12)),
        pytest.param("http_500", 500, marks=pytest.mark.fault(13)),
        pytest.param("http_503", 503, marks=pytest.mark.fault(13)),
        pytest.param("health_only", 500, marks=pytest.mark.fault(3)),
    ],
)
def test_an_error_status_is_recorded_with_a_sample_and_never_retried(scenario: str, status: int) -> None:
    window = loaded(scenario, stop_after(10**6))
    assert {(record.error, record.status) for record in window.records} == {(RequestError.HTTP_STATUS, status)}
    assert f"fake failure {status}" in window.records[0].detail
    assert [record.index for record in window.records] == list(range(len(window.records)))
    assert len(window.records) <= 5 * STREAMS


@pytest.mark.parametrize(
    ("scenario", "error", "detail"),
    [
        pytest.param("html_200", RequestError.BAD_STREAM, "gateway says hello", marks=pytest.mark.fault(14)),
        pytest.param("json_error_200", RequestError.BAD_STREAM, "still loading", marks=pytest.mark.fault(14)),
        pytest.param("stream_error", RequestError.BAD_STREAM, "boom", marks=pytest.mark.fault(14)),
        pytest.param("bad_json", RequestError.BAD_STREAM, "bad JSON", marks=pytest.mark.fault(17)),
        pytest.param("no_blank_line", RequestError.BAD_STREAM, "blank line", marks=pytest.mark.fault(17)),
        pytest.param("long_line", RequestError.BAD_STREAM, "a line of", marks=pytest.mark.fault(17)),
        pytest.param("truncated", RequestError.TRUNCATED_STREAM, "[DONE]", marks=pytest.mark.fault(15)),
        pytest.param("no_done", RequestError.TRUNCATED_STREAM, "[DONE]", marks=pytest.mark.fault(15)),
        pytest.param("reset_mid_stream", RequestError.RESET, "reset by peer", marks=pytest.mark.fault(11)),
    ],
)
def test_a_broken_response_fails_its_request_by_name(scenario: str, error: RequestError, detail: str) -> None:
    window = loaded(scenario)
    assert errors(window) == {error}
    assert detail in window.records[0].detail
    assert all(not record.chunks for record in window.records)
    assert reasons(window)[:2] == (Reason.REQUEST_ERRORS, Reason.NO_OUTPUT)


@pytest.mark.fault(7)
def test_a_server_that_hangs_is_given_up_after_the_stall_time() -> None:
    window = loaded("stall", stop_after(10**6, stall_s=0.5))
    assert errors(window) == {RequestError.STALLED}
    assert len(window.records) == STREAMS
    assert reasons(window)[0] is Reason.SERVER_STALLED


@pytest.mark.fault(16)
def test_single_bytes_are_not_progress() -> None:
    window = loaded("slow_loris", stop_after(10**6, stall_s=0.5))
    assert errors(window) == {RequestError.STALLED}
    assert window.health.reads > 10


@pytest.mark.fault(7)
def test_a_request_has_a_longest_time_even_while_events_come() -> None:
    window = loaded("ok", stop_after(1, request_timeout_s=0.4), itl_ms=200)
    assert RequestError.TIMEOUT in errors(window)
    assert window.end_ns - window.start_ns < 20 * 10**9


@pytest.mark.fault(17)
def test_an_endless_response_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_RESPONSE_BYTES", 100_000)
    window = loaded("long_line")
    assert errors(window) == {RequestError.BAD_STREAM}
    assert "more than 100000 bytes" in window.records[0].detail


@pytest.mark.fault(11)
def test_a_host_that_never_answers_a_connect_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (streams, wire):
        monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as crowd:
        port = listener.getsockname()[1]
        for _ in range(4):  # fill the queue of a server that accepts nobody
            one = crowd.enter_context(socket.socket())
            one.settimeout(0)
            one.connect_ex(("127.0.0.1", port))
        window = load(Target(host="127.0.0.1", port=port, model="m", dialect=Dialect()), stop_after(1))
    assert errors(window) == {RequestError.REFUSED}
    assert "no connection within 0.3 s" in window.records[0].detail


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        pytest.param("short_output", (Reason.SHORT_OUTPUT,), marks=pytest.mark.fault(19)),
        pytest.param("long_output", (Reason.LONG_OUTPUT,), marks=pytest.mark.fault(20)),
        pytest.param("usage_lies", (Reason.TOKEN_COUNT, Reason.SHORT_OUTPUT), marks=pytest.mark.fault(21)),
        pytest.param("missing_usage", (Reason.TOKEN_COUNT,), marks=pytest.mark.fault(21)),
        pytest.param("zero_output", (Reason.NO_OUTPUT, Reason.SHORT_OUTPUT), marks=pytest.mark.fault(22)),
        pytest.param("usage_only", (Reason.NO_OUTPUT,), marks=pytest.mark.fault(18)),
        pytest.param("duplicate_answers", (Reason.DUPLICATE_OUTPUTS,), marks=pytest.mark.fault(23)),
    ],
)
def test_answers_that_end_well_but_mislead_are_found_out(scenario: str, expected: tuple[Reason, ...]) -> None:
    window = loaded(scenario, stop_after(12))
    assert errors(window) == {None}
    assert tuple(reason for reason in reasons(window) if reason is not Reason.CLIENT_SATURATED) == expected
