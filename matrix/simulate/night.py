"""One simulated night: jobs queue for machines, and the window closes. A discrete-event model.

A label's jobs are taken in the order of the plan as its machines come free. What was the host's fault goes to the end
of the queue once, as long as the plan allows second tries. A machine whose runner is lost is gone for the night.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from matrix.simulate.job import Work, play_job
from matrix.words import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matrix.pack import Yard
    from matrix.simulate.job import JobEnd
    from matrix.simulate.world import World

_SECOND_WAVE = 10**6  # behind every first try


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a night came to. GPU-minutes count all GPUs of the machines that are held."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    ends: float = 0.0
    starts: int = 0
    retried: int = 0
    lost_runners: int = 0
    held_gpu_minutes: float = 0.0
    measuring_gpu_minutes: float = 0.0


def run_night(works: Sequence[Work], yard: Yard, world: World, retries: int, seed: str) -> Tally:
    """Play one night; every measurement has an outcome. Deterministic: `seed` names its luck."""
    night = _Night(yard=yard, world=world, retries=retries, seed=seed, idle=set(yard.minutes))
    for work in works:
        night.queues.setdefault(work.label, deque()).append(work)
    night.play()
    return night.tally


@dataclass(slots=True, kw_only=True)
class _Night:
    yard: Yard
    world: World
    retries: int
    seed: str
    idle: set[str]
    tally: Tally = field(default_factory=Tally)
    queues: dict[str, deque[Work]] = field(default_factory=dict)
    events: list[tuple[float, int, tuple[str, ...], Work | None]] = field(default_factory=list)
    number: int = 0

    def play(self) -> None:
        self._dispatch(0.0)
        while self.events:
            now, _, freed, again = heapq.heappop(self.events)
            self.idle.update(freed)
            if again is not None:
                self.queues.setdefault(again.label, deque()).append(again)
            self._dispatch(now)
        for queue in self.queues.values():
            for work in queue:  # its machines were lost: it never ran
                self._record(work, dict.fromkeys((one.id for one in work.measurements), Outcome.CANCELLED))

    def _dispatch(self, now: float) -> None:
        """Idle machines take the heads of the queues, the earliest in the plan first."""
        heads = sorted((queue[0].order, label) for label, queue in self.queues.items() if queue)
        for _, label in heads:
            queue = self.queues[label]
            while queue and (machines := self._free(queue[0])):
                self._begin(queue.popleft(), machines, now)

    def _free(self, work: Work) -> tuple[str, ...]:
        free = [name for name in self.yard.labels[work.label] if name in self.idle]
        return tuple(free[: work.machines]) if len(free) >= work.machines else ()

    def _begin(self, work: Work, machines: tuple[str, ...], now: float) -> None:
        closes = min(self.yard.minutes[name] for name in machines)
        if now + self.world.pickup_minutes >= closes:  # the job starts only to say that it is too late
            self._record(work, dict.fromkeys((one.id for one in work.measurements), Outcome.CANCELLED))
            return
        self.idle.difference_update(machines)
        end = play_job(work, now, closes, self.world, self.seed)
        self._record(work, end.outcomes)
        self._count(work, end, now)
        self.number += 1
        freed = () if end.lost else machines
        heapq.heappush(self.events, (end.now, self.number, freed, self._second_try(work, end)))

    def _count(self, work: Work, end: JobEnd, now: float) -> None:
        self.tally.held_gpu_minutes += (end.now - now) * work.gpus
        self.tally.measuring_gpu_minutes += end.measured * work.gpus
        self.tally.starts += end.starts
        self.tally.lost_runners += end.lost
        self.tally.ends = max(self.tally.ends, end.now)

    def _second_try(self, work: Work, end: JobEnd) -> Work | None:
        if work.attempt > 1 or not end.host_faults or len(end.host_faults) > self.retries:
            return None
        self.retries -= len(end.host_faults)
        self.tally.retried += len(end.host_faults)
        return replace(work, measurements=tuple(end.host_faults), attempt=2, order=work.order + _SECOND_WAVE)

    def _record(self, work: Work, outcomes: dict[str, Outcome]) -> None:
        """A second try that never began takes nothing back from the first."""
        for name, outcome in outcomes.items():
            if work.attempt == 1 or outcome is not Outcome.CANCELLED:
                self.tally.outcomes[name] = outcome
