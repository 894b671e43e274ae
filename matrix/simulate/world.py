"""What goes wrong in a simulated fleet, and how often. Luck is a function of names: equal names, equal luck.

So two plans are compared under the same luck: a point that fails in one fails in the other.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from matrix.facts import Fact
from matrix.rota import fraction

OVERALL_SUCCESS = 0.778
"""Of 97,966 jobs of the field's reference, September 2025 to June 2026. A job is one server start and its points."""
SUCCESS = {
    "gb200": 0.601,
    "h200": 0.737,
    "h100": 0.738,
    "mi300x": 0.766,
    "mi325x": 0.775,
    "mi355x": 0.778,
    "b200": 0.828,
    "gb300": 0.828,
    "b300": 0.878,
}
"""The same by accelerator."""

_NORMAL = NormalDist()


class World(Fact, frozen=True, kw_only=True):
    """`success` is of a job with one point. The rest is assumed, for nothing is published: half of the failures come
    before the server is ready and half under load, half are the host's fault (and tried again), half of those under
    load take the server with them. Durations are log-normal around what is expected, `spread` wide. A lost runner is
    gone for the night.
    """

    success: dict[str, float] = {}
    otherwise: float = OVERALL_SUCCESS
    at_start: float = 0.5
    host_fault: float = 0.5
    takes_server: float = 0.5
    lost_runner: float = 0.005
    spread: float = 0.2
    pickup_minutes: float = 1.0

    def start_fails(self, gpu: str, luck: float) -> bool:
        """One start. `luck` is uniform on [0, 1)."""
        return luck >= math.pow(self._success(gpu), self.at_start)

    def point_fails(self, gpu: str, luck: float) -> bool:
        """One point on a server that is ready."""
        return luck >= math.pow(self._success(gpu), 1 - self.at_start)

    def _success(self, gpu: str) -> float:
        return self.success.get(gpu, self.otherwise)

    def lasts(self, expected: float, luck: float) -> float:
        """Minutes, of mean `expected`."""
        deviate = _NORMAL.inv_cdf(min(max(luck, 1e-9), 1 - 1e-9))
        return expected * math.exp(self.spread * deviate - self.spread**2 / 2)


PERFECT = World(success={}, otherwise=1.0, lost_runner=0.0, spread=0.0)
"""Nothing fails and everything takes as long as expected."""

MEASURED = World(success=SUCCESS)


def luck(*words: object) -> float:
    """Uniform on [0, 1), the same for the same words."""
    return fraction(*words)
