"""The requests before the window, on the streams that will be measured."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.queues import queue_of
from benchmarks.requests import WHOLE, Part
from benchmarks.schedule import SECOND_NS
from matrix.point import Rate

if TYPE_CHECKING:
    from benchmarks.records import Target, Warmup
    from matrix.point import Load


def warmup_requests(load: Load, per_stream: int) -> int:
    """`per_stream` rounds of a closed loop; of an open one, whose streams are a bound, as many seconds' requests."""
    return per_stream * (max(1, round(load.requests_per_s)) if isinstance(load, Rate) else load.streams)


class Warming:
    """How many have ended, and whether they are enough."""

    __slots__ = ("_warmup", "ended", "over", "queue", "stalled")

    def __init__(self, warmup: Warmup, target: Target, streams: int, part: Part = WHOLE) -> None:
        self._warmup = warmup
        self.queue = queue_of(target, warmup.prompts, streams, part, warmup=True)
        self.ended = 0
        self.over = False
        self.stalled = False

    def enough(self, start_ns: int, hopeless: bool) -> bool:
        """A server that fails or hangs its warm-up is measured all the same: what goes wrong then has a record."""
        elapsed_s = (time.monotonic_ns() - start_ns) / SECOND_NS
        return self.ended >= self._warmup.requests or elapsed_s >= self._warmup.max_s or hopeless or self.stalled

    def report(self, elapsed_s: float) -> None:
        if self._warmup.on_progress is not None:
            self._warmup.on_progress(self.ended, elapsed_s)
