"""Many simulated nights in a row: plan, play, remember. What comes of a policy, in figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from matrix.facts import Fact
from matrix.pack import pack, repeat_reserve
from matrix.rota import Seen, rota
from matrix.simulate.job import Measurement, Work
from matrix.simulate.night import run_night
from matrix.words import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matrix.pack import Yard
    from matrix.rota import Candidate, Policy
    from matrix.schedule import Packed
    from matrix.simulate.night import Tally
    from matrix.simulate.world import World

_VERDICTS = (Outcome.OK, Outcome.INVALID, Outcome.RECIPE_FAILED)


class NightResult(Fact, frozen=True, kw_only=True):
    """One night. Points of the matrix: `planned` = `ok` + `failed` + `not_run`; runs alone for comparison are extra.

    `measuring_share` is of the GPU-hours held. `covered` is the share of the matrix with an `ok` result of the last
    `stale_nights` nights, `ever` with any at all; `oldest` the age in nights of the oldest of those.
    """

    night: int
    planned: int
    ok: int
    failed: int
    not_run: int
    tried_again: int
    lost_runners: int
    server_starts: int
    makespan_minutes: float
    gpu_hours: float
    measuring_share: float
    covered: float
    ever: float
    oldest: int


class LabelResult(Fact, frozen=True, kw_only=True):
    """One label after the last night, in the words of `NightResult`."""

    label: str
    points: int
    covered: float
    ever: float
    oldest: int


class CampaignResult(Fact, frozen=True, kw_only=True):
    """All nights, and their steady state: medians over the nights after the first `stale_nights`."""

    nights: tuple[NightResult, ...]
    labels: tuple[LabelResult, ...]
    server_starts: float
    ok: float
    makespan_minutes: float
    gpu_hours: float
    measuring_share: float
    covered: float
    ever: float
    oldest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A policy to be tried on a fleet."""

    candidates: Sequence[Candidate]
    yard: Yard
    policy: Policy
    world: World
    seed: int

    def run(self, nights: int, memory: Mapping[str, Seen], first: int) -> CampaignResult:
        """`first` is the ordinal of the first night, `memory` that of the evening before."""
        past = dict(memory)
        results = [self._night(night, past) for night in range(first, first + nights)]
        labels = tuple(self._label(label, past, first + nights - 1) for label in sorted(self._by_label()))
        return summed(results, labels, self.policy.stale_nights)

    def _by_label(self) -> dict[str, list[Candidate]]:
        found: dict[str, list[Candidate]] = {}
        for one in self.candidates:
            found.setdefault(one.label, []).append(one)
        return found

    def _label(self, label: str, memory: Mapping[str, Seen], night: int) -> LabelResult:
        members = self._by_label()[label]
        ages = ages_of(members, memory, night)
        fresh = sum(age < self.policy.stale_nights for age in ages)
        return LabelResult(
            label=label,
            points=len(members),
            covered=fresh / len(members),
            ever=len(ages) / len(members),
            oldest=max(ages, default=0),
        )

    def _night(self, night: int, memory: dict[str, Seen]) -> NightResult:
        """Play one night and remember what it says."""
        wanted = rota(self.candidates, memory, night, self.policy, self.seed + night).wanted
        packed = pack(wanted, self.yard, self.policy)
        works = [_work(job, order, self.policy) for order, job in enumerate(packed.jobs)]
        planned = {want.candidate.id: want.candidate for job in packed.jobs for want in job.wants if not want.alone}
        tally = run_night(
            works, self.yard, self.world, int(self.policy.retry_share * len(planned)), f"{self.seed}/{night}"
        )
        certified = {want.candidate.id for job in packed.jobs for want in job.wants if want.certified}
        for name, one in planned.items():
            _remember(memory, one, tally.outcomes[name], night, certified=name in certified)
        return self._result(night, memory, tally, planned)

    def _result(
        self, night: int, memory: Mapping[str, Seen], tally: Tally, planned: Mapping[str, Candidate]
    ) -> NightResult:
        ends = [tally.outcomes[name] for name in planned]
        ages = ages_of(self.candidates, memory, night)
        fresh = sum(age < self.policy.stale_nights for age in ages)
        held = tally.held_gpu_minutes
        return NightResult(
            night=night,
            planned=len(planned),
            ok=ends.count(Outcome.OK),
            failed=ends.count(Outcome.RECIPE_FAILED) + ends.count(Outcome.INFRA_FAILED),
            not_run=ends.count(Outcome.CANCELLED),
            tried_again=tally.retried,
            lost_runners=tally.lost_runners,
            server_starts=tally.starts,
            makespan_minutes=tally.ends,
            gpu_hours=held / 60,
            measuring_share=tally.measuring_gpu_minutes / held if held else 0.0,
            covered=fresh / len(self.candidates),
            ever=len(ages) / len(self.candidates),
            oldest=max(ages, default=0),
        )


