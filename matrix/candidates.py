"""From the fleet to candidates: every point of the whole matrix with its server group, its place and its minutes.

Groups are formed over the whole matrix, always: what a server is started with never depends on what is measured
tonight.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from matrix.blocked import why_blocked, why_unpinned
from matrix.estimate import Estimator
from matrix.expand import Dropped, expand
from matrix.group import ServerGroup, group
from matrix.history import NO_HISTORY
from matrix.identity import args_digest, recipe_digest, served
from matrix.jobs import is_repeatable, server_of
from matrix.places import NoPlace, Place, place
from matrix.point import Point, point_id, point_key, size_of
from matrix.rota import CERTIFIED_MAX_MINUTES, CERTIFIED_REQUESTS, Candidate, Seen
from matrix.serving import device_count
from matrix.workload import SizedWorkload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matrix.facts import Host
    from matrix.fleet import Fleet
    from matrix.history import History


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A candidate with the records it stands for.

    `blocked` says why its job must not be launched, `unpinned` what of its server could change under its name.
    """

    candidate: Candidate
    point: Point
    group: ServerGroup
    place: Place
    blocked: str | None
    unpinned: str | None

    def held_back(self, *, even_blocked: bool, even_unpinned: bool) -> str | None:
        """Why it is not to be planned; None when it is."""
        if self.blocked is not None:
            return None if even_blocked else f"must not be launched: {self.blocked}"
        if self.unpinned is not None and not (even_blocked or even_unpinned):
            return f"not pinned: {self.unpinned}; `inferfleet pin` fixes it, --unpinned plans it all the same"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Impossible:
    """A point of the matrix that no night of this fleet can measure as it stands."""

    point: Point
    why: str
    missing_gpus: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """All of it: `members` by point id, in the order of the files."""

    members: Mapping[str, Member]
    impossible: tuple[Impossible, ...]


def matrix_of(fleet: Fleet, history: History = NO_HISTORY) -> Matrix:
    """The whole matrix, placed and estimated."""
    items = list(expand(fleet))
    estimator = Estimator(fleet=fleet, history=history)
    impossible = [Impossible(point=item.point, why=item.why) for item in items if isinstance(item, Dropped)]
    members: dict[str, Member] = {}
    for found in group(fleet, (item for item in items if isinstance(item, Point))):
        where = place(fleet, found.points[0], found.job_id)
        if isinstance(where, NoPlace):
            gone = [Impossible(point=one, why=where.why, missing_gpus=where.missing_gpus) for one in found.points]
            impossible += gone
            continue
        for member in _members(fleet, estimator, found, where):
            members[member.candidate.id] = member
    return Matrix(members=members, impossible=tuple(impossible))


def _members(fleet: Fleet, estimator: Estimator, found: ServerGroup, where: Place) -> list[Member]:
    blocked = why_blocked(fleet, found.points[0]) or why_host_blocks(fleet.hosts[where.host])
    unpinned = why_unpinned(server_of(fleet, found))
    start = estimator.start(found)
    made_with = served(recipe_digest(fleet, found.recipe), args_digest(found), fleet.recipes[found.recipe].image)
    return [
        Member(
            candidate=_candidate(estimator, found, point, where, start=start, made_with=made_with),
            point=point,
            group=found,
            place=where,
            blocked=blocked,
            unpinned=unpinned,
        )
        for point in found.points
    ]


def _candidate(
    estimator: Estimator, found: ServerGroup, point: Point, where: Place, *, start: float, made_with: str
) -> Candidate:
    minutes = estimator.point(point)
    cap, length = point.power_cap_w, point.workload.run_length
    return Candidate(
        id=point_id(point),
        key=point_key(point),
        curve=f"{point.recipe}/{point.workload_id}/{point.isolation}" + (f"/{cap}" if cap else ""),
        job=found.job_id,
        label=where.label,
        gpu=estimator.fleet.recipes[point.recipe].gpu,
        machines=where.machines,
        gpus=where.gpus,
        start_minutes=start,
        minutes=minutes.whole,
        measured_minutes=minutes.measured,
        certified_minutes=_certified_minutes(estimator, point),
        every_nights=length.every_nights if point.search is None else length.search.every_nights,
        served=made_with,
        load=size_of(point.load) / device_count(point.layout),
        repeatable=is_repeatable(point),
        search=point.search is not None,
    )


def _certified_minutes(estimator: Estimator, point: Point) -> float | None:
    if not isinstance(point.workload, SizedWorkload) or point.search is not None:
        return None
    whole = estimator.point(point, CERTIFIED_REQUESTS).whole
    return whole if whole <= CERTIFIED_MAX_MINUTES else None


def why_host_blocks(host: Host) -> str | None:
    """What must be known of a host before a job may be sent there."""
    if host.backend is None:
        return f"host {host.label} does not say how a job is started on it"
    return f"host {host.label} does not say how many devices it has" if host.devices is None else None


def memory_of(history: History) -> dict[str, Seen]:
    """History as the rota reads it, nights as ordinals."""
    return {
        key: Seen(
            served=served(past.recipe_digest, past.args_digest, past.image),
            seen=ordinal(past.seen),
            ok=None if past.ok is None else ordinal(past.ok),
            failures=past.failures,
            certified=None if past.certified is None else ordinal(past.certified),
            x=past.x,
            y=past.y,
        )
        for key, past in history.points.items()
    }


def ordinal(night: str) -> int:
    """The day's number; consecutive nights differ by one."""
    return date.fromisoformat(night).toordinal()
