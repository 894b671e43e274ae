"""Sessions replayed against a server that keeps the time and what it was asked: the truth is the server's."""

from __future__ import annotations

import select
import threading
from collections import defaultdict
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.client import run_load
from benchmarks.metrics import client_budget, summarize
from benchmarks.queues import recorded_ns
from benchmarks.records import NO_OPTIONS, LoadOptions, RequestError, RequestRecord, StopRule, Target, Warmup, Window
from benchmarks.sessions import Sessions, made_up, recorded
from matrix.errors import FleetError
from matrix.point import Concurrency, Load, Rate
from matrix.trace import prompts_and_answers, read_trace
from matrix.workload import ConversationWorkload
from tests.benchmarks.loads import errors, stop_after
from tests.benchmarks.test_sessions import common
from tests.fake_server.reply import Stamps
from tests.fake_server.running import running
from tests.matrix.test_trace import SMALL

IDS = (10, 1000)
TRACE = read_trace(SMALL)
SHORT = ConversationWorkload(name="t", turns=3, isl=12, added=6, osl=6, gap_s=0.03, gap_shape="constant")
CLOCK_NS = 1_000_000
"""What a kernel's stamp, brought onto another clock, may be off by."""


def replay(seed: str = "s") -> Sessions:
    return recorded(TRACE, IDS, seed)


def talk(seed: str = "s") -> Sessions:
    return made_up(SHORT, IDS, seed)


def run(target: Target, sessions: Sessions, load: Load, stop: StopRule, options: LoadOptions = NO_OPTIONS) -> Window:
    return run_load(target, sessions, load, stop, None, options)


def by_session(stamps: list[Stamps]) -> dict[int, list[Stamps]]:
    """The server's side of each session, in the order of the turns."""
    found: dict[int, list[Stamps]] = defaultdict(list)
    for one in sorted(stamps, key=lambda one: one.received_ns):
        session, _, turn = one.request_id.partition("-")
        assert int(turn) == len(found[int(session)])
        found[int(session)].append(one)
    return found


def turns_of(window: Window) -> dict[int, list[RequestRecord]]:
    found: dict[int, list[RequestRecord]] = defaultdict(list)
    for record in window.records:
        assert record.turn_of is not None
        found[record.turn_of.session].append(record)
    return found


def check_gaps(stamps: list[Stamps], sessions: Sessions) -> None:
    """No turn came before its wait was over, counted from the last the server sent of the answer before it."""
    for number, held in by_session(stamps).items():
        gaps_ns = sessions.at(number).gaps_ns
        for before, after, gap_ns in zip(held, held[1:], gaps_ns[1:], strict=False):
            assert after.received_ns - before.content_ns[-1] >= gap_ns - CLOCK_NS


def test_the_small_trace_is_replayed_faithfully() -> None:
    """All thirty turns once and in order, each after its wait, with the very context that was recorded."""
    seen: set[tuple[int, int]] = set()

    def tell(record: RequestRecord) -> None:
        if record.turn_of is not None and record.turn_of.session < len(TRACE.sessions):
            seen.add((record.turn_of.session, record.turn_of.turn))

    with running(itl_ms=1, keep_prompts=1, cache_block=1) as server:
        options = LoadOptions(on_record=tell, stop_now=lambda: len(seen) == TRACE.requests)
        window = run(server.target(), replay(), Concurrency(streams=6), stop_after(10**6), options)
        stamps = server.stamps()
    assert len(seen) == 30
    assert errors(window) == {None}
    check_gaps(stamps, replay())
    for number, held in by_session(stamps).items():
        prompts = [prompt.token_ids for prompt in islice(replay().at(number).prompts, len(held))]
        assert [tuple(one.prompt) for one in held] == prompts
        lengths = list(prompts_and_answers(TRACE.sessions[number % 6]))
        assert [len(one.prompt) for one in held] == [prompt for prompt, _ in lengths[: len(held)]]
        records = turns_of(window).get(number, [])
        for record, (prompt, answer) in zip(records, lengths, strict=False):
            assert (record.input_tokens, record.asked_input_tokens) == (prompt, prompt)
            assert (record.output_tokens, record.asked_output_tokens) == (answer, answer)
        for (before, after), record in zip(pairwise(held), records[1:], strict=False):
            assert (record.cached_tokens or 0) >= common(tuple(before.prompt), tuple(after.prompt)) > 0


