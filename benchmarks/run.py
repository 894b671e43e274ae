"""One load in one thread: when to start a request, when to give one up, when to stop.

Inside the window a read costs two appends; answers are read through and the next requests built while nothing is
readable. A closed loop sends when a stream is free, an open one when its `Pacer` says that a request is due.
"""

from __future__ import annotations

import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from benchmarks.queues import arrivals_of, queue_of
from benchmarks.records import RequestError, Window
from benchmarks.requests import WHOLE, Part
from benchmarks.responses import record_of
from benchmarks.schedule import MAKE_NS, QUIET_NS, READ_NS_PER_BYTE, SECOND_NS, SPIN_NS, Pacer
from benchmarks.stamps import Stamper
from benchmarks.streams import overdue
from benchmarks.transport import open_wire
from benchmarks.warming import Warming
from matrix.point import Rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.exchange import Exchange
    from benchmarks.records import LoadJob, RequestRecord
    from benchmarks.streams import Slot

TICK_S = 0.25
FIRST_BACKOFF_S = 0.05
MAX_BACKOFF_S = 1.0
# a server that fails this many requests per stream in a row, and answers none, gets no more of them
FAILURES_PER_STREAM = 3
MAX_UNREAD_BYTES = 16 * 1024 * 1024
"""What the answers of ended requests may take up while they wait to be read through."""
FAR_NS = 1 << 62


