"""When bytes arrived: the kernel's receive stamps brought onto CLOCK_MONOTONIC, and how late user space was."""

from __future__ import annotations

import time
from array import array

MAX_DELAYS = 1 << 18
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

    `delays_ns` are user-minus-kernel stamps, thinned evenly once there are MAX_DELAYS of them.
    """

    __slots__ = ("_first_offset_ns", "_offset_ns", "_start_ns", "_stride", "_unstamped", "delays_ns", "reads")

    def __init__(self) -> None:
        self.reads = 0
        self.delays_ns = array("q")
        self._unstamped = 0
        self._stride = 1
        self._first_offset_ns = self._offset_ns = wall_offset_ns()
        self._start_ns = time.monotonic_ns()

    def restart(self) -> None:
        """Begins the account of delays and drift anew: a warm-up's is not the measurement's."""
        self.reads = self._unstamped = 0
        self.delays_ns = array("q")
        self._stride = 1
        self.refresh()
        self._first_offset_ns = self._offset_ns

    def refresh(self) -> None:
        self._offset_ns = wall_offset_ns()

    def stamp(self, kernel_wall_ns: int | None) -> int:
        """The monotonic time of a read that has just returned; user space's own where the kernel's is no use."""
        now_ns = time.monotonic_ns()
        self.reads += 1
        if kernel_wall_ns is None:
            self._unstamped += 1
            return now_ns
        stamp_ns = kernel_wall_ns - self._offset_ns
        if not self._start_ns <= stamp_ns <= now_ns:  # the wall clock was stepped
            return now_ns
        if self.reads % self._stride == 0:
            self._keep(now_ns - stamp_ns)
        return stamp_ns

    def _keep(self, delay_ns: int) -> None:
        self.delays_ns.append(delay_ns)
        if len(self.delays_ns) >= MAX_DELAYS:
            self.delays_ns = self.delays_ns[::2]
            self._stride *= 2

    @property
    def kernel_stamps(self) -> bool:
        """Whether (nearly) every read had one: the first few may not, while the kernel switches stamping on."""
        return self.reads > 0 and self._unstamped * 100 <= self.reads

    def drift_s(self) -> float:
        """How far the wall clock has moved against the monotonic one since the start."""
        return (wall_offset_ns() - self._first_offset_ns) / 1e9
