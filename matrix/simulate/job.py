"""One simulated job on its machines: start, measure, fail, start once more; pure, from a name's luck."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from matrix.simulate.world import luck
from matrix.words import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matrix.simulate.world import World

SERVER_STARTS = 2
"""As on a real host: the first, and one more if the server dies under load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One point to measure. `alone` gets a server of its own; a `repeat` is never tried again, nor on a second server.

    `id` names its luck, so twins have different ids.
    """

    id: str
    minutes: float
    measured_minutes: float
    alone: bool = False
    repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One job in a queue; `order` is its place in the plan."""

    job: str
    label: str
    gpu: str
    machines: int
    gpus: int
    start_minutes: float
    measurements: tuple[Measurement, ...]
    order: int
    attempt: int = 1


@dataclass(slots=True, kw_only=True)
class JobEnd:
    """How a job went. `measured` is minutes that count; `host_faults` may be tried again; `lost` takes the machine."""

    now: float
    starts: int = 0
    measured: float = 0.0
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    host_faults: list[Measurement] = field(default_factory=list)
    lost: bool = False


def play_job(work: Work, begins: float, closes: float, world: World, seed: str) -> JobEnd:
    """Run `work` from `begins`. No point begins after `closes`. Deterministic: `seed` and names are all its luck."""
    run = _Run(work=work, closes=closes, world=world, seed=seed, end=JobEnd(now=begins + world.pickup_minutes))
    shared = [one for one in work.measurements if not one.alone]
    if shared:
        run.serve(shared)
    for one in work.measurements:
        if one.alone:
            run.serve([one])
    if luck("lost", seed, work.job, work.attempt) < world.lost_runner:
        share = luck("lost when", seed, work.job, work.attempt)
        return JobEnd(
            now=begins + share * (run.end.now - begins),
            starts=run.end.starts,
            outcomes=dict.fromkeys((one.id for one in work.measurements), Outcome.INFRA_FAILED),
            host_faults=[one for one in work.measurements if not one.repeat],
            lost=True,
        )
    return run.end


@dataclass(slots=True, kw_only=True)
class _Run:
    work: Work
    closes: float
    world: World
    seed: str
    end: JobEnd

    def serve(self, points: Iterable[Measurement]) -> None:
        """A server and its points; one that dies under load is started once more for the rest."""
        todo = deque(points)
        for start in range(SERVER_STARTS):
            if self._closed(todo) or not self._starts(todo, start):
                return
            while todo:
                if self._closed(todo):
                    return
                if not self._measures(todo.popleft()):
                    break
            todo = deque(one for one in todo if not one.repeat)  # on another server it would repeat nothing
            if not todo:
                return
        self._all(todo, Outcome.RECIPE_FAILED)

    def _closed(self, todo: deque[Measurement]) -> bool:
        if self.end.now < self.closes:
            return False
        self._all(todo, Outcome.CANCELLED)
        return True

    def _starts(self, todo: deque[Measurement], start: int) -> bool:
        name = self.seed, self.work.job, todo[0].id, self.work.attempt, start
        self.end.starts += 1
        self.end.now += self.world.lasts(self.work.start_minutes, luck("start", *name))
        if self.world.start_fails(self.work.gpu, luck("ready", *name)):
            self._fails(todo, *name)
            return False
        return True

    def _measures(self, one: Measurement) -> bool:
        """False when the server is dead."""
        name = self.seed, one.id, self.work.attempt
        minutes = self.world.lasts(one.minutes, luck("minutes", *name))
        if not self.world.point_fails(self.work.gpu, luck("point", *name)):
            self.end.now += minutes
            self.end.measured += one.measured_minutes * minutes / one.minutes
            self._all([one], Outcome.OK)
            return True
        self.end.now += minutes * luck("when", *name)
        self._fails([one], *name)
        return luck("server", *name) >= self.world.takes_server

    def _fails(self, points: Iterable[Measurement], *name: object) -> None:
        if luck("fault", *name) < self.world.host_fault:
            self.end.host_faults.extend(one for one in points if not one.repeat)
            self._all(points, Outcome.INFRA_FAILED)
        else:
            self._all(points, Outcome.RECIPE_FAILED)

    def _all(self, points: Iterable[Measurement], outcome: Outcome) -> None:
        self.end.outcomes |= dict.fromkeys((one.id for one in points), outcome)
