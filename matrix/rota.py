"""The rota: which points are due tonight, why, and in which order they may claim the night. Pure arithmetic on nights.

Sentinels and changed recipes first, every night; then a few groups measured twice, shared and alone; then all other
points, the longest unmeasured first, spread so that each comes round every `stale_nights`, and what failed again after
1, 2, 4 nights; last, sentinels with enough requests for a certified p99.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from matrix.limits import RETRY_SHARE
from matrix.sentinels import sentinels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CERTIFIED_REQUESTS = 662
"""The fewest requests whose p99 can be certified at 99 % confidence (MLPerf's early-stopping table)."""
CERTIFIED_MAX_MINUTES = 60.0
"""A point that needs longer for that many requests is not certified: it would hold its server for hours."""
CERTIFIED_GRACE_NIGHTS = 7
REPEAT_FROM_POINTS = 2


class Tier(IntEnum):
    """What a point is wanted for. Lower claims the night first."""

    SENTINEL = 0
    CHANGED = 1
    PAIR = 2
    STALE = 3
    CERTIFIED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`window_minutes` is the length of the night; what is planned leaves `retry_share` of it, and of the GPU-hours, to
    second tries. Sentinels may claim `sentinel_share` of each label before the others, and what those leave: on a label
    that is too short for its sentinels, nothing else would ever be measured. `by_age` off is a fleet without a memory,
    for comparison: all points every night, in the order of the files. A job of `repeat_from` points and more measures
    its first one again as its last; null: none does.
    """

    window_minutes: float = 720.0
    gpu_hours: float | None = None
    stale_nights: int = 7
    pair_share: float = 0.02
    retry_share: float = RETRY_SHARE
    sentinel_share: float = 0.7
    certified_nights: int | None = 28
    by_age: bool = True
    repeat_from: int | None = REPEAT_FROM_POINTS


DEFAULT_POLICY = Policy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A point that could be measured, with all that planning needs to know of it.

    `served` is what it is measured with (`matrix.identity`); `curve` the frontier it belongs to; `load`
    its requests in flight (or per second) per device. `certified_minutes` null: it cannot be certified. `repeatable`:
    where it is the first of several on a server, it is also measured as the last.
    """

    id: str
    key: str
    curve: str
    job: str
    label: str
    gpu: str
    machines: int
    gpus: int
    start_minutes: float
    minutes: float
    measured_minutes: float
    certified_minutes: float | None
    every_nights: int
    served: str
    load: float
    repeatable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is remembered of a point. Nights are ordinals; `failures` are verdicts since the last ok one; `x` and `y`
    place it on its frontier.
    """

    served: str
    seen: int | None = None
    ok: int | None = None
    failures: int = 0
    certified: int | None = None
    x: float | None = None
    y: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One claim on the night. `alone` is the twin of a shared point, `certified` its longer run."""

    candidate: Candidate
    tier: Tier
    why: str
    alone: bool = False
    certified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rota:
    """`wanted` in the order of their claims; `waiting` says why each other point is not wanted tonight."""

    wanted: tuple[Want, ...]
    waiting: Mapping[str, str]


def rota(candidates: Sequence[Candidate], memory: Mapping[str, Seen], night: int, policy: Policy, seed: int) -> Rota:
    """Tonight's claims. Deterministic: equal arguments, equal rota."""
    if not policy.by_age:
        return _by_calendar(candidates, night)
    watching = sentinels(candidates, memory)
    wanted: dict[str, Want] = {}
    waiting: dict[str, str] = {}
    rest: list[Candidate] = []
    for one in candidates:
        past, is_sentinel = memory.get(one.key), one.key in watching and one.every_nights < policy.stale_nights
        age = age_of(past, night)
        if past is None or past.served != one.served:
            tier = Tier.SENTINEL if is_sentinel else Tier.CHANGED
            wanted[one.id] = Want(candidate=one, tier=tier, why="new" if past is None else "changed")
        elif past.failures:
            _again(one, past, night, policy, Tier.SENTINEL if is_sentinel else Tier.STALE, wanted, waiting)
        elif is_sentinel and (age is None or age >= one.every_nights):
            wanted[one.id] = Want(candidate=one, tier=Tier.SENTINEL, why="sentinel")
        elif is_sentinel:
            waiting[one.id] = f"measured {_nights(age or 0)}; it is measured every {one.every_nights} nights"
        else:
            rest.append(one)
    _add_rest(rest, memory, night, policy, wanted, waiting)
    pairs = _pairs(candidates, wanted, waiting, policy, seed)
    certified = _certified(wanted, memory, night, policy)
    order = sorted(wanted.values(), key=lambda want: _claim(want, memory, night))
    return Rota(wanted=_with_twins(order, pairs, certified), waiting=waiting)


def _by_calendar(candidates: Sequence[Candidate], night: int) -> Rota:
    """No memory: each point on fixed nights, in the order of the files."""
    due = [one for one in candidates if (night + int(hashed(one.job), 16)) % one.every_nights == 0]
    names = {one.id for one in due}
    return Rota(
        wanted=tuple(Want(candidate=one, tier=Tier.STALE, why="its night") for one in due),
        waiting={one.id: "not its night" for one in candidates if one.id not in names},
    )


def age_of(past: Seen | None, night: int) -> int | None:
    """Nights since the last verdict; None for never."""
    return None if past is None or past.seen is None else night - past.seen


def _nights(age: int) -> str:
    return "tonight" if age <= 0 else "last night" if age == 1 else f"{age} nights ago"


def _claim(want: Want, memory: Mapping[str, Seen], night: int) -> tuple[int, float, str, str]:
    """Oldest first, as old as can be what was never measured as it is now.

    Equal ages by job, in an order that is nobody's alphabet and does not change with the fleet.
    """
    past = memory.get(want.candidate.key)
    age = age_of(past, night) if past is not None and past.served == want.candidate.served else None
    older_first = -math.inf if age is None else -age
    return want.tier, older_first, hashed(want.candidate.job), want.candidate.id


def hashed(*words: object) -> str:
    """16 hex digits that look random and never change."""
    return hashlib.sha256("/".join(map(str, words)).encode()).hexdigest()[:16]


def fraction(*words: object) -> float:
    """A number in [0, 1) drawn from words."""
    return int(hashed(*words), 16) / 16**16


def _again(
    one: Candidate,
    past: Seen,
    night: int,
    policy: Policy,
    tier: Tier,
    wanted: dict[str, Want],
    waiting: dict[str, str],
) -> None:
    """What failed is tried again after 1, 2, 4 nights: often enough for a flake, seldom enough for a broken recipe."""
    age, pause = age_of(past, night) or 0, min(2 ** (past.failures - 1), _limit(one, policy))
    text = f"failed {past.failures} times, last {_nights(age)}"
    if age >= pause:
        wanted[one.id] = Want(candidate=one, tier=tier, why=text)
    else:
        waiting[one.id] = f"{text}; tried again {pause} nights after that"


def _limit(one: Candidate, policy: Policy) -> int:
    """How many nights may pass between two measurements of a point that is no sentinel."""
    return max(policy.stale_nights, one.every_nights)


def _add_rest(
    rest: Sequence[Candidate],
    memory: Mapping[str, Seen],
    night: int,
    policy: Policy,
    wanted: dict[str, Want],
    waiting: dict[str, str],
) -> None:
    """All that are stale, and the oldest jobs of the others until a night's share of all jobs is reached.

    Without that share, points first measured on one night would all come due on one night, for ever.
    """
    jobs: dict[str, list[Candidate]] = {}
    for one in rest:
        jobs.setdefault(one.job, []).append(one)
    limits = {job: max(_limit(one, policy) for one in members) for job, members in jobs.items()}
    ages = {job: max(_age_or_ever(memory, one, night) for one in members) for job, members in jobs.items()}
    share = math.ceil(sum(1 / limit for limit in limits.values()) - 1e-9)
    for number, job in enumerate(sorted(jobs, key=lambda job: (-ages[job] / limits[job], hashed(job)))):
        for one in jobs[job]:
            age, limit = _age_or_ever(memory, one, night), _limit(one, policy)
            if number < share or age >= limit:
                why = "never measured" if math.isinf(age) else f"measured {_nights(int(age))}"
                wanted[one.id] = Want(candidate=one, tier=Tier.STALE, why=why)
            else:
                waiting[one.id] = f"measured {_nights(int(age))}; due within {limit} nights of that"


def _age_or_ever(memory: Mapping[str, Seen], one: Candidate, night: int) -> float:
    age = age_of(memory.get(one.key), night)
    return math.inf if age is None else age


def _pairs(
    candidates: Iterable[Candidate],
    wanted: dict[str, Want],
    waiting: dict[str, str],
    policy: Policy,
    seed: int,
) -> set[str]:
    """Jobs drawn by the night's seed whose points are measured twice tonight: on their shared server, and alone."""
    members: dict[str, list[Candidate]] = {}
    for one in candidates:
        members.setdefault(one.job, []).append(one)
    drawn = {job for job, found in members.items() if len(found) > 1 and fraction(seed, job) < policy.pair_share}
    for job in drawn:
        for one in members[job]:
            if one.id not in wanted or wanted[one.id].tier > Tier.PAIR:
                wanted[one.id] = Want(candidate=one, tier=Tier.PAIR, why="shared and alone")
                waiting.pop(one.id, None)
    return drawn


def _certified(wanted: Mapping[str, Want], memory: Mapping[str, Seen], night: int, policy: Policy) -> set[str]:
    """Sentinels whose turn it is: each has a night of its own in every `certified_nights`, and some days of grace."""
    every = policy.certified_nights
    if every is None:
        return set()
    due: set[str] = set()
    for name, want in wanted.items():
        one, past = want.candidate, memory.get(want.candidate.key)
        if want.tier is not Tier.SENTINEL or one.certified_minutes is None:
            continue
        turn = (night + int(hashed(one.key), 16)) % every
        last = None if past is None or past.served != one.served else past.certified
        if turn < CERTIFIED_GRACE_NIGHTS and (last is None or night - last > CERTIFIED_GRACE_NIGHTS):
            due.add(name)
    return due


def _with_twins(order: Sequence[Want], pairs: set[str], certified: set[str]) -> tuple[Want, ...]:
    """Each twin right behind the last claims of its tier; certified runs behind everything."""
    twins = [
        Want(candidate=want.candidate, tier=Tier.PAIR, why="alone, for comparison", alone=True)
        for want in order
        if want.candidate.job in pairs
    ]
    longer = [
        Want(candidate=want.candidate, tier=Tier.CERTIFIED, why=f"{CERTIFIED_REQUESTS} requests", certified=True)
        for want in order
        if want.candidate.id in certified
    ]
    cut = next((number for number, want in enumerate(order) if want.tier > Tier.PAIR), len(order))
    return (*order[:cut], *twins, *order[cut:], *longer)
