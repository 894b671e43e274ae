"""The questions a simulation answers: what the plan achieves, which of its ideas matters how much, what starts cost.

All variants measure a point for equally long. What differs is how many server starts that takes, which points come
first, and how often an agentic point (an hour each) is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from matrix.candidates import Matrix, matrix_of, memory_of
from matrix.capacity import YardNeed, needs
from matrix.facts import Fact
from matrix.pack import yard_of
from matrix.serving import pools
from matrix.simulate.campaign import Campaign, CampaignResult
from matrix.simulate.world import World
from matrix.workload import SessionWorkload, TraceWorkload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matrix.fleet import Fleet
    from matrix.history import History
    from matrix.point import Point
    from matrix.rota import Candidate, Policy

START_MINUTES = (3.0, 8.0, 15.0, 30.0)
AGENTIC_NIGHTS = (1, 7)


class Variant(Fact, frozen=True, kw_only=True):
    """`start_minutes` null: as estimated. `agentic_nights` null: as the workloads say."""

    shared: bool = True
    by_age: bool = True
    agentic_nights: int | None = None
    start_minutes: float | None = None


class VariantResult(Fact, frozen=True, kw_only=True):
    """One variant's steady state."""

    variant: Variant
    result: CampaignResult


class Pass(Fact, frozen=True, kw_only=True):
    """Measuring points exactly once, on paper: nothing fails and no window closes. `what` kind of points, or all."""

    what: str
    shared: bool
    points: int
    server_starts: int
    gpu_hours: float
    measuring_share: float


class Need(Fact, frozen=True, kw_only=True):
    """One yard: hours of machine time a night that the rota asks for, and that there are."""

    labels: tuple[str, ...]
    machines: int
    needed_hours: float
    available_hours: float
    short_machines: int
    short_gpus: int
    largest_job_gpus: int


class Study(Fact, frozen=True, kw_only=True):
    """Everything `inferfleet simulate` prints."""

    points: int
    blocked: int
    even_blocked: bool
    impossible: int
    nights: int
    window_minutes: float
    gpu_hours: float | None
    seed: int
    world: World
    needs: tuple[Need, ...]
    passes: tuple[Pass, ...]
    plan: CampaignResult
    factors: tuple[VariantResult, ...]
    starts: tuple[VariantResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to simulate. `first` is the ordinal of the first night."""

    fleet: Fleet
    history: History
    policy: Policy
    world: World
    nights: int
    first: int
    seed: int
    even_blocked: bool
    even_unpinned: bool


def study(question: Question) -> Study:
    """Play every variant. Pure and deterministic."""
    matrix = matrix_of(question.fleet, question.history)
    policy = question.policy
    candidates = _candidates(question, matrix, Variant())
    yard = yard_of(question.fleet.hosts.values(), policy)
    factors = [
        Variant(shared=shared, by_age=by_age, agentic_nights=nights)
        for shared in (False, True)
        for by_age in (False, True)
        for nights in AGENTIC_NIGHTS
    ]
    starts = [Variant(shared=shared, start_minutes=minutes) for minutes in START_MINUTES for shared in (False, True)]
    return Study(
        points=len(candidates),
        blocked=sum(member.blocked is not None for member in matrix.members.values()),
        even_blocked=question.even_blocked,
        impossible=len(matrix.impossible),
        nights=question.nights,
        window_minutes=policy.window_minutes,
        gpu_hours=policy.gpu_hours,
        seed=question.seed,
        world=question.world,
        needs=tuple(_need(one) for one in needs(candidates, memory_of(question.history), policy, yard)),
        passes=tuple(_passes(question, matrix)),
        plan=_play(question, matrix, Variant()),
        factors=tuple(VariantResult(variant=one, result=_play(question, matrix, one)) for one in factors),
        starts=tuple(VariantResult(variant=one, result=_play(question, matrix, one)) for one in starts),
    )


def _play(question: Question, matrix: Matrix, variant: Variant) -> CampaignResult:
    policy = replace(question.policy, by_age=variant.by_age)
    campaign = Campaign(
        candidates=_candidates(question, matrix, variant),
        yard=yard_of(question.fleet.hosts.values(), policy),
        policy=policy,
        world=question.world,
        seed=question.seed,
    )
    return campaign.run(question.nights, memory_of(question.history), question.first)


def _candidates(question: Question, matrix: Matrix, variant: Variant) -> list[Candidate]:
    """The matrix as a variant sees it."""
    found: list[Candidate] = []
    for member in matrix.members.values():
        if member.held_back(even_blocked=question.even_blocked, even_unpinned=question.even_unpinned) is not None:
            continue
        one = member.candidate
        if not variant.shared:
            one = replace(one, job=f"{one.job}/{one.id}")
        if variant.agentic_nights is not None and isinstance(member.point.workload, TraceWorkload):
            one = replace(one, every_nights=variant.agentic_nights)
        if variant.start_minutes is not None:
            one = replace(one, start_minutes=variant.start_minutes)
        found.append(one)
    return found


def _passes(question: Question, matrix: Matrix) -> Iterator[Pass]:
    kinds = {name: kind_of(member.point) for name, member in matrix.members.items()}
    for what in ("all", *sorted(set(kinds.values()))):
        for shared in (False, True):
            points = _candidates(question, matrix, Variant(shared=shared))
            yield _pass([one for one in points if what in ("all", kinds[one.id])], what, shared=shared)


def kind_of(point: Point) -> str:
    """What decides whether points can share a server."""
    if isinstance(point.workload, SessionWorkload):
        return "agentic (never share)"
    return "fixed lengths, one server" if pools(point.layout) == (point.layout,) else "fixed lengths, pools of servers"


def _pass(points: Sequence[Candidate], what: str, *, shared: bool) -> Pass:
    starts = {one.job: one for one in points}
    held = sum(one.gpus * one.start_minutes for one in starts.values()) + sum(one.gpus * one.minutes for one in points)
    measuring = sum(one.gpus * one.measured_minutes for one in points)
    return Pass(
        what=what,
        shared=shared,
        points=len(points),
        server_starts=len(starts),
        gpu_hours=held / 60,
        measuring_share=measuring / held if held else 0.0,
    )


def _need(need: YardNeed) -> Need:
    return Need(
        labels=need.labels,
        machines=need.machines,
        needed_hours=need.needed_minutes / 60,
        available_hours=need.available_minutes / 60,
        short_machines=need.short,
        short_gpus=need.short_gpus,
        largest_job_gpus=need.most_gpus,
    )
