from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.limits import SHARD_JOBS, SHARDS
from matrix.shard import Shard, TooManyJobs, pack


def jobs_of(sizes: list[int], name: str = "r") -> dict[str, str]:
    """`sizes[i]` jobs of the i-th recipe."""
    return {f"{name}{i}.tp8.{n:06x}": f"{name}{i}" for i, size in enumerate(sizes) for n in range(size)}


def changed(before: tuple[Shard, ...], after: tuple[Shard, ...]) -> int:
    """Files that are new, gone or different."""
    old, new = ({shard.number: shard for shard in shards} for shards in (before, after))
    return sum(old.get(number) != new.get(number) for number in old.keys() | new.keys())


# One point a job is the worst case: 20,000 points, 20,000 jobs. That is more than a night, so give it the shards.
SIZES = st.lists(st.integers(1, 2 * SHARD_JOBS), min_size=1, max_size=80).filter(lambda sizes: sum(sizes) <= 20_000)
ENOUGH = 200


@settings(max_examples=60)
@given(SIZES)
def test_every_job_is_in_exactly_one_shard_and_no_shard_is_too_large(sizes: list[int]) -> None:
    jobs = jobs_of(sizes)
    shards = pack(jobs, max_shards=ENOUGH)
    packed = [job for shard in shards for job in shard.jobs]
    assert len(packed) == len(jobs)
    assert set(packed) == set(jobs)
    assert all(0 < len(shard.jobs) <= SHARD_JOBS for shard in shards)
    assert [shard.number for shard in shards] == list(range(len(shards)))


@settings(max_examples=60)
@given(SIZES, st.integers(1, 2 * SHARD_JOBS))
def test_one_recipe_more_or_less_changes_at_most_two_files(sizes: list[int], size: int) -> None:
    jobs, recipe = jobs_of(sizes), jobs_of([size], "new")
    before = pack(jobs, max_shards=ENOUGH)
    after = pack({**jobs, **recipe}, before, max_shards=ENOUGH)
    assert 1 <= changed(before, after) <= (1 if size <= SHARD_JOBS else 2)
    assert pack(jobs, after, max_shards=ENOUGH) == before


@settings(max_examples=40)
@given(SIZES, st.data())
def test_a_recipe_that_changes_all_its_jobs_changes_few_files(sizes: list[int], data: st.DataObject) -> None:
    jobs = jobs_of(sizes)
    before = pack(jobs, max_shards=ENOUGH)
    recipe = data.draw(st.sampled_from(sorted(set(jobs.values()))))
    others = {job: owner for job, owner in jobs.items() if owner != recipe}
    renamed = {f"{job}x": owner for job, owner in jobs.items() if owner == recipe}
    held_by = sum(any(jobs[job] == recipe for job in shard.jobs) for shard in before)
    after = pack({**others, **renamed}, before, max_shards=ENOUGH)
    assert changed(before, after) <= held_by + 2
    assert {job for shard in after for job in shard.jobs} == others.keys() | renamed.keys()


@settings(max_examples=40)
@given(SIZES)
def test_packing_again_changes_nothing(sizes: list[int]) -> None:
    jobs = jobs_of(sizes)
    shards = pack(jobs, max_shards=ENOUGH)
    assert pack(jobs, shards, max_shards=ENOUGH) == shards
    assert pack(dict(reversed(jobs.items())), max_shards=ENOUGH) == shards


COMMITTED = st.lists(
    st.builds(
        lambda number, jobs: Shard(number=number, jobs=tuple(jobs)),
        st.integers(0, 9),
        st.lists(st.integers(0, 60).map(lambda n: f"r{n % 7}.{n}"), max_size=12),
    ),
    max_size=6,
)


@given(COMMITTED, st.sets(st.integers(0, 60), min_size=1, max_size=40))
def test_whatever_is_committed_the_result_is_a_partition(committed: list[Shard], numbers: set[int]) -> None:
    jobs = {f"r{n % 7}.{n}": f"r{n % 7}" for n in numbers}
    shards = pack(jobs, committed, max_jobs=8, max_shards=5)
    assert sorted(job for shard in shards for job in shard.jobs) == sorted(jobs)
    assert all(len(shard.jobs) <= 8 and shard.number < 5 for shard in shards)
    assert pack(jobs, shards, max_jobs=8, max_shards=5) == shards


def test_a_full_night_takes_jobs_wherever_there_is_room() -> None:
    shards = pack(jobs_of([3, 3, 2]), max_jobs=4, max_shards=2)
    assert [len(shard.jobs) for shard in shards] == [4, 4]


def test_a_matrix_too_large_for_one_night_says_how_many_nights_it_is() -> None:
    with pytest.raises(TooManyJobs, match=r"20000 jobs need 84 shards of 240, .* this is 2 nights"):
        pack(jobs_of([200] * 100))


def test_a_shards_number_has_two_digits() -> None:
    assert SHARDS < 100
