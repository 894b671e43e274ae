"""Loads for tests: small, against a fake server, and what came of them."""

from __future__ import annotations

from benchmarks.checks import judge
from benchmarks.client import run_load
from benchmarks.metrics import client_budget, summarize
from benchmarks.prompts import random_prompts
from benchmarks.records import RequestError, StopRule, Target, Window
from matrix.point import Concurrency
from matrix.words import Reason
from matrix.workload import RandomWorkload
from tests.fake_server.running import running

WORKLOAD = RandomWorkload(name="test", isl=32, osl=20)
STREAMS = 2


def stop_after(requests: int, **changes: float) -> StopRule:
    return StopRule(**{"min_s": 0.0, "max_s": 30.0, "min_requests": requests, **changes})  # type: ignore[arg-type]


def load(target: Target, stop: StopRule | None = None, streams: int = STREAMS) -> Window:
    prompts = random_prompts(WORKLOAD, (10, 1000), "test")
    return run_load(target, prompts, Concurrency(streams=streams), stop or stop_after(4))


def loaded(scenario: str, stop: StopRule | None = None, streams: int = STREAMS, **options: object) -> Window:
    with running(scenario, **options) as server:
        return load(server.target(), stop, streams)


def reasons(window: Window) -> tuple[Reason, ...]:
    return judge(window, summarize(window, 1), client_budget(window, Concurrency(streams=STREAMS)))[0]


def errors(window: Window) -> set[RequestError | None]:
    return {record.error for record in window.records}
