"""The load client: one thread, raw sockets, epoll. Keeps the seam of `benchmarks.records.Client`.

Inside the window a read costs one append; answers are parsed and the next requests built while nothing is readable.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.connection import resolve
from benchmarks.records import ClientHealth, RequestError, Window
from benchmarks.requests import RequestQueue
from benchmarks.responses import record_of
from benchmarks.stamps import Stamper
from benchmarks.wire import CONNECT_TIMEOUT_S, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.connection import Address
    from benchmarks.records import Prompt, RequestRecord, StopRule, Target
    from benchmarks.responses import Exchange
    from benchmarks.wire import Slot
    from matrix.point import Load

TICK_S = 0.25
FIRST_BACKOFF_S = 0.05
MAX_BACKOFF_S = 1.0
# a server that fails this many requests per stream in a row, and answers none, gets no more of them
FAILURES_PER_STREAM = 3
OWN_FDS = 32
_SECOND_NS = 1_000_000_000


def required_fds(load: Load) -> int:
    """Open files a load needs, the process's own included: compare with RLIMIT_NOFILE before starting."""
    return load.streams + OWN_FDS


def run_load(
    target: Target,
    prompts: Iterator[Prompt],
    load: Load,
    stop: StopRule,
    on_progress: Callable[[int, float], None] | None = None,
) -> Window:
    """Keeps `load.streams` requests in flight until `stop` allows no new one, then lets them end.

    What goes wrong with a request is in its record. Raises FleetError if the server's dialect or the API key
    makes a load impossible, OSError if the host has no address or this process no file descriptors left.
    """
    queue = RequestQueue(target, prompts, load.streams)
    address = resolve(target.host, target.port)
    run = _Run(queue, address, load.streams, stop, on_progress, keep_alive=target.dialect.keep_alive)
    with _quiet_gc():
        try:
            return run.window()
        finally:
            run.close()


