"""Where a load's requests come from: prompts one after the other, or sessions of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from benchmarks.requests import WHOLE, Part, RequestQueue
from benchmarks.session_queue import SessionQueue
from benchmarks.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.exchange import Exchange
    from benchmarks.records import Prompt, Target


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
