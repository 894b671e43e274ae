"""When the requests of an open loop are due: drawn beforehand from a seed, and never moved by how the server does."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from matrix.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matrix.point import Rate

SECOND_NS = 1_000_000_000
SPIN_NS = 1_200_000
"""epoll wakes up to 1.1 ms late (its clock ticks in ms): from here on it is asked without waiting."""
MAKE_NS = 1_000_000
QUIET_NS = 5_000_000
READ_NS_PER_BYTE = 20
"""Work that can wait, waits when a request is due sooner than it takes: to make one, to read part of a long answer,
to read a whole one of so many bytes."""
_BLOCK = 4096


def arrivals_ns(load: Rate, seed: str) -> Iterator[int]:
    """Endless ascending offsets from the start. Number i depends on the arguments and i alone.

    Poisson and gamma gaps have mean 1 / rate and variance 1 / (burstiness x rate^2); constant ones begin at 0.
    Nothing is rescaled to hit the rate: what was offered in the window is measured, not assumed. Raises FleetError
    for arrivals that only a recording has.
    """
    if load.arrival == "recorded":
        raise FleetError("arrival `recorded` is for a trace: of nothing else were arrivals recorded")
    if load.arrival == "constant":
        yield from (round(index * SECOND_NS / load.requests_per_s) for index in count())
    rng = np.random.Generator(np.random.Philox(key=int.from_bytes(hashlib.sha256(seed.encode()).digest()[:16])))
    scale_ns = SECOND_NS / load.requests_per_s / load.burstiness
    end_ns = 0.0
    while True:
        offsets = end_ns + np.cumsum(rng.gamma(load.burstiness, scale_ns, size=_BLOCK))
        end_ns = float(offsets[-1])
        yield from offsets.astype(np.int64).tolist()


class Pacer:
    """The schedule against the clock: which request is due, and how long there is until the next.

    `lateness_ns` is of requests that found a stream free; `held` counts those that had to wait for one, which is
    the server's doing (or of a limit on streams that is too low), not the client's.
    """

    __slots__ = ("_arrivals", "_held", "_next_ns", "held", "lateness_ns")

    def __init__(self, arrivals: Iterator[int], start_ns: int) -> None:
        self._arrivals = (start_ns + offset_ns for offset_ns in arrivals)
        self._next_ns = next(self._arrivals)
        self._held = False
        self.held = 0
        self.lateness_ns: list[int] = []

    def forget(self) -> None:
        """Begins the account of lateness anew: the warm-up's is not the measurement's."""
        self.lateness_ns.clear()
        self.held = 0

    def left_ns(self, now_ns: int) -> int:
        """Until the next request is due; zero or less when it is."""
        return self._next_ns - now_ns

    def wait_s(self, now_ns: int) -> float:
        """How long nothing needs to be sent: it ends SPIN_NS early."""
        return max(0, self._next_ns - now_ns - SPIN_NS) / SECOND_NS

    def hold(self) -> None:
        """The next request is due and every stream is busy."""
        self._held = True

    def take(self, now_ns: int) -> int:
        """When the request being sent now was due."""
        due_ns = self._next_ns
        if self._held:
            self.held += 1
        else:
            self.lateness_ns.append(now_ns - due_ns)
        self._held = False
        self._next_ns = next(self._arrivals)
        return due_ns
