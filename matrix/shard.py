"""Packing: every job into exactly one shard, and what is committed stays where it is.

A shard is a committed workflow file, so moving a job is a change that somebody must read. A rule without memory (a
hash of the recipe, say) must split a full shard one day, and then moves half of it. So packing is given what is
committed: jobs keep their shard, vanished ones leave it, and a new recipe's jobs go together into the first shard
with room for all of them, or into a new one. One recipe more or less changes one file; two only if its jobs fill
more than one shard.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from matrix.errors import FleetError
from matrix.limits import SHARD_JOBS, SHARDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One committed list of job ids, sorted. `number` names its file."""

    number: int
    jobs: tuple[str, ...]


class TooManyJobs(FleetError):
    """The matrix has more jobs than one night's shards hold."""


def pack(
    recipe_of: Mapping[str, str],
    committed: Iterable[Shard] = (),
    *,
    max_jobs: int = SHARD_JOBS,
    max_shards: int = SHARDS,
) -> tuple[Shard, ...]:
    """Shards of the jobs of `recipe_of` (job id -> recipe), by number; `committed` is how they are packed now.

    Packing what it returns again returns the same. Raises `TooManyJobs` when the shards of one night cannot hold all.
    """
    if len(recipe_of) > max_jobs * max_shards:
        raise TooManyJobs(_too_many(len(recipe_of), max_jobs, max_shards))
    bins = _Bins(max_jobs, max_shards)
    for shard in sorted(committed, key=lambda shard: shard.number):
        for job in shard.jobs:
            bins.keep(shard.number, job, recipe_of.get(job))
    new: dict[str, list[str]] = {}
    for job in sorted(recipe_of.keys() - bins.held):
        new.setdefault(recipe_of[job], []).append(job)
    for recipe in sorted(new):
        bins.place(recipe, new[recipe])
    return bins.shards()


def _too_many(jobs: int, max_jobs: int, max_shards: int) -> str:
    night = max_jobs * max_shards
    return (
        f"{jobs} jobs need {ceil(jobs / max_jobs)} shards of {max_jobs}, and a night has {max_shards}: this is "
        f"{ceil(jobs / night)} nights. Keep at most {night} jobs in one fleet folder, and run the folders on "
        "alternate nights"
    )


class _Bins:
    """Shards being filled. Numbers above the night's last shard are not kept: their jobs are placed anew."""

    def __init__(self, max_jobs: int, max_shards: int) -> None:
        self._max_jobs, self._max_shards = max_jobs, max_shards
        self._jobs: dict[int, list[str]] = {}
        self._homes: dict[str, set[int]] = {}
        self.held: set[str] = set()

    def keep(self, number: int, job: str, recipe: str | None) -> None:
        """A job stays, unless it is gone, is held twice, or its shard is too full: two branches were merged."""
        if recipe is not None and job not in self.held and number < self._max_shards and self._room(number):
            self._add(number, recipe, [job])

    def place(self, recipe: str, jobs: Sequence[str]) -> None:
        """New jobs of one recipe: with their like if all fit, else where all fit, else wherever there is room."""
        for start in range(0, len(jobs), self._max_jobs):
            part = jobs[start : start + self._max_jobs]
            number = self._fitting(recipe, len(part))
            if number is None:
                self._scatter(recipe, part)
            else:
                self._add(number, recipe, part)

    def shards(self) -> tuple[Shard, ...]:
        return tuple(Shard(number=number, jobs=tuple(sorted(jobs))) for number, jobs in sorted(self._jobs.items()))

    def _fitting(self, recipe: str, count: int) -> int | None:
        homes = sorted(self._homes.get(recipe, ()))
        return next((n for n in (*homes, *range(self._max_shards)) if self._room(n) >= count), None)

    def _scatter(self, recipe: str, jobs: Sequence[str]) -> None:
        """No shard has room for all, and no number is free; together the shards have."""
        left = list(jobs)
        for number in range(self._max_shards):
            part, left = left[: self._room(number)], left[self._room(number) :]
            self._add(number, recipe, part)

    def _room(self, number: int) -> int:
        return self._max_jobs - len(self._jobs.get(number, ()))

    def _add(self, number: int, recipe: str, jobs: Sequence[str]) -> None:
        if jobs:
            self._jobs.setdefault(number, []).extend(jobs)
            self._homes.setdefault(recipe, set()).add(number)
            self.held.update(jobs)