class Run:
    """`prepare` comes before the clock, `window` runs the load to its end, `close` in any case.

    `tally` is told how many requests have ended here, and says how many have ended everywhere.
    """

    def __init__(
        self,
        job: LoadJob,
        on_progress: Callable[[int, float], None] | None = None,
        part: Part = WHOLE,
        tally: Callable[[int], int] = int,
    ) -> None:
        target, options, streams = job.target, job.options, job.load.streams
        self._load = job.load
        self._prompts = job.prompts
        self._part = part
        self._tally = tally
        self._queue = queue_of(target, job.prompts, streams, part)
        self._stop = job.stop
        self._on_progress = on_progress
        self._options = options
        self._warming = Warming(options.warmup, target, streams, part) if options.warmup is not None else None
        self._stamper = Stamper()
        self._wire = open_wire(target, streams, self._stamper, self._on_end)
        self._pacer: Pacer | None = None
        self._idle: list[Slot] = []  # kept for the open loop only
        self._finished: deque[Exchange] = deque()
        self._records: list[RequestRecord] = []
        self._beside: list[RequestRecord] = []
        self._unread_bytes = 0
        self._several = 0
        self._stopped = False
        self._interrupted = False
        self._ended = self._begun = 0
        self._failures_in_row = 0
        self._start_ns = 0
        self._warm_end_ns: int | None = None
        self._start_cpu_s = 0.0
        self._spin_ns = 0
        self._tick_ns = 0

    def close(self) -> None:
        self._wire.close()

    def prepare(self) -> None:
        """Makes the first requests and opens every connection."""
        for queue in (self._queue, self._warming.queue if self._warming else self._queue):
            while not queue.full():
                queue.make_one()
        self._wire.open_all()

    def window(self) -> Window:
        wire = self._wire
        self._start_clock()
        if isinstance(self._load, Rate):
            arrivals = arrivals_of(self._load, self._options.seed, self._prompts)
            self._pacer = Pacer(islice(arrivals, self._part.number, None, self._part.of), self._start_ns)
            self._idle = list(wire.slots)
        else:
            for slot in wire.slots:
                if self._may_issue():
                    wire.issue(slot, self._take())
        while not self._interrupted and (wire.in_flight or self._may_issue()):
            self._turn()
        cpu_s = max(0.0, time.thread_time() - self._start_cpu_s - self._spin_ns / SECOND_NS)  # a spin may be preempted
        while self._finished:
            self._parse_one()
        self._report(time.monotonic_ns())
        return self._as_window(cpu_s)

    def _start_clock(self) -> None:
        self._stamper.restart()
        self._start_ns = time.monotonic_ns()
        self._start_cpu_s = time.thread_time()
        self._spin_ns = self._failures_in_row = 0
        if self._pacer is not None:
            self._pacer.forget()

    def _take(self) -> Exchange:
        """The next request."""
        warming = self._warming_up()
        if warming is not None:
            return warming.queue.take()
        self._begun += 1
        return self._queue.take()

    def _warming_up(self) -> Warming | None:
        """Whether the next request is a warm-up. The first that is not begins the window."""
        warming = self._warming
        if warming is None or warming.over:
            return None
        if not warming.enough(self._start_ns, self._hopeless()):
            return warming
        warming.over = True
        self._start_clock()
        return None

    def _as_window(self, cpu_s: float) -> Window:
        records = sorted(self._records, key=lambda record: record.index)
        health = self._stamper.health(cpu_s, self._several, self._pacer)
        in_flight = [slot.exchange for slot in self._wire.slots if slot.exchange is not None]
        return Window(
            start_ns=self._start_ns,
            end_ns=max((record.end_ns for record in records), default=self._start_ns),
            records=tuple(records),
            health=health,
            warm_end_ns=self._warm_end_ns,
            beside=tuple(self._beside),
            abandoned=sum(not exchange.warmup for exchange in in_flight),
        )

    def _turn(self) -> None:
        before_ns = time.monotonic_ns()
        left_ns = self._left_ns(before_ns)
        work = self._work_for(left_ns - SPIN_NS)
        moved = self._wire.poll(0 if work else self._wait_s(left_ns))
        if work is not None and not moved:
            work()
        while self._unread_bytes > MAX_UNREAD_BYTES:  # never idle: better late than out of memory
            self._parse_one()
        now_ns = time.monotonic_ns()
        if left_ns <= SPIN_NS and not moved:
            self._spin_ns += now_ns - before_ns
        if now_ns >= self._tick_ns:
            self._tick(now_ns)
        if self._pacer is not None:
            self._issue_due(self._pacer)
        elif self._wire.in_flight < len(self._wire.slots):
            self._resume(now_ns)

    def _work_for(self, spare_ns: int) -> Callable[[], object] | None:
        """What can wait, is there, and takes no longer than this."""
        if self._finished and spare_ns > self._finished[0].held_bytes * READ_NS_PER_BYTE:
            return self._parse_one
        if self._wire.growing and spare_ns > QUIET_NS:
            return self._wire.digest_one
        return self._queue.make_one if spare_ns > MAKE_NS and not self._queue.full() else None

    def _left_ns(self, now_ns: int) -> int:
        """Until something must be sent. A closed loop, or an open one without a free stream, waits for events only."""
        if self._pacer is None or self._stopped or not self._idle:
            return FAR_NS
        return self._pacer.left_ns(now_ns)

    def _wait_s(self, left_ns: int) -> float:
        waiting = self._wire.in_flight < len(self._wire.slots) and not self._stopped
        return min(FIRST_BACKOFF_S if waiting else TICK_S, max(0, left_ns - SPIN_NS) / SECOND_NS)

    def _tick(self, now_ns: int) -> None:
        self._tick_ns = now_ns + int(TICK_S * SECOND_NS)
        self._stamper.refresh()
        self._wire.look()
        self._give_up(now_ns)
        self._report(now_ns)
        if self._options.stop_now is not None and self._options.stop_now():
            self._interrupted = self._stopped = True

    def _report(self, now_ns: int) -> None:
        elapsed_s = (now_ns - self._start_ns) / SECOND_NS
        if self._warming is not None and not self._warming.over:
            self._warming.report(elapsed_s)
        elif self._on_progress is not None:
            self._on_progress(self._ended, elapsed_s)

    def _hopeless(self) -> bool:
        return self._failures_in_row >= FAILURES_PER_STREAM * len(self._wire.slots)

    def _may_issue(self) -> bool:
        """Whether another request may start. Once false it stays false."""
        if self._warming is not None and not self._warming.over:
            return not self._interrupted
        if not self._stopped:
            stop, elapsed_s = self._stop, (time.monotonic_ns() - self._start_ns) / SECOND_NS
            enough = elapsed_s >= stop.min_s and self._tally(self._ended) >= stop.min_requests
            all_begun = stop.max_requests is not None and self._begun >= stop.max_requests
            self._stopped = enough or all_begun or self._hopeless() or elapsed_s >= stop.max_s
        return not self._stopped

    def _give_up(self, now_ns: int) -> None:
        """Fails requests that are over their time, and all of them when the server has stopped moving."""
        stalled = now_ns - self._wire.moved_ns > self._stop.stall_s * SECOND_NS
        for slot in self._wire.slots:
            exchange = slot.exchange
            if exchange is None:
                continue
            verdict = overdue(exchange, now_ns, self._stop)
            if stalled and exchange.sent_ns is not None:
                self._stop_stalled()
                verdict = RequestError.STALLED, f"no event from the server for {self._stop.stall_s:g} s"
            if verdict is not None:
                self._wire.fail(slot, exchange, *verdict)

    def _stop_stalled(self) -> None:
        if self._warming is not None and not self._warming.over:
            self._warming.stalled = True
        else:
            self._stopped = True

    def _parse_one(self) -> None:
        exchange = self._finished.popleft()
        self._unread_bytes -= exchange.held_bytes
        record, several = record_of(exchange)
        if exchange.warmup:
            self._beside.append(record)
            return
        self._several += several
        self._records.append(record)
        self._failures_in_row = 0 if record.error is None else self._failures_in_row + 1
        if self._options.on_record is not None:
            self._options.on_record(record)

    def _on_end(self, slot: Slot, exchange: Exchange) -> None:
        warming = self._warming
        if exchange.warmup:
            self._warm_end_ns = time.monotonic_ns()
        else:
            self._ended += 1
        if warming is not None and not warming.over:
            warming.ended += 1
            failed = exchange.error is not None or exchange.status != 200
            self._failures_in_row = self._failures_in_row + 1 if failed else 0
        else:
            self._unread_bytes += exchange.hold()
            self._finished.append(exchange)
        self._go_on(slot, exchange)

    def _go_on(self, slot: Slot, exchange: Exchange) -> None:
        """Puts the next request on the stream at once; after a failure, a little later (`_resume`)."""
        if self._pacer is not None:
            self._idle.append(slot)
        elif exchange.error is not None or exchange.status != 200:
            wait_s = min(FIRST_BACKOFF_S * 2**slot.failures, MAX_BACKOFF_S)
            slot.failures = min(slot.failures + 1, 16)
            slot.resume_ns = time.monotonic_ns() + int(wait_s * SECOND_NS)
        else:
            slot.failures = 0
            if self._may_issue():
                self._wire.issue(slot, self._take())

    def _issue_due(self, pacer: Pacer) -> None:
        """Open loop: every request at its time, or as soon after it as a stream is free."""
        now_ns = time.monotonic_ns()
        while pacer.left_ns(now_ns) <= 0 and self._may_issue():
            if not self._idle:
                pacer.hold()
                return
            exchange = self._take()
            now_ns = time.monotonic_ns()
            exchange.scheduled_ns = pacer.take(now_ns)
            self._wire.issue(self._idle.pop(), exchange)

    def _resume(self, now_ns: int) -> None:
        """A dead or refusing server must not make the loop spin: its streams wait before they try again."""
        if not self._may_issue():
            return
        for slot in self._wire.slots:
            if slot.exchange is None and now_ns >= slot.resume_ns:
                self._wire.issue(slot, self._take())
