"""Packing the night: claims in their order onto the machines of their label, within the window and the GPU-hours.

Claims are accepted one by one, each where its job already is or on the machine that is free first; then the jobs are
laid out (`matrix.schedule`). Everything is minutes since the window opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from matrix.rota import Policy, Tier, Want
from matrix.schedule import Packed, free_first, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matrix.facts import Host
    from matrix.rota import Candidate

TINY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Yard:
    """The machines of each label, and how many minutes each machine is ours tonight. Labels may share machines."""

    labels: Mapping[str, tuple[str, ...]]
    minutes: Mapping[str, float]


class Cut(Enum):
    """Why a claim was refused."""

    WINDOW = "the machines of its label are busy until the window closes"
    BUDGET = "the night's GPU-hours are used up"
    TOO_LONG = "a start and this point take longer than the window"
    NO_MACHINES = "its label has too few machines"
    NO_TWIN = "the shared measurement it belongs to did not fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """`jobs` in the order they should be started; `refused` has every claim that is not in one of them."""

    jobs: tuple[Packed, ...]
    refused: tuple[tuple[Want, Cut], ...]
    gpu_minutes: float
    ends: float


def yard_of(hosts: Iterable[Host], policy: Policy) -> Yard:
    """Machines without a name are called after their label."""
    labels: dict[str, list[str]] = {}
    minutes: dict[str, float] = {}
    for host in (one for one in hosts if not one.by_hand):
        ours = min(policy.window_minutes, (host.window_h or 24.0) * 60)
        numbered = tuple(f"{host.label}/{number}" for number in range(host.machines))
        for name in host.runners or numbered:
            labels.setdefault(host.label, []).append(name)
            minutes[name] = min(ours, minutes.get(name, ours))
    return Yard(labels={label: tuple(dict.fromkeys(names)) for label, names in labels.items()}, minutes=minutes)


def pack(wants: Sequence[Want], yard: Yard, policy: Policy) -> Night:
    """The claims that fit, and the others with what stopped them. Pure, and stable: a refused claim changes nothing."""
    full = 1.0 - policy.retry_share
    packing = _Packing(yard=yard, policy=policy, full=full)
    refused: list[tuple[Want, Cut]] = []
    later: list[Want] = []
    for want in wants:
        is_sentinel = want.tier is Tier.SENTINEL and not want.certified
        cut = packing.accept(want, full * policy.sentinel_share if is_sentinel else full)
        if is_sentinel and cut in (Cut.WINDOW, Cut.BUDGET):
            later.append(want)
        elif cut is not None:
            refused.append((want, cut))
    refused += [(want, cut) for want in later if (cut := packing.accept(want, full)) is not None]
    return packing.laid_out(refused)


def cost(candidate: Candidate, *, certified: bool) -> float:
    """Minutes a claim adds to a job that runs anyway; a certified run only what it is longer than the usual one."""
    if certified:
        return max(0.0, (candidate.certified_minutes or 0.0) - candidate.minutes)
    return candidate.minutes


def repeat_reserve(wants: Sequence[Want], policy: Policy) -> float:
    """Minutes kept for measuring a job's first point again. Which one that is, is drawn later: the longest counts."""
    sharing = [want.candidate for want in wants if not want.alone and not want.certified]
    if policy.repeat_from is None or len(sharing) < max(policy.repeat_from, 2):
        return 0.0
    return max((one.minutes for one in sharing if one.repeatable), default=0.0)


@dataclass(slots=True, kw_only=True)
class _Packing:
    yard: Yard
    policy: Policy
    full: float
    jobs: dict[str, Packed] = field(default_factory=dict)
    busy: dict[str, float] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    gpu_minutes: float = 0.0

    def accept(self, want: Want, share: float) -> Cut | None:
        """Take a claim if it fits into `share` of the window and the budget; else say what stopped it."""
        one, job = want.candidate, self.jobs.get(want.candidate.job)
        if (want.alone or want.certified) and one.id not in self.taken:
            return Cut.NO_TWIN
        minutes = cost(one, certified=want.certified)
        if job is None or want.alone:
            minutes += one.start_minutes
        wants = job.wants if job is not None else []
        minutes += repeat_reserve([*wants, want], self.policy) - repeat_reserve(wants, self.policy)
        if self._over_budget(one.gpus * minutes, share):
            return Cut.BUDGET
        cut = self._open(want, minutes, share) if job is None else self._grow(job, want, minutes, share)
        if cut is None:
            self.gpu_minutes += one.gpus * minutes
            self.taken.add(one.id)
        return cut

    def _over_budget(self, more: float, share: float) -> bool:
        hours = self.policy.gpu_hours
        return hours is not None and self.gpu_minutes + more > hours * 60 * share + TINY

    def _open(self, want: Want, minutes: float, share: float) -> Cut | None:
        one = want.candidate
        names = self.yard.labels.get(one.label, ())
        if len(names) < one.machines:
            return Cut.NO_MACHINES
        chosen = self._roomiest(names, one.machines)
        if any(self.busy.get(name, 0.0) + minutes > self._limit(name, share) for name in chosen):
            too_long = all(minutes > self._limit(name, self.full) for name in names)
            return Cut.TOO_LONG if too_long else Cut.WINDOW
        self._occupy(chosen, minutes)
        self.jobs[one.job] = Packed(
            job=one.job, label=one.label, gpus=one.gpus, wants=[want], minutes=minutes, machines=chosen
        )
        return None

    def _grow(self, job: Packed, want: Want, more: float, share: float) -> Cut | None:
        """Where the job is, or all of it elsewhere."""
        if any(self.busy[name] + more > self._limit(name, share) for name in job.machines):
            self._occupy(job.machines, -job.minutes)
            chosen = self._roomiest(self.yard.labels[job.label], len(job.machines))
            whole = job.minutes + more
            if any(self.busy.get(name, 0.0) + whole > self._limit(name, share) for name in chosen):
                self._occupy(job.machines, job.minutes)
                return Cut.WINDOW
            self._occupy(chosen, job.minutes)
            job.machines = chosen
        self._occupy(job.machines, more)
        job.minutes += more
        job.wants.append(want)
        return None

    def _roomiest(self, names: tuple[str, ...], count: int) -> tuple[str, ...]:
        """The machines with the most minutes left."""
        return free_first(names, {name: self.busy.get(name, 0.0) - self.yard.minutes[name] for name in names}, count)

    def _occupy(self, names: Iterable[str], minutes: float) -> None:
        for name in names:
            self.busy[name] = self.busy.get(name, 0.0) + minutes

    def _limit(self, name: str, share: float) -> float:
        return self.yard.minutes[name] * share + TINY

    def laid_out(self, refused: list[tuple[Want, Cut]]) -> Night:
        """Each label's jobs in an order that ends in time; claims that no order can hold are refused after all."""
        limits = {name: self._limit(name, self.full) for name in self.yard.minutes}
        dropped = lay_out(list(self.jobs.values()), self.yard.labels, limits)
        refused += [(want, Cut.WINDOW) for job in dropped for want in job.wants]
        gone = {job.job for job in dropped}
        jobs = [job for job in self.jobs.values() if job.job not in gone]
        return Night(
            jobs=tuple(sorted(jobs, key=lambda job: (job.begins, -job.minutes, job.job))),
            refused=tuple(refused),
            gpu_minutes=sum(job.gpus * job.minutes for job in jobs),
            ends=max((job.begins + job.minutes for job in jobs), default=0.0),
        )
