"""A load of sessions: a stream holds one from its first turn to its last, and waits between turns as was recorded.

A turn is due its wait after the last byte of the answer before it. What it is sent later than that is lateness of
the client, and counted as such; the wait itself is not.
"""

from __future__ import annotations

import heapq
import time
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from benchmarks.requests import WHOLE, Part
from benchmarks.run import FAR_NS, Run
from benchmarks.schedule import MAKE_NS
from benchmarks.session_queue import SessionQueue
from benchmarks.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.exchange import Exchange
    from benchmarks.records import LoadJob, Window
    from benchmarks.streams import Slot
    from benchmarks.talk import Talk


def run_of(
    job: LoadJob,
    on_progress: Callable[[int, float], None] | None = None,
    part: Part = WHOLE,
    tally: Callable[[int], int] = int,
) -> Run:
    """The loop for what the job sends. Raises FleetError as `Run` does."""
    kind = SessionRun if isinstance(job.prompts, Sessions) else Run
    return kind(job, on_progress, part, tally)


class SessionRun(Run):
    """`_waiting` are the streams between two turns of their sessions, by when the next is due."""

    def __init__(
        self,
        job: LoadJob,
        on_progress: Callable[[int, float], None] | None = None,
        part: Part = WHOLE,
        tally: Callable[[int], int] = int,
    ) -> None:
        super().__init__(job, on_progress, part, tally)
        self._waiting: list[tuple[int, int, Slot, Talk]] = []
        self._order = count()
        self._turns_late_ns: list[int] = []

    def _start_clock(self) -> None:
        super()._start_clock()
        self._turns_late_ns.clear()

    def _as_window(self, cpu_s: float) -> Window:
        window = super()._as_window(cpu_s)
        late_ns = (*window.health.schedule_lateness_ns, *self._turns_late_ns)
        health = msgspec.structs.replace(window.health, schedule_lateness_ns=late_ns)
        return msgspec.structs.replace(window, health=health)

    def _turn(self) -> None:
        super()._turn()
        if self._waiting:
            self._issue_turns()

    def _left_ns(self, now_ns: int) -> int:
        left_ns = super()._left_ns(now_ns)
        return min(left_ns, self._waiting[0][0] - now_ns) if self._waiting and not self._stopped else left_ns

    def _work_for(self, spare_ns: int) -> Callable[[], object] | None:
        """The turn that is due next cannot wait; making another's long prompt takes longer than a short one's."""
        if self._waiting and not (talk := self._waiting[0][3]).over and talk.ready is None:
            return partial(self._queue_of(talk).make_next, talk)
        warming = self._warming
        queue = warming.queue if warming is not None and not warming.over else self._queue
        if isinstance(queue, SessionQueue) and not queue.full() and spare_ns > MAKE_NS + queue.make_ns():
            return queue.make_one
        return super()._work_for(spare_ns)

    def _resume(self, now_ns: int) -> None:
        """Streams that wait for their session's next turn are not idle."""
        if self._wire.in_flight + len(self._waiting) < len(self._wire.slots):
            super()._resume(now_ns)

    def _parse_one(self) -> None:
        """What is found out when an answer is read may end its session, if a turn late."""
        exchange = self._finished[0]
        super()._parse_one()
        if exchange.talk is not None and not exchange.warmup and self._records[-1].error is not None:
            exchange.talk.closed = True

    def _go_on(self, slot: Slot, exchange: Exchange) -> None:
        talk = exchange.talk
        if talk is None or self._ends_with(talk, exchange):
            super()._go_on(slot, exchange)
            return
        slot.failures, slot.resume_ns = 0, FAR_NS
        heapq.heappush(self._waiting, (exchange.end_ns + talk.gap_ns, next(self._order), slot, talk))
        if not talk.gap_ns:
            self._issue_turns()

    def _ends_with(self, talk: Talk, exchange: Exchange) -> bool:
        """Whether this was the session's last request: by plan, or because it failed, or with the warm-up."""
        failed = exchange.error is not None or exchange.status != 200
        if not (failed or talk.over or (talk.warmup and self._warming_up() is None)):
            return False
        self._queue_of(talk).forget(talk)
        return True

    def _issue_turns(self) -> None:
        now_ns = time.monotonic_ns()
        while self._waiting and self._waiting[0][0] <= now_ns and self._may_issue():
            due_ns, _, slot, talk = heapq.heappop(self._waiting)
            if talk.over or (talk.warmup and self._warming_up() is None):
                self._free(slot, talk)
                continue
            self._begun += not talk.warmup
            exchange = self._queue_of(talk).next_of(talk)
            exchange.scheduled_ns = due_ns
            now_ns = time.monotonic_ns()
            self._turns_late_ns.append(now_ns - due_ns)
            self._wire.issue(slot, exchange)

    def _free(self, slot: Slot, talk: Talk) -> None:
        """The session does not go on: its stream begins another, or waits for one to arrive."""
        self._queue_of(talk).forget(talk)
        slot.resume_ns = 0
        if self._pacer is not None:
            self._idle.append(slot)
        else:
            self._wire.issue(slot, self._take())

    def _queue_of(self, talk: Talk) -> SessionQueue:
        queue = self._warming.queue if talk.warmup and self._warming is not None else self._queue
        if not isinstance(queue, SessionQueue):
            raise TypeError("a session among plain prompts")
        return queue
