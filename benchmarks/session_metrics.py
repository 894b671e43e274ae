"""The numbers of conversations, from the records of their turns alone. Definitions are in `TRACES.md`."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.inflight import mean_in_flight, mean_of_spans
from benchmarks.latency import ttft_of
from matrix.facts import Fact
from matrix.result import SessionMetrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.records import RequestRecord, Window

    # the records of one session, in order of their turns
    Held = list[RequestRecord]

_NS = 1e-9


class TurnStats(Fact, frozen=True, kw_only=True):
    """One turn's place in all sessions: requests that ended well, and their medians. Tokens are sums."""

    turn: int
    requests: int
    input_tokens: int
    cached_tokens: int | None
    ttft_s_p50: float
    ttft_s_p90: float


def held(records: Iterable[RequestRecord]) -> tuple[Held, ...]:
    """Every session that was begun; none where requests stand alone."""
    found: dict[int, Held] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.sent_ns):
        if record.turn_of is not None:
            found[record.turn_of.session].append(record)
    return tuple(found.values())


def is_complete(session: Held) -> bool:
    last = session[-1].turn_of
    return last is not None and last.turn == last.turns - 1 and not has_failed(session)


def has_failed(session: Held) -> bool:
    return any(record.error is not None for record in session)


def live_sessions(window: Window) -> list[tuple[int, int]]:
    """From when to when each was held: from its first request's sending to its last's end, or the window's if cut."""
    return [
        (session[0].sent_ns, session[-1].end_ns if is_complete(session) or has_failed(session) else window.end_ns)
        for session in held(window.records)
    ]


def session_metrics(window: Window) -> SessionMetrics | None:
    """None where there are no sessions."""
    sessions = held(window.records)
    if not sessions:
        return None
    complete = [session for session in sessions if is_complete(session)]
    failed = sum(has_failed(session) for session in sessions)
    duration = _p50_p90([(one[-1].end_ns - one[0].sent_ns) * _NS for one in complete])
    busy = _p50_p90([_busy_s(one) for one in complete])
    first = _p50_p90([value for one in sessions for value in _ttft(one[:1])])
    later = _p50_p90([value for one in sessions for value in _ttft(one[1:])])
    return SessionMetrics(
        begun=len(sessions),
        complete=len(complete),
        failed=failed,
        cut=len(sessions) - len(complete) - failed,
        turns_ok=sum(record.error is None for session in sessions for record in session),
        live_mean=mean_of_spans(live_sessions(window), window.start_ns, window.end_ns),
        in_flight_mean=mean_in_flight(window.records, window.start_ns, window.end_ns),
        duration_s_p50=duration[0],
        duration_s_p90=duration[1],
        busy_s_p50=busy[0],
        busy_s_p90=busy[1],
        output_tok_per_s_p50=_p50_p90([_output_tok_per_s(one) for one in complete])[0],
        ttft_first_s_p50=first[0],
        ttft_first_s_p90=first[1],
        ttft_later_s_p50=later[0],
        ttft_later_s_p90=later[1],
    )


def by_turn(records: Iterable[RequestRecord]) -> tuple[TurnStats, ...]:
    """In order of the turn."""
    found: dict[int, Held] = defaultdict(list)
    for record in records:
        if record.turn_of is not None and record.error is None and record.first_ns is not None:
            found[record.turn_of.turn].append(record)
    return tuple(_turn_stats(turn, found[turn]) for turn in sorted(found))


def _turn_stats(turn: int, records: Held) -> TurnStats:
    cached = [record.cached_tokens for record in records if record.cached_tokens is not None]
    p50, p90 = np.percentile(_ttft(records), (50, 90)).tolist()
    return TurnStats(
        turn=turn,
        requests=len(records),
        input_tokens=sum(record.input_tokens or 0 for record in records),
        cached_tokens=sum(cached) if cached else None,
        ttft_s_p50=p50,
        ttft_s_p90=p90,
    )


def _ttft(records: Sequence[RequestRecord]) -> list[float]:
    return [value for record in records if record.error is None for value in ttft_of(record)]


def _busy_s(session: Held) -> float:
    return sum(record.end_ns - record.sent_ns for record in session) * _NS


def _output_tok_per_s(session: Held) -> float:
    """What the session's user gets while an answer is being made."""
    busy_s = _busy_s(session)
    return sum(record.output_tokens or 0 for record in session) / busy_s if busy_s else 0.0


def _p50_p90(values: Sequence[float]) -> tuple[float, float] | tuple[None, None]:
    if not values:
        return None, None
    p50, p90 = np.percentile(values, (50, 90)).tolist()
    return p50, p90
