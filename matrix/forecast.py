"""When the points that are not in tonight will be: the nights to come, planned with nothing going wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from matrix.pack import pack
from matrix.rota import Candidate, Policy, Seen, rota

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matrix.pack import Yard
    from matrix.schedule import Packed

HORIZON_NIGHTS = 28


def after(memory: Mapping[str, Seen], jobs: Sequence[Packed], night: int) -> dict[str, Seen]:
    """The memory of the next night if every point of these jobs ends with a verdict."""
    changed = dict(memory)
    for job in jobs:
        for want in job.wants:
            if not want.alone:
                changed[want.candidate.key] = _measured(changed.get(want.candidate.key), want.candidate, night)
            if want.certified:
                one = want.candidate
                changed[one.key] = replace(changed[one.key], certified=night)
    return changed


def _measured(past: Seen | None, one: Candidate, night: int) -> Seen:
    if past is None or past.served != one.served:
        return Seen(served=one.served, seen=night, ok=night)
    return replace(past, seen=night, ok=night, failures=0)


def forecast(
    candidates: Sequence[Candidate], memory: Mapping[str, Seen], night: int, policy: Policy, seed: int, yard: Yard
) -> dict[str, int]:
    """The first of the nights from `night` on in which each point is planned; without those that never are.

    `memory` is that of the evening before `night`. It stops when every point has had its turn, or at the horizon.
    """
    first: dict[str, int] = {}
    for day in range(night, night + HORIZON_NIGHTS):
        packed = pack(rota(candidates, memory, day, policy, seed + day).wanted, yard, policy)
        for job in packed.jobs:
            for want in job.wants:
                first.setdefault(want.candidate.id, day)
        if len(first) == len(candidates):
            break
        memory = after(memory, packed.jobs, day)
    return first