def ages_of(candidates: Sequence[Candidate], memory: Mapping[str, Seen], night: int) -> list[int]:
    """Nights since the last ok result, of those that have one."""
    return [night - past.ok for one in candidates if (past := memory.get(one.key)) and past.ok is not None]


def summed(results: Sequence[NightResult], labels: tuple[LabelResult, ...], settling: int) -> CampaignResult:
    """Medians once the first round is over; of all nights where there are no more."""
    steady = results[settling:] or results
    return CampaignResult(
        nights=tuple(results),
        labels=labels,
        server_starts=median(one.server_starts for one in steady),
        ok=median(one.ok for one in steady),
        makespan_minutes=median(one.makespan_minutes for one in steady),
        gpu_hours=median(one.gpu_hours for one in steady),
        measuring_share=median(one.measuring_share for one in steady),
        covered=results[-1].covered,
        ever=results[-1].ever,
        oldest=results[-1].oldest,
    )


def _remember(memory: dict[str, Seen], one: Candidate, outcome: Outcome, night: int, *, certified: bool) -> None:
    if outcome not in _VERDICTS:
        return
    past = memory.get(one.key)
    if past is None or past.served != one.served:
        past = Seen(served=one.served)
    is_ok = outcome is Outcome.OK
    memory[one.key] = replace(
        past,
        seen=night,
        ok=night if is_ok else past.ok,
        failures=0 if is_ok else past.failures + 1,
        certified=night if is_ok and certified else past.certified,
    )


def _work(job: Packed, order: int, policy: Policy) -> Work:
    one = job.wants[0].candidate
    return Work(
        job=job.job,
        label=job.label,
        gpu=one.gpu,
        machines=one.machines,
        gpus=job.gpus,
        start_minutes=one.start_minutes,
        measurements=(*_measurements(job), *_repeat(job, policy)),
        order=order,
    )


def _measurements(job: Packed) -> tuple[Measurement, ...]:
    certified = {want.candidate.id for want in job.wants if want.certified}
    return tuple(
        _measurement(want.candidate, alone=want.alone, certified=want.candidate.id in certified and not want.alone)
        for want in job.wants
        if not want.certified
    )


def _repeat(job: Packed, policy: Policy) -> tuple[Measurement, ...]:
    """The first once more: it takes its minutes, and is no further point of the matrix that was measured."""
    first = job.wants[0].candidate
    if not first.repeatable or not repeat_reserve(job.wants, policy):
        return ()
    return (Measurement(id=f"{first.id}.repeat", minutes=first.minutes, measured_minutes=0.0, repeat=True),)


def _measurement(one: Candidate, *, alone: bool, certified: bool) -> Measurement:
    more = max(0.0, (one.certified_minutes or 0.0) - one.minutes) if certified else 0.0
    return Measurement(
        id=f"{one.id}.alone" if alone else one.id,
        minutes=one.minutes + more,
        measured_minutes=one.measured_minutes + more,
        alone=alone,
    )
