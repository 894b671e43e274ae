"""A load over several processes is the load one process would have sent."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from dataclasses import replace
from itertools import repeat

import pytest

from benchmarks.client import run_load
from benchmarks.prompts import random_prompts
from benchmarks.records import LoadJob, LoadOptions, Prompt, RequestRecord, StopRule, Target, Warmup, Window
from benchmarks.requests import Part
from benchmarks.workers import share_of, workers_for
from matrix.dialect import Dialect
from matrix.errors import FleetError
from matrix.point import Concurrency, Load, Rate
from tests.benchmarks.loads import WORKLOAD, errors, stop_after
from tests.fake_server.running import running

TWO = LoadOptions(workers=2, seed="s")
PLAIN = random_prompts(WORKLOAD, (10, 1000), "w")


def job(streams: int, options: LoadOptions = TWO, **changes: object) -> LoadJob:
    target = Target(host="127.0.0.1", port=1, model="m", dialect=Dialect())
    prompts = random_prompts(WORKLOAD, (10, 1000), "w")
    whole = LoadJob(
        target=target, prompts=prompts, load=Concurrency(streams=streams), stop=stop_after(1), options=options
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def run(target: Target, load: Load, stop: StopRule, options: LoadOptions = TWO) -> Window:
    return run_load(target, random_prompts(WORKLOAD, (10, 1000), "w"), load, stop, None, options)


def left_over() -> list[object]:
    return list(multiprocessing.active_children())


def asked_and_answered(record: RequestRecord) -> tuple[object, ...]:
    return (record.asked_input_tokens, record.asked_output_tokens, record.output_tokens, record.text_digest)


def test_the_same_requests_have_the_same_answers_as_from_one_process() -> None:
    with running() as server:
        many = run(server.target(), Concurrency(streams=5), stop_after(30))
        one = run(server.target(), Concurrency(streams=5), stop_after(60), LoadOptions(workers=1))
    assert errors(many) == {None}
    assert len(many.records) >= 30
    assert [record.index for record in many.records] == sorted({record.index for record in many.records})
    single = {record.index: asked_and_answered(record) for record in one.records}
    both = [record for record in many.records if record.index in single]
    assert len(both) >= 20
    assert all(asked_and_answered(record) == single[record.index] for record in both)
    assert {record.index % 2 for record in many.records} == {0, 1}
    assert many.health.workers == 2
    assert many.start_ns <= min(record.sent_ns for record in many.records)
    assert many.end_ns == max(record.end_ns for record in many.records)
    assert not left_over()


def test_all_workers_together_reach_the_fewest_requests() -> None:
    """And not each of them: the count they share is what stops them."""
    with running(itl_ms=2) as server:
        window = run(server.target(), Concurrency(streams=4), stop_after(24))
    assert 24 <= len(window.records) < 48


def test_all_workers_together_start_as_many_requests_as_may() -> None:
    with running(itl_ms=2) as server:
        window = run(server.target(), Concurrency(streams=4), stop_after(10**6, max_requests=25))
    assert len(window.records) == 25


def test_an_open_loop_keeps_one_schedule_over_all_workers() -> None:
    with running(ttft_ms=5) as server:
        window = run(server.target(), Rate(requests_per_s=100.0, arrival="constant", streams=8), stop_after(30))
    assert errors(window) == {None}
    begun = {record.scheduled_ns - record.index * 10_000_000 for record in window.records if record.scheduled_ns}
    assert max(begun) - min(begun) < 200_000_000  # each worker's clock starts when it is let go
    assert len(window.health.schedule_lateness_ns) + window.health.held_requests == len(window.records)


def test_a_warm_up_is_shared_too() -> None:
    warmup = Warmup(prompts=random_prompts(WORKLOAD, (10, 1000), "warm"), requests=6, max_s=20)
    with running() as server:
        window = run(server.target(), Concurrency(streams=4), stop_after(12), replace(TWO, warmup=warmup))
        warm = [stamps for stamps in server.stamps() if stamps.request_id.startswith("warmup-")]
    assert errors(window) == {None}
    assert len(warm) >= 6
    assert len({stamps.request_id for stamps in warm}) == len(warm)
    assert window.warm_end_ns is not None


def test_records_are_told_and_progress_too() -> None:
    told: list[RequestRecord] = []
    progress: list[int] = []
    with running() as server:
        window = run_load(
            server.target(),
            random_prompts(WORKLOAD, (10, 1000), "w"),
            Concurrency(streams=2),
            stop_after(10),
            lambda done, _: progress.append(done),
            replace(TWO, on_record=told.append),
        )
    assert told == list(window.records)
    assert progress[-1] == len(window.records)


def test_an_interrupted_load_keeps_what_it_has() -> None:
    seen = threading.Event()
    timer = threading.Timer(2.5, seen.set)
    timer.start()
    with running(itl_ms=5) as server:
        window = run(server.target(), Concurrency(streams=2), stop_after(10**6), replace(TWO, stop_now=seen.is_set))
    timer.join()
    assert window.records
    assert errors(window) == {None}
    assert not left_over()


@pytest.mark.fault(27)
def test_an_exception_in_the_parent_leaves_no_worker() -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        with running("stall") as server:
            signal.setitimer(signal.ITIMER_REAL, 1.5)
            with pytest.raises(KeyboardInterrupt):
                run(server.target(), Concurrency(streams=2), stop_after(10**6))
    finally:
        signal.signal(signal.SIGALRM, old)
    assert not left_over()


def test_what_a_worker_cannot_do_is_said_by_the_parent() -> None:
    target = Target(host="127.0.0.1", port=1, model="m", dialect=Dialect(), api_key_env="FLEET_TEST_UNSET")
    with pytest.raises(FleetError, match="FLEET_TEST_UNSET"):
        run(target, Concurrency(streams=2), stop_after(1))
    assert not left_over()


def test_the_streams_and_requests_are_shared_out_whole() -> None:
    shares = [share_of(job(7), Part(number, 3)) for number in range(3)]
    assert [share.load.streams for share in shares] == [3, 2, 2]
    whole = [next(PLAIN) for _ in range(9)]
    dealt = [[next(share.prompts) for _ in range(3)] for share in shares]
    assert [dealt[index % 3][index // 3] for index in range(9)] == whole


def test_a_small_load_needs_no_workers_and_a_large_one_no_more_than_half_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.workers.cores", lambda: list(range(16)))
    asked = {streams: workers_for(job(streams, LoadOptions())) for streams in (1, 600, 601, 1024, 100_000)}
    assert asked == {1: 1, 600: 1, 601: 2, 1024: 2, 100_000: 8}
    monkeypatch.setattr("benchmarks.workers.cores", lambda: [0, 1])
    assert workers_for(job(1024, LoadOptions())) == 1
    assert workers_for(job(2, LoadOptions(workers=4))) == 2


def test_prompts_that_only_follow_one_another_stay_in_one_process() -> None:
    follow = repeat(Prompt(token_ids=(1,), output_tokens=1))
    assert workers_for(job(10_000, LoadOptions(), prompts=follow)) == 1
    with pytest.raises(FleetError, match="by number"):
        workers_for(job(2, TWO, prompts=follow))
