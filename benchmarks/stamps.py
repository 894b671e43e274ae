"""When bytes arrived: the kernel's receive stamps brought onto CLOCK_MONOTONIC, and how late user space was."""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING

from benchmarks.records import ClientHealth

if TYPE_CHECKING:
    from benchmarks.schedule import Pacer

MAX_DELAYS = 1 << 18
MAX_SLEW = 0.0005
STEP_NS = 100_000
"""A wall clock that has moved further than this, beside what the kernel may slew it by, was stepped."""
_OFFSET_TRIES = 8


def wall_offset_ns() -> int:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC, from the reading with the tightest bracket of several."""
    best_width, best_offset = None, 0
    for _ in range(_OFFSET_TRIES):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        if best_width is None or after - before < best_width:
            best_width, best_offset = after - before, wall - (before + after) // 2
    return best_offset


class Stamper:
    """Turns receive stamps into monotonic ones. `refresh` a few times a second, so that a slewed clock is followed.

    `fresh_delays_ns` are user-minus-kernel stamps since the last refresh, which adds them to `delays_ns`: those are
    thinned evenly once there are MAX_DELAYS of them. `reads` is counted by whoever reads. `stepped_ns` is the time
    between two refreshes of which one saw the wall clock stepped: stamps in it may be off by the step.
    """

    __slots__ = (
        *("_first_offset_ns", "_refreshed_ns", "_stride", "_unstamped"),
        *("delays_ns", "fresh_delays_ns", "offset_ns", "reads", "stepped_ns"),
    )

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begins the account of delays and drift anew: a warm-up's is not the measurement's."""
        self.reads = self._unstamped = 0
        self.delays_ns = array("q")
        self.fresh_delays_ns = array("q")
        self._stride = 1
        self.stepped_ns = 0
        self._refreshed_ns = time.monotonic_ns()
        self._first_offset_ns = self.offset_ns = wall_offset_ns()

    def refresh(self) -> None:
        now_ns, offset_ns = time.monotonic_ns(), wall_offset_ns()
        since_ns = now_ns - self._refreshed_ns
        if abs(offset_ns - self.offset_ns) > STEP_NS + MAX_SLEW * since_ns:
            self.stepped_ns += since_ns
        self._refreshed_ns, self.offset_ns = now_ns, offset_ns
        # a delay is negative where the wall clock was stepped
        self.delays_ns.extend(delay for delay in self.fresh_delays_ns[:: self._stride] if delay >= 0)
        self.fresh_delays_ns = array("q")
        while len(self.delays_ns) >= MAX_DELAYS:
            self.delays_ns = self.delays_ns[::2]
            self._stride *= 2

    def stamp(self, kernel_wall_ns: int | None) -> int:
        """The monotonic time of a read that has just returned; user space's own where the kernel has none."""
        now_ns = time.monotonic_ns()
        if kernel_wall_ns is None:
            self._unstamped += 1
            return now_ns
        stamp_ns = kernel_wall_ns - self.offset_ns
        self.fresh_delays_ns.append(now_ns - stamp_ns)
        return stamp_ns

    @property
    def kernel_stamps(self) -> bool:
        """Whether (nearly) every read had one: the first few may not, while the kernel switches stamping on."""
        return self.reads > 0 and self._unstamped * 100 <= self.reads

    def drift_s(self) -> float:
        """How far the wall clock has moved against the monotonic one since the start."""
        return (wall_offset_ns() - self._first_offset_ns) / 1e9

    def health(self, cpu_s: float, several: int, pacer: Pacer | None) -> ClientHealth:
        """The client's account of a window that has ended, with what its loop knows."""
        self.refresh()
        return ClientHealth(
            kernel_stamps=self.kernel_stamps,
            stamp_delay_ns=self.delays_ns,
            cpu_s=cpu_s,
            reads=self.reads,
            reads_with_several_events=several,
            wall_clock_drift_s=self.drift_s(),
            stepped_s=self.stepped_ns / 1e9,
            schedule_lateness_ns=tuple(pacer.lateness_ns) if pacer else (),
            held_requests=pacer.held if pacer else 0,
        )
