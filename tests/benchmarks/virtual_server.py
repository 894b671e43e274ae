"""A server in virtual time with a knee at a known load: windows of requests that were never sent, for searches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.records import ClientHealth, RequestError, RequestRecord, Window
from benchmarks.search.decide import decide
from benchmarks.search.observe import observe
from benchmarks.search.steps import Measure, Observation
from matrix.finding import Finding
from matrix.parent import Search
from matrix.point import Concurrency, Point
from matrix.search import Reach
from matrix.serving import Layout
from matrix.workload import RandomWorkload

HEALTH = ClientHealth(
    kernel_stamps=True, stamp_delay_ns=(), cpu_s=0.0, reads=0, reads_with_several_events=0, wall_clock_drift_s=0.0
)
BASE = Point(
    recipe="r",
    layout_name="tp1",
    layout=Layout(),
    workload_id="w",
    workload=RandomWorkload(name="w", isl=64, osl=32),
    load=Concurrency(streams=1),
)
OUTPUT_TOKENS = 32
INPUT_TOKENS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualServer:
    """A batch of n streams takes `token_s` x (1 + slowing x n / knee) a token up to the knee. Above it the time grows
    as n ** fall: throughput is flat for fall 1 and drops above. A request's time varies by `noise`, a run's by
    `run_to_run`; with more streams than `refuses_above`, that many of them are turned away.
    """

    knee: float
    token_s: float = 0.01
    slowing: float = 0.3
    fall: float = 1.5
    noise: float = 0.15
    run_to_run: float = 0.01
    refuses_above: float = math.inf

    def token_time_s(self, streams: float) -> float:
        """Mean time per output token."""
        below = self.token_s * (1 + self.slowing * min(streams, self.knee) / self.knee)
        return below * math.pow(max(1.0, streams / self.knee), self.fall)

    def serve(self, streams: int, requests: int, rng: np.random.Generator) -> Window:
        """A closed loop that sends until `requests` have ended, and at least four for every stream."""
        enough = max(4 * streams, requests)
        rounds = 2 * -(-enough // streams) + 4
        token_s = self.token_time_s(streams) * math.exp(rng.normal(0, self.run_to_run))
        times_s = token_s * OUTPUT_TOKENS * rng.lognormal(-(self.noise**2) / 2, self.noise, (streams, rounds))
        ends_ns = (np.cumsum(times_s, axis=1) * 1e9).astype(np.int64)
        begins_ns = np.concatenate([np.zeros((streams, 1), np.int64), ends_ns[:, :-1]], axis=1)
        refused = rng.random((streams, rounds)) < max(0.0, 1 - self.refuses_above / streams)
        order = np.argsort(begins_ns, axis=None, kind="stable")
        stop_ns = np.sort(ends_ns, axis=None)[enough - 1]
        order = order[begins_ns.flat[order] <= stop_ns]
        columns = [column.flat[order].tolist() for column in (begins_ns, ends_ns, refused)]
        records = tuple(_record(index, *row) for index, row in enumerate(zip(*columns, strict=True)))
        return Window(start_ns=0, end_ns=max(one.end_ns for one in records), records=records, health=HEALTH)


def _record(index: int, begin_ns: int, end_ns: int, refused: bool) -> RequestRecord:
    if refused:
        return RequestRecord(
            index=index,
            asked_input_tokens=INPUT_TOKENS,
            asked_output_tokens=OUTPUT_TOKENS,
            sent_ns=begin_ns,
            end_ns=end_ns,
            error=RequestError.HTTP_STATUS,
            status=429,
        )
    return RequestRecord(
        index=index,
        asked_input_tokens=INPUT_TOKENS,
        asked_output_tokens=OUTPUT_TOKENS,
        sent_ns=begin_ns,
        end_ns=end_ns,
        first_ns=begin_ns + (end_ns - begin_ns) // OUTPUT_TOKENS,
        last_ns=end_ns,
        input_tokens=INPUT_TOKENS,
        output_tokens=OUTPUT_TOKENS,
        chunks=OUTPUT_TOKENS,
    )


def searched(search: Search, server: VirtualServer, seed: int, requests: int = 60) -> tuple[Finding, list[Observation]]:
    """Runs a search against the server, as a runner would."""
    rng = np.random.default_rng(seed)
    slo = search.method.slo if isinstance(search.method, Reach) else None
    seen: list[Observation] = []
    while isinstance(said := decide(search, seen), Measure):
        window = server.serve(round(said.size), max(requests, said.min_requests), rng)
        seen.append(observe(window, said.size, (window.end_ns - window.start_ns) / 60e9, slo))
    return said, seen