@contextmanager
def _quiet_gc() -> Iterator[None]:
    """A collection in the window would stop the clock's reader for milliseconds."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


class _Run:
    """One load: when to start a request, when to give one up, when to stop. `window` runs it to its end."""

    def __init__(
        self,
        queue: RequestQueue,
        address: Address,
        streams: int,
        stop: StopRule,
        on_progress: Callable[[int, float], None] | None,
        *,
        keep_alive: bool,
    ) -> None:
        self._queue = queue
        self._stop = stop
        self._on_progress = on_progress
        self._stamper = Stamper()
        self._wire = Wire(address, streams, self._stamper, self._on_end, keep_alive=keep_alive)
        self._finished: deque[Exchange] = deque()
        self._records: list[RequestRecord] = []
        self._several = 0
        self._stopped = False
        self._ended = 0
        self._failures_in_row = 0
        self._start_ns = 0
        self._tick_ns = 0

    def close(self) -> None:
        self._wire.close()

    def window(self) -> Window:
        wire = self._wire
        while not self._queue.full():
            self._queue.make_one()
        wire.open_all()
        cpu_s = time.thread_time()
        self._start_ns = time.monotonic_ns()
        for slot in wire.slots:
            wire.issue(slot, self._queue.take())
        while wire.in_flight or self._may_issue():
            self._turn()
        cpu_s = time.thread_time() - cpu_s
        while self._finished:
            self._parse_one()
        self._report(time.monotonic_ns())
        return self._as_window(cpu_s)

    def _as_window(self, cpu_s: float) -> Window:
        records = sorted(self._records, key=lambda record: record.index)
        stamper = self._stamper
        health = ClientHealth(
            kernel_stamps=stamper.kernel_stamps,
            stamp_delay_ns=tuple(stamper.delays_ns),
            cpu_s=cpu_s,
            reads=stamper.reads,
            reads_with_several_events=self._several,
            wall_clock_drift_s=stamper.drift_s(),
        )
        end_ns = max(record.end_ns for record in records)
        return Window(start_ns=self._start_ns, end_ns=end_ns, records=tuple(records), health=health)

    def _turn(self) -> None:
        busy = bool(self._finished) or not self._queue.full()
        moved = self._wire.poll(0 if busy else self._wait_s())
        if self._finished and (not moved or len(self._finished) > len(self._wire.slots)):
            self._parse_one()
        elif not moved and not self._queue.full():
            self._queue.make_one()
        now_ns = time.monotonic_ns()
        if now_ns >= self._tick_ns:
            self._tick(now_ns)
        if self._wire.in_flight < len(self._wire.slots):
            self._resume(now_ns)

    def _wait_s(self) -> float:
        waiting = self._wire.in_flight < len(self._wire.slots) and not self._stopped
        return FIRST_BACKOFF_S if waiting else TICK_S

    def _tick(self, now_ns: int) -> None:
        self._tick_ns = now_ns + int(TICK_S * _SECOND_NS)
        self._stamper.refresh()
        self._give_up(now_ns)
        self._report(now_ns)

    def _report(self, now_ns: int) -> None:
        if self._on_progress is not None:
            self._on_progress(self._ended, (now_ns - self._start_ns) / _SECOND_NS)

    def _may_issue(self) -> bool:
        """Whether another request may start. Once false it stays false."""
        if not self._stopped:
            stop, elapsed_s = self._stop, (time.monotonic_ns() - self._start_ns) / _SECOND_NS
            enough = elapsed_s >= stop.min_s and self._ended >= stop.min_requests
            hopeless = self._failures_in_row >= FAILURES_PER_STREAM * len(self._wire.slots)
            self._stopped = enough or hopeless or elapsed_s >= stop.max_s
        return not self._stopped

    def _give_up(self, now_ns: int) -> None:
        """Fails requests that are over their time, and all of them when the server has stopped moving."""
        stalled = now_ns - self._wire.moved_ns > self._stop.stall_s * _SECOND_NS
        for slot in self._wire.slots:
            exchange = slot.exchange
            if exchange is None:
                continue
            verdict = _overdue(exchange, now_ns, self._stop)
            if stalled and exchange.sent_ns is not None:
                self._stopped = True
                verdict = RequestError.STALLED, f"no event from the server for {self._stop.stall_s:g} s"
            if verdict is not None:
                self._wire.fail(slot, exchange, *verdict)

    def _parse_one(self) -> None:
        record, several = record_of(self._finished.popleft())
        self._several += several
        self._records.append(record)
        self._failures_in_row = 0 if record.error is None else self._failures_in_row + 1

    def _on_end(self, slot: Slot, exchange: Exchange) -> None:
        """Puts the next request on the stream at once; after a failure, a little later (`_resume`)."""
        self._ended += 1
        self._finished.append(exchange)
        if exchange.error is not None or exchange.status != 200:
            wait_s = min(FIRST_BACKOFF_S * 2**slot.failures, MAX_BACKOFF_S)
            slot.failures = min(slot.failures + 1, 16)
            slot.resume_ns = time.monotonic_ns() + int(wait_s * _SECOND_NS)
        else:
            slot.failures = 0
            if self._may_issue():
                self._wire.issue(slot, self._queue.take())

    def _resume(self, now_ns: int) -> None:
        """A dead or refusing server must not make the loop spin: its streams wait before they try again."""
        if not self._may_issue():
            return
        for slot in self._wire.slots:
            if slot.exchange is None and now_ns >= slot.resume_ns:
                self._wire.issue(slot, self._queue.take())


def _overdue(exchange: Exchange, now_ns: int, stop: StopRule) -> tuple[RequestError, str] | None:
    if exchange.sent_ns is None:
        if now_ns - exchange.begun_ns > CONNECT_TIMEOUT_S * _SECOND_NS:
            return RequestError.REFUSED, f"no connection within {CONNECT_TIMEOUT_S:g} s"
    elif now_ns - exchange.sent_ns > stop.request_timeout_s * _SECOND_NS:
        return RequestError.TIMEOUT, f"not ended after {stop.request_timeout_s:g} s"
    return None
