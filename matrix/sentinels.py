"""Which points watch a frontier every night: the ends of each curve and its knee."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matrix.rota import Candidate, Seen


def sentinels(candidates: Iterable[Candidate], memory: Mapping[str, Seen]) -> frozenset[str]:
    """Keys of the two or three points that watch each curve: its ends and its knee."""
    curves: dict[str, list[Candidate]] = {}
    for one in candidates:
        curves.setdefault(one.curve, []).append(one)
    return frozenset(one.key for members in curves.values() for one in _watching(members, memory))


def _watching(members: list[Candidate], memory: Mapping[str, Seen]) -> list[Candidate]:
    measured = [(one, past) for one in members if (past := memory.get(one.key)) and past.x and past.y]
    if len(members) <= 3:
        return members
    if len(measured) < 3:
        placed = [(math.log(one.load), math.log(one.load), one) for one in members]
        return _ends_and_middle(placed)
    return _ends_and_knee([(math.log(past.x or 1), math.log(past.y or 1), one) for one, past in measured])


def _ends_and_middle(placed: list[tuple[float, float, Candidate]]) -> list[Candidate]:
    """Before anything is known: the lightest and the heaviest load per device, and the one in the geometric middle."""
    ordered = sorted(placed, key=lambda item: (item[0], item[2].id))
    low, high = ordered[0], ordered[-1]
    middle = min(ordered[1:-1], key=lambda item: (abs(item[0] - (low[0] + high[0]) / 2), item[2].id))
    return [low[2], middle[2], high[2]]


def _ends_and_knee(placed: list[tuple[float, float, Candidate]]) -> list[Candidate]:
    """The fastest, the one with the most throughput, and the one farthest out from the line between them (in logs)."""
    fastest = max(placed, key=lambda item: (item[0], item[1], item[2].id))
    fullest = max(placed, key=lambda item: (item[1], item[0], item[2].id))
    across, up = fastest[0] - fullest[0], fullest[1] - fastest[1]
    between = [item for item in placed if item[2] not in (fastest[2], fullest[2])]
    ends = [fastest[2]] if fastest[2] is fullest[2] else [fastest[2], fullest[2]]
    if not between:
        return ends
    knee = max(
        between,
        key=lambda item: (
            (item[0] - fullest[0]) * up + (item[1] - fastest[1]) * across,
            item[0] + item[1],  # where one point is best at both there is no line
            item[2].id,
        ),
    )
    return [*ends, knee[2]]
