"""Which labels are short: what the rota asks of a week of nights, against what the machines have.

Labels that share machines are judged together (a yard). What is asked of some labels of a yard can also be too much
for the machines these have alone: the worst case counts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matrix.schedule import components
from matrix.sentinels import sentinels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matrix.pack import Yard
    from matrix.rota import Candidate, Policy, Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class YardNeed:
    """One yard in a steady state. Minutes are machine-minutes a night, averaged over `stale_nights`.

    `short` machines are missing to keep every promise of the rota, `short_gpus` with them: `machine_gpus`, what is held
    per machine on average over time, times as many. `most_gpus` is what the largest job holds.
    """

    labels: tuple[str, ...]
    machines: int
    needed_minutes: float
    available_minutes: float
    machine_gpus: float
    most_gpus: int
    short: int
    short_gpus: int


def needs(
    candidates: Sequence[Candidate], memory: Mapping[str, Seen], policy: Policy, yard: Yard
) -> tuple[YardNeed, ...]:
    """Every yard that is asked for anything, by its labels."""
    minutes, gpu_minutes = _nightly(candidates, memory, policy)
    largest: dict[str, int] = defaultdict(int)
    for one in candidates:
        largest[one.label] = max(largest[one.label], one.gpus)
    root = components(yard.labels)
    together: dict[str, list[str]] = defaultdict(list)
    for label in sorted(minutes):
        together[root[label]].append(label)
    return tuple(_need(labels, yard, policy, minutes, gpu_minutes, largest) for _, labels in sorted(together.items()))


def _need(
    labels: list[str],
    yard: Yard,
    policy: Policy,
    minutes: Mapping[str, float],
    gpu_minutes: Mapping[str, float],
    largest: Mapping[str, int],
) -> YardNeed:
    machines = {name for label in labels for name in yard.labels[label]}
    needed = sum(minutes[label] for label in labels)
    each = sum(yard.minutes[name] for name in machines) / len(machines) * (1 - policy.retry_share)
    gpus = sum(gpu_minutes[label] for label in labels) / needed if needed else 0.0
    short = max(_short_of(some, minutes, each) for some in _subsets(labels, yard))
    return YardNeed(
        labels=tuple(labels),
        machines=len(machines),
        needed_minutes=needed,
        available_minutes=each * len(machines),
        machine_gpus=gpus,
        most_gpus=max(largest[label] for label in labels),
        short=short,
        short_gpus=math.ceil(short * gpus),
    )


def _subsets(labels: list[str], yard: Yard) -> Iterable[tuple[frozenset[str], list[str]]]:
    """Each label's machines, and all of them, with the labels that can use no other machine."""
    sets = {frozenset(yard.labels[label]) for label in labels}
    sets.add(frozenset(name for label in labels for name in yard.labels[label]))
    for names in sets:
        yield names, [label for label in labels if names.issuperset(yard.labels[label])]


def _short_of(some: tuple[frozenset[str], list[str]], minutes: Mapping[str, float], each: float) -> int:
    names, labels = some
    return max(0, math.ceil(sum(minutes[label] for label in labels) / each - 1e-9) - len(names))


def _nightly(
    candidates: Sequence[Candidate], memory: Mapping[str, Seen], policy: Policy
) -> tuple[dict[str, float], dict[str, float]]:
    """Machine-minutes and GPU-minutes a night by label, in a steady state."""
    watching = sentinels(candidates, memory)
    jobs: dict[str, list[Candidate]] = defaultdict(list)
    for one in candidates:
        jobs[one.job].append(one)
    minutes: dict[str, float] = defaultdict(float)
    gpu_minutes: dict[str, float] = defaultdict(float)
    for members in jobs.values():
        asked = _of_job(members, watching, policy)
        minutes[members[0].label] += asked * members[0].machines
        gpu_minutes[members[0].label] += asked * members[0].gpus
    return minutes, gpu_minutes


def _of_job(members: Sequence[Candidate], watching: frozenset[str], policy: Policy) -> float:
    """Minutes a night: its start as often as its most frequent point, each point as often as itself, pairs besides."""
    if not policy.by_age:
        whole = members[0].start_minutes + sum(one.minutes for one in members)
        return whole + _repeats([1.0] * len(members), members, policy)
    often = [_times_a_night(one, watching, policy) for one in members]
    shared = max(often) * members[0].start_minutes + sum(n * one.minutes for n, one in zip(often, members, strict=True))
    if len(members) == 1:
        return shared
    shared += _repeats(often, members, policy)
    return shared + policy.pair_share * sum(one.start_minutes + one.minutes for one in members)


def _repeats(often: Sequence[float], members: Sequence[Candidate], policy: Policy) -> float:
    """Minutes a night for first points measured again: a mean one, as often as there are enough points for that."""
    enough = policy.repeat_from
    if enough is None or len(members) < max(enough, 2):
        return 0.0
    nights = sorted(often, reverse=True)[max(enough, 2) - 1]
    return nights * sum(one.minutes for one in members if one.repeatable) / len(members)


def _times_a_night(one: Candidate, watching: frozenset[str], policy: Policy) -> float:
    if one.key in watching and one.every_nights < policy.stale_nights:
        return 1 / one.every_nights
    return 1 / max(policy.stale_nights, one.every_nights)