def test_a_turn_is_due_its_wait_after_the_end_of_the_last_and_late_from_then_on() -> None:
    with running(itl_ms=1) as server:
        window = run(server.target(), talk(), Concurrency(streams=3), stop_after(18))
    late = []
    for records in turns_of(window).values():
        assert records[0].scheduled_ns is None
        for before, after in pairwise(records):
            assert after.scheduled_ns == before.end_ns + 30_000_000
            assert after.sent_ns >= after.scheduled_ns
            late.append(after.sent_ns - after.scheduled_ns)
    assert len(window.health.schedule_lateness_ns) == len(late)
    assert all(
        said <= seen for said, seen in zip(sorted(window.health.schedule_lateness_ns), sorted(late), strict=True)
    )
    budget = client_budget(window, Concurrency(streams=3))
    assert budget.schedule_lateness_s_p99 is not None
    assert budget.achieved_concurrency > 2  # though most of the time nobody waits for the server
    assert budget.asked_requests_per_s is None


def test_no_more_sessions_are_held_than_streams_are_asked_for() -> None:
    with running(itl_ms=1) as server:
        window = run(server.target(), talk(), Concurrency(streams=2), stop_after(16))
    spans = [(records[0].sent_ns, records[-1].end_ns) for records in turns_of(window).values()]
    for begin_ns, _ in spans:
        assert sum(first <= begin_ns < last for first, last in spans) <= 2
    numbers = [number for number, _ in sorted(turns_of(window).items(), key=lambda item: item[1][0].sent_ns)]
    assert numbers == sorted(numbers)


def test_a_stopped_load_begins_no_further_turn_and_ends_those_in_flight() -> None:
    """Two sessions whose second turns are far away: nobody waits for them."""
    far = ConversationWorkload(name="t", turns=2, isl=4, added=4, osl=4, gap_s=600, gap_shape="constant")
    with running(itl_ms=20) as server:
        window = run(server.target(), made_up(far, IDS, "s"), Concurrency(streams=2), stop_after(2))
    metrics = summarize(window, 1)
    assert metrics is not None
    assert metrics.sessions is not None
    assert errors(window) == {None}
    assert all(record.output_tokens == 4 for record in window.records)
    assert (metrics.sessions.begun, metrics.sessions.complete, metrics.sessions.cut) == (2, 0, 2)
    assert metrics.sessions.duration_s_p50 is None


@pytest.mark.parametrize("scenario", ["second_turn_500", "second_turn_error"])
def test_a_failed_turn_ends_its_session(scenario: str) -> None:
    with running(scenario) as server:
        window = run(server.target(), talk(), Concurrency(streams=2), stop_after(8))
        stamps = server.stamps()
    assert all(len(held) <= 2 for held in by_session(stamps).values())
    kind = RequestError.HTTP_STATUS if scenario == "second_turn_500" else RequestError.BAD_STREAM
    assert {record.error for records in turns_of(window).values() for record in records[1:]} == {kind}
    metrics = summarize(window, 1)
    assert metrics is not None
    assert metrics.sessions is not None
    assert metrics.sessions.failed == metrics.requests_failed > 0
    assert metrics.sessions.complete == 0


def test_sessions_arrive_at_a_rate_whatever_the_server_does() -> None:
    load = Rate(requests_per_s=20.0, arrival="constant", streams=50)
    with running(itl_ms=2) as server:
        window = run(server.target(), talk(), load, stop_after(30))
        check_gaps(server.stamps(), talk())
    begun = [records[0].scheduled_ns or 0 for _, records in sorted(turns_of(window).items())]
    assert {after - before for before, after in pairwise(begun)} == {50_000_000}
    budget = client_budget(window, load)
    assert budget.asked_requests_per_s == 20.0
    assert budget.sent_requests_per_s == pytest.approx(20.0, rel=0.5)
    assert len(window.health.schedule_lateness_ns) + window.health.held_requests == len(window.records)


def test_sessions_arrive_as_recorded_stretched_to_the_rate() -> None:
    load = Rate(requests_per_s=10 * TRACE.sessions_per_s, arrival="recorded", streams=50)
    with running() as server:
        window = run(server.target(), replay(), load, stop_after(20))
    begun = [records[0].scheduled_ns or 0 for _, records in sorted(turns_of(window).items())]
    offsets = [round((session.arrival_s - TRACE.sessions[0].arrival_s) / 10 * 1e9) for session in TRACE.sessions]
    assert [one - begun[0] for one in begun[:6]] == pytest.approx(offsets, abs=2)


