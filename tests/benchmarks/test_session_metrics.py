"""The numbers of sessions on windows made by hand, where every one of them is known."""

from __future__ import annotations

import msgspec
import pytest

from benchmarks.metrics import client_budget, summarize
from benchmarks.records import RequestError, RequestRecord, TurnOf
from benchmarks.session_metrics import by_turn, held, session_metrics
from matrix.point import Concurrency, Rate
from tests.benchmarks.windows import request, window_of


def turn(session: int, place: int, sent_s: float, *, of: int = 2, **changes: object) -> RequestRecord:
    """0.1 s to the first token, 0.1 s more for ten others."""
    cached = changes.pop("cached", None)
    record = request(10 * session + place, sent_s, **changes)  # type: ignore[arg-type]
    place_of = TurnOf(session=session, turn=place, turns=of)
    return msgspec.structs.replace(record, turn_of=place_of, cached_tokens=cached)


WINDOW = window_of(
    # complete: 0.2 s, 1 s of waiting (0.05 s late), 0.4 s
    turn(0, 0, 0.0, cached=0),
    turn(0, 1, 1.25, ttft_s=0.3, scheduled_s=1.2, cached=15),
    # failed in its second turn
    turn(1, 0, 0.0, ttft_s=0.2, cached=0),
    turn(1, 1, 1.0, scheduled_s=1.0, error=RequestError.RESET),
    # begun when the failed one had ended, and cut
    turn(2, 0, 1.2, of=3, cached=5),
    turn(2, 1, 1.6, of=3, scheduled_s=1.6, cached=10),
)


def test_a_session_is_complete_failed_or_cut() -> None:
    sessions = session_metrics(WINDOW)
    assert sessions is not None
    assert (sessions.begun, sessions.complete, sessions.failed, sessions.cut) == (3, 1, 1, 1)
    assert sessions.turns_ok == 5
    assert [len(records) for records in held(WINDOW.records)] == [2, 2, 2]


def test_a_duration_has_the_waits_in_it_and_the_busy_time_has_not() -> None:
    sessions = session_metrics(WINDOW)
    assert sessions is not None
    assert sessions.duration_s_p50 == pytest.approx(1.65)
    assert sessions.busy_s_p50 == pytest.approx(0.6)
    assert sessions.output_tok_per_s_p50 == pytest.approx(22 / 0.6)


def test_first_turns_are_told_from_later_ones() -> None:
    sessions = session_metrics(WINDOW)
    assert sessions is not None
    assert sessions.ttft_first_s_p50 == pytest.approx(0.1)
    assert sessions.ttft_later_s_p50 == pytest.approx(0.2)
    first, second = by_turn(WINDOW.records)
    assert (first.turn, first.requests, first.input_tokens, first.cached_tokens) == (0, 3, 60, 5)
    assert (second.turn, second.requests, second.cached_tokens) == (1, 2, 25)
    assert second.ttft_s_p50 == pytest.approx(0.2)


def test_sessions_held_are_counted_through_their_waits() -> None:
    """The window is 1.8 s: sessions of 1.65, 1.1 and (cut) 0.6 s, requests of 0.2 + 0.4 + 0.3 + 0.1 + 0.2 + 0.2."""
    sessions = session_metrics(WINDOW)
    assert sessions is not None
    assert sessions.live_mean == pytest.approx((1.65 + 1.1 + 0.6) / 1.8)
    assert sessions.in_flight_mean == pytest.approx(1.4 / 1.8)
    budget = client_budget(WINDOW, Concurrency(streams=2))
    # from 0 s, when both streams had begun, to 1.6 s, when the last request was sent
    assert budget.achieved_concurrency == pytest.approx((1.6 + 1.1 + 0.4) / 1.6)


def test_a_rate_is_of_sessions_that_begin() -> None:
    budget = client_budget(WINDOW, Rate(requests_per_s=2.0))
    assert budget.sent_requests_per_s == pytest.approx(2 / 1.2)


def test_late_turns_and_cached_tokens_are_in_the_metrics() -> None:
    metrics = summarize(WINDOW, 1)
    assert metrics is not None
    assert metrics.requests_late == 1
    assert metrics.cached_tokens == 30
    assert metrics.ttft_from_schedule_s is not None
    assert metrics.ttft_from_schedule_s.max == pytest.approx(0.35)
    assert metrics.sessions == session_metrics(WINDOW)


def test_requests_that_stand_alone_have_no_sessions() -> None:
    metrics = summarize(window_of(request(0, 0.0), request(1, 0.5)), 1)
    assert metrics is not None
    assert metrics.sessions is None
    assert metrics.cached_tokens is None
    assert metrics.requests_late is None
    assert by_turn(window_of(request(0, 0.0)).records) == ()
