"""Laying out a night's jobs on machines: longest first (LPT), those that watch a frontier before the others.

A job that needs several machines takes them at the same time. Everything is minutes since the window opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matrix.rota import Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from matrix.rota import Want

    Labels = Mapping[str, tuple[str, ...]]
    Limits = Mapping[str, float]
    Spots = list[tuple[tuple[str, ...], float]]


@dataclass(slots=True, kw_only=True)
class Packed:
    """One job of the night. `begins` and `machines` are what is expected, not an order to anybody."""

    job: str
    label: str
    gpus: int
    wants: list[Want]
    minutes: float
    machines: tuple[str, ...] = ()
    begins: float = 0.0

    @property
    def watches(self) -> bool:
        return any(want.tier is Tier.SENTINEL for want in self.wants)


def lay_out(jobs: Sequence[Packed], labels: Labels, limits: Limits) -> list[Packed]:
    """Set `machines` and `begins` of every job so that each ends in time; returns the jobs for which there is no way.

    Every job comes with the machines it was accepted on: where each has one, those are a way that is known to fit.
    """
    root = components(labels)
    together: dict[str, list[Packed]] = {}
    for job in jobs:
        together.setdefault(root[job.label], []).append(job)
    return [job for members in together.values() for job in _lay_out_together(members, labels, limits)]


def components(labels: Labels) -> dict[str, str]:
    """Each label's representative: two labels have the same one exactly when shared machines connect them."""
    root = {label: label for label in labels}

    def find(label: str) -> str:
        while root[label] != label:
            label = root[label]
        return label

    owner: dict[str, str] = {}
    for label, names in labels.items():
        for name in names:
            root[find(label)] = find(owner.setdefault(name, label))
    return {label: find(label) for label in labels}


_ORDERS: tuple[Callable[[Packed], tuple[float, ...]], ...] = (
    lambda job: (not job.watches, -job.minutes),
    lambda job: (-job.minutes,),
)


def _lay_out_together(jobs: list[Packed], labels: Labels, limits: Limits) -> list[Packed]:
    for order in _ORDERS:
        ordered = sorted(jobs, key=order)
        if (spots := _list_schedule(ordered, labels, limits)) is not None:
            _put(ordered, spots)
            return []
    if all(len(job.machines) == 1 for job in jobs):
        _as_accepted(jobs)
        return []
    kept, dropped = list(jobs), []
    while (spots := _list_schedule(kept, labels, limits)) is None:
        dropped.append(kept.pop())  # the one that was accepted last
    _put(kept, spots)
    return dropped


def _list_schedule(jobs: Sequence[Packed], labels: Labels, limits: Limits) -> Spots | None:
    """Each job in turn on the machines that are free first; null when one would end too late."""
    busy = {name: 0.0 for job in jobs for name in labels[job.label]}
    spots: Spots = []
    for job in jobs:
        chosen = free_first(labels[job.label], busy, len(job.machines))
        begins = max(busy[name] for name in chosen)
        ends = begins + job.minutes
        if any(ends > limits[name] for name in chosen):
            return None
        spots.append((chosen, begins))
        busy |= dict.fromkeys(chosen, ends)
    return spots


def free_first(names: tuple[str, ...], busy: Mapping[str, float], count: int) -> tuple[str, ...]:
    """The machines that are free first; equals in the order of the label."""
    if count == 1:
        return (min(names, key=lambda name: busy.get(name, 0.0)),)
    return tuple(sorted(names, key=lambda name: busy.get(name, 0.0))[:count])


def _put(jobs: Sequence[Packed], spots: Spots) -> None:
    for job, (machines, begins) in zip(jobs, spots, strict=True):
        job.machines, job.begins = machines, begins


def _as_accepted(jobs: Iterable[Packed]) -> None:
    busy: dict[str, float] = {}
    for job in sorted(jobs, key=_ORDERS[0]):
        (name,) = job.machines
        job.begins = busy.get(name, 0.0)
        busy[name] = job.begins + job.minutes