def test_only_a_recording_has_recorded_arrivals() -> None:
    with running() as server, pytest.raises(FleetError, match="is for a trace"):
        run(server.target(), talk(), Rate(requests_per_s=1.0, arrival="recorded"), stop_after(1))


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=20), st.floats(0.01, 100))
def test_recorded_arrivals_keep_their_order_and_come_to_the_rate(arrivals_s: list[float], per_s: float) -> None:
    arrivals = tuple(sorted(arrivals_s))
    offsets = list(islice(recorded_ns(arrivals, per_s), 3 * len(arrivals) + 1))
    assert offsets[0] == 0
    assert offsets == sorted(offsets)
    assert offsets[-1] / 1e9 == pytest.approx(3 * len(arrivals) / per_s, rel=1e-6, abs=1e-6)


def test_a_warm_up_of_sessions_leaves_no_record_and_hands_its_streams_over() -> None:
    with running(itl_ms=1) as server:
        options = LoadOptions(warmup=Warmup(prompts=talk("w"), requests=8, max_s=30.0))
        window = run(server.target(), talk(), Concurrency(streams=4), stop_after(12), options)
        names = [one.request_id for one in sorted(server.stamps(), key=lambda one: one.received_ns)]
    warm = [name for name in names if name.startswith("warmup-")]
    assert 8 <= len(warm) <= 8 + 3
    assert any(name.endswith("-1") for name in warm)  # later turns are a warm-up too
    assert errors(window) == {None}
    assert all(records[0].turn_of and records[0].turn_of.turn == 0 for records in turns_of(window).values())
    assert len(window.health.schedule_lateness_ns) == sum(len(records) - 1 for records in turns_of(window).values())


def test_workers_share_the_sessions_out_and_each_holds_its_own_to_the_end() -> None:
    with running(itl_ms=1, keep_prompts=1) as server:
        options = LoadOptions(workers=2, seed="s")
        window = run(server.target(), replay(), Concurrency(streams=4), stop_after(24), options)
        stamps = server.stamps()
    assert errors(window) == {None}
    assert window.health.workers == 2
    assert [record.index for record in window.records] == sorted({record.index for record in window.records})
    for number, records in turns_of(window).items():
        assert {record.index % 2 for record in records} == {number % 2}
        assert [record.turn_of.turn for record in records if record.turn_of] == list(range(len(records)))
    check_gaps(stamps, replay())
    for number, held in by_session(stamps).items():
        prompts = [prompt.token_ids for prompt in islice(replay().at(number).prompts, len(held))]
        assert [tuple(one.prompt) for one in held] == prompts


def test_an_interrupted_load_of_sessions_keeps_what_it_has() -> None:
    seen = threading.Event()

    def tell(record: RequestRecord) -> None:
        if record.turn_of is not None and record.turn_of.turn == 1:
            seen.set()

    with running(itl_ms=1) as server:
        options = LoadOptions(on_record=tell, stop_now=seen.is_set)
        window = run(server.target(), talk(), Concurrency(streams=2), stop_after(10**6), options)
    assert window.records
    assert errors(window) == {None}


def test_a_connection_that_the_server_closes_in_the_wait_is_opened_again() -> None:
    with running("keepalive_close") as server:
        window = run(server.target(), talk(), Concurrency(streams=2), stop_after(12))
    assert errors(window) == {None}
    assert all(late >= 0 for late in window.health.schedule_lateness_ns)


def test_sessions_are_held_without_kernel_stamps_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll")
    with running(itl_ms=1) as server:
        window = run(server.target(), talk(), Concurrency(streams=2), stop_after(12))
        check_gaps(server.stamps(), talk())
    assert errors(window) == {None}
    assert not window.health.kernel_stamps


def test_turns_without_a_wait_follow_at_once_and_in_order() -> None:
    quick = ConversationWorkload(name="t", turns=5, isl=8, added=4, osl=3)
    with running() as server:
        window = run(server.target(), made_up(quick, IDS, "s"), Concurrency(streams=3), stop_after(60))
        by_session(server.stamps())  # in order, or it says so
    assert errors(window) == {None}
    assert all(len(records) <= 5 for records in turns_of(window).values())


def test_no_more_turns_are_sent_than_asked_for() -> None:
    with running() as server:
        stop = StopRule(min_s=0.0, max_s=30.0, min_requests=10**6, max_requests=11)
        window = run(server.target(), talk(), Concurrency(streams=3), stop)
        assert len(server.stamps()) == len(window.records) == 11
