"""Where a load's requests come from, prompts one after the other or sessions of several; and when, at a rate."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Protocol

from benchmarks.requests import WHOLE, Part, RequestQueue
from benchmarks.schedule import SECOND_NS, arrivals_ns
from benchmarks.session_queue import SessionQueue
from benchmarks.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.exchange import Exchange
    from benchmarks.records import Prompt, Target
    from matrix.point import Rate


class Queue(Protocol):
    """`make_one` fills it up when idle; `take` never fails for want of that."""

    def full(self) -> bool: ...
    def make_one(self) -> None: ...
    def take(self) -> Exchange: ...


def queue_of(
    target: Target, prompts: Iterator[Prompt] | Sessions, streams: int, part: Part = WHOLE, *, warmup: bool = False
) -> Queue:
    kind = SessionQueue if isinstance(prompts, Sessions) else RequestQueue
    return kind(target, prompts, streams, part, warmup=warmup)  # type: ignore[arg-type]


def arrivals_of(load: Rate, seed: str, prompts: Iterator[Prompt] | Sessions) -> Iterator[int]:
    """Endless offsets from the start. Raises FleetError for recorded ones of what was not recorded."""
    if load.arrival == "recorded" and isinstance(prompts, Sessions) and prompts.arrivals_s:
        return recorded_ns(prompts.arrivals_s, load.requests_per_s)
    return arrivals_ns(load, seed)


def recorded_ns(arrivals_s: tuple[float, ...], per_s: float) -> Iterator[int]:
    """Endless offsets as recorded, stretched so that `per_s` sessions begin a second in the mean.

    A pass through the recording is followed by the next after one mean gap.
    """
    sessions, first_s, span_s = len(arrivals_s), arrivals_s[0], arrivals_s[-1] - arrivals_s[0]
    scale = (sessions - 1) / per_s / span_s if span_s else 0.0
    for again in count():
        begin_s = again * sessions / per_s
        yield from (round((begin_s + (one - first_s) * scale) * SECOND_NS) for one in arrivals_s)
