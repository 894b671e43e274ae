"""The plan of a night for the whole fleet: what is due, packed into the window and the GPU-hours; all else by name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from matrix.candidates import Matrix, Member, matrix_of, memory_of, ordinal
from matrix.capacity import YardNeed, needs
from matrix.check import check
from matrix.errors import DataProblems
from matrix.expand import point_of
from matrix.forecast import HORIZON_NIGHTS, after, forecast
from matrix.history import NO_HISTORY
from matrix.jobs import in_order, job_of, repeat_of, repeated_first, runners_of, with_repeat
from matrix.pack import Cut, pack, repeat_reserve, yard_of
from matrix.plan import LeftOut, Plan, PlannedPoint, Short
from matrix.planner import with_selection
from matrix.point import point_id, point_key
from matrix.rota import CERTIFIED_MAX_MINUTES, CERTIFIED_REQUESTS, DEFAULT_POLICY, Policy, Tier, rota
from matrix.select import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matrix.fleet import Fleet
    from matrix.history import History
    from matrix.jobs import Night
    from matrix.plan import Job
    from matrix.rota import Candidate, Want
    from matrix.schedule import Packed
    from matrix.select import Selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a night is planned from besides the fleet.

    `even_blocked` plans jobs that must not be launched, too; `even_unpinned` those whose image or model could change.
    """

    policy: Policy = DEFAULT_POLICY
    history: History = NO_HISTORY
    selector: Selector = EVERYTHING
    even_blocked: bool = False
    even_unpinned: bool = False


def build_night(fleet: Fleet, night: Night, asked: Asked) -> Plan:
    """Tonight's jobs on every host of the fleet, and each other point of the matrix with why and when.

    Raises `DataProblems` when the fleet does not check, `FleetError` for a selection that means nothing.
    """
    if problems := check(fleet):
        raise DataProblems(problems)
    matrix, policy = matrix_of(fleet, asked.history), asked.policy
    left = _ruled_out(fleet, matrix, asked)
    candidates = [member.candidate for name, member in matrix.members.items() if name not in left]
    yard = yard_of(fleet.hosts.values(), policy)
    memory, today = memory_of(asked.history), ordinal(night.date)
    due = rota(candidates, memory, today, policy, night.seed)
    packed = pack(due.wanted, yard, policy)
    evening = after(memory, packed.jobs, today)
    later = forecast(candidates, evening, today + 1, policy, night.seed, yard)
    short = needs(candidates, memory, policy, yard)
    why = {**due.waiting, **_refusals(packed.refused, packed.jobs)}
    left |= {one.id: _left_out(one, why[one.id], later, short) for one in candidates if one.id in why}
    jobs = tuple(_job(fleet, matrix, job, night, policy) for job in packed.jobs)
    return Plan(
        run_id=night.run_id,
        night=night.date,
        seed=night.seed,
        git_sha=night.git_sha,
        jobs=jobs,
        left_out=tuple(left.values()),
        runners=runners_of(fleet, jobs),
        window_minutes=policy.window_minutes,
        gpu_hours=policy.gpu_hours,
        retry_points=int(policy.retry_share * sum(not point.point.repeat for job in jobs for point in job.points)),
        short=tuple(_short(need) for need in short if need.short),
    )


def _ruled_out(fleet: Fleet, matrix: Matrix, asked: Asked) -> dict[str, LeftOut]:
    """Points that no policy can bring in: not asked for, impossible, or not to be launched."""
    left: dict[str, LeftOut] = {}
    for item, unasked in with_selection(fleet, asked.selector):
        if unasked is not None:
            name = point_id(point_of(item))
            left[name] = LeftOut(id=name, why=unasked)
    for gone in matrix.impossible:
        name = point_id(gone.point)
        left.setdefault(name, LeftOut(id=name, why=gone.why, missing_gpus=gone.missing_gpus))
    for name, member in matrix.members.items():
        why = member.held_back(even_blocked=asked.even_blocked, even_unpinned=asked.even_unpinned)
        if why is not None:
            left.setdefault(name, LeftOut(id=name, why=why))
    return left


def _refusals(refused: Iterable[tuple[Want, Cut]], jobs: Sequence[Packed]) -> dict[str, str]:
    """Why each due point is not in. A job that runs without some of its points is cut for time, and says so."""
    running = {job.job: len([want for want in job.wants if not want.alone and not want.certified]) for job in jobs}
    found: dict[str, str] = {}
    for want, cut in refused:
        if want.alone or want.certified:
            continue
        one = want.candidate
        part = f"; {one.job} is cut to {running[one.job]} points" if one.job in running else ""
        found[one.id] = f"{want.why}, but {cut.value} ({one.label}){part}"
    return found


def _left_out(one: Candidate, why: str, later: Mapping[str, int], short: Sequence[YardNeed]) -> LeftOut:
    if one.id in later:
        return LeftOut(id=one.id, why=why, night=date.fromordinal(later[one.id]).isoformat())
    need = next((need for need in short if one.label in need.labels), None)
    gpus = need.short_gpus if need is not None and need.short else None
    never = f"{why}; not within {HORIZON_NIGHTS} nights"
    return LeftOut(id=one.id, why=never, missing_gpus=gpus)


def _short(need: YardNeed) -> Short:
    return Short(labels=need.labels, machines=need.machines, short_machines=need.short, short_gpus=need.short_gpus)


def _job(fleet: Fleet, matrix: Matrix, packed: Packed, night: Night, policy: Policy) -> Job:
    members = [matrix.members[want.candidate.id] for want in packed.wants]
    certified = {want.candidate.id for want in packed.wants if want.certified}
    planned = [
        _planned(member, want, certified=want.candidate.id in certified)
        for member, want in zip(members, packed.wants, strict=True)
        if not want.certified
    ]
    first = frozenset(want.candidate.id for want in packed.wants if want.tier is Tier.SENTINEL)
    found, host = members[0].group, fleet.hosts[members[0].place.host]
    ordered = in_order(planned, first, found.job_id, night.seed)
    minutes = packed.minutes - repeat_reserve(packed.wants, policy)
    begun = repeated_first(ordered, policy.repeat_from)
    if begun is not None and begun.id not in certified:  # windows of other lengths would differ without any cause
        ordered = with_repeat(ordered, repeat_of(begun.point, begun.expected_minutes))
        minutes += begun.expected_minutes
    job = job_of(fleet, host, found, ordered, minutes, members[0].blocked)
    return msgspec.structs.replace(job, gpus=packed.gpus, begins_minutes=packed.begins)


def _planned(member: Member, want: Want, *, certified: bool) -> PlannedPoint:
    """A certified run is the same point measured longer; a twin is another point, with an id and a key of its own."""
    point, one = member.point, member.candidate
    minutes, why = one.minutes, want.why
    if want.alone:
        point, minutes = msgspec.structs.replace(point, alone=True), one.start_minutes + one.minutes
    elif certified:
        length = point.workload.run_length
        longer = msgspec.structs.replace(
            length, min_requests=CERTIFIED_REQUESTS, max_s=max(length.max_s, CERTIFIED_MAX_MINUTES * 60)
        )
        point = msgspec.structs.replace(point, workload=msgspec.structs.replace(point.workload, run_length=longer))
        minutes, why = one.certified_minutes or minutes, f"{why}, {CERTIFIED_REQUESTS} requests"
    return PlannedPoint(id=point_id(point), key=point_key(point), point=point, expected_minutes=minutes, why=why)
