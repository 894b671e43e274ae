"""How long a server start and a point take: from history where there is any, else by stated defaults.

The defaults for GPUs come from the only two starts that are published with their whole wall time (H200, eight GPUs,
nothing cached): 45 minutes per point beside the measurement for a model of 685 GB, 13 for one of 65 GB; and from 435
published runs, whose requests took 25 ms per output token in the median.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import msgspec

from matrix.facts import HubWeights, NamedWeights
from matrix.history import NO_HISTORY
from matrix.point import Rate, point_key, with_size
from matrix.search import Ramp
from matrix.workload import ConversationWorkload, TraceWorkload

if TYPE_CHECKING:
    from matrix.facts import Precision
    from matrix.fleet import Fleet
    from matrix.group import ServerGroup
    from matrix.history import History
    from matrix.point import Load, Point
    from matrix.search import Seek

START_MINUTES_PER_GB = 0.05
"""Beside the engine's own `start_minutes`: reading the weights and warming up, in proportion to their size."""
UNKNOWN_WEIGHTS_GB = 400.0
SECONDS_PER_OUTPUT_TOKEN = 0.025
POINT_OVERHEAD_S = 10.0
"""Scraping the server's counters and writing the artifact."""
TRACE_WARMUP_S = 600.0

_BITS: dict[Precision, float] = {
    "fp32": 32, "bf16": 16, "fp16": 16, "fp8": 8, "mxfp8": 8.25, "int8": 8, "q8_0": 8.5, "fp6": 6, "mxfp6": 6.25,
    "fp4": 4.5, "mxfp4": 4.25, "nvfp4": 4.5, "int4": 4.5, "q4_1": 5,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """`whole` is what a point takes on a running server, `measured` the part of it that counts."""

    whole: float
    measured: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator:
    """Expected minutes of everything in a fleet."""

    fleet: Fleet
    history: History = NO_HISTORY

    def start(self, found: ServerGroup) -> float:
        """From the command to a server that has generated a token."""
        if found.job_id in self.history.starts:
            return self.history.starts[found.job_id]
        recipe = self.fleet.recipes[found.recipe]
        gigabytes = weights_gb(self.fleet, found.recipe)
        return self.fleet.engines[recipe.engine].start_minutes + START_MINUTES_PER_GB * gigabytes

    def point(self, point: Point, requests: int | None = None) -> Minutes:
        """Warm-up, measurement and the drain of the last requests. `requests` asks for more than the usual minimum."""
        past = None if requests else self.history.points.get(point_key(point))
        if point.search is not None:
            return _of_search(point, point.search, None if past is None else past.minutes)
        if past is not None and past.minutes is not None and past.measured_s is not None:
            return Minutes(whole=past.minutes, measured=past.measured_s / 60)
        return _by_default(point, requests)


def expected_minutes(fleet: Fleet, found: ServerGroup) -> float:
    """One server start and all its points, by default: without history."""
    estimator = Estimator(fleet=fleet)
    return estimator.start(found) + sum(estimator.point(point).whole for point in found.points)


def _by_default(point: Point, requests: int | None) -> Minutes:
    length, workload = point.workload.run_length, point.workload
    if isinstance(workload, TraceWorkload):
        return Minutes(whole=(length.min_s + TRACE_WARMUP_S) / 60, measured=length.min_s / 60)
    request_s = workload.osl * (1 + workload.ratio) / 2 * SECONDS_PER_OUTPUT_TOKEN
    if isinstance(workload, ConversationWorkload):
        request_s += workload.gap_s
    measured_s = max(length.min_s, _requests_s(point.load, requests or length.min_requests, request_s))
    if requests is None:
        measured_s = min(measured_s, length.max_s)
    around_s = (length.warmup_requests_per_stream + 1) * request_s + POINT_OVERHEAD_S
    return Minutes(whole=(measured_s + around_s) / 60, measured=measured_s / 60)


def _of_search(point: Point, search: Seek, past_minutes: float | None) -> Minutes:
    """A ramp climbs from load to load; the others also measure between those, as often as they may.

    By default a search does not find anything early: what it really takes is known once it has been measured.
    """
    base, loads = msgspec.structs.replace(point, search=None), _climb(search)
    each = [_by_default(msgspec.structs.replace(base, load=with_size(point.load, size)), None) for size in loads]
    mean = Minutes(whole=fmean(one.whole for one in each), measured=fmean(one.measured for one in each))
    count = len(each) if isinstance(search.method, Ramp) else search.bounds.max_measurements
    whole = past_minutes or min(count * mean.whole, search.bounds.max_minutes + mean.whole)
    return Minutes(whole=whole, measured=whole * mean.measured / mean.whole)


def _climb(search: Seek) -> list[float]:
    loads, bounds = [search.bounds.first_load], search.bounds
    while loads[-1] < bounds.last_load and len(loads) < bounds.max_measurements:
        loads.append(min(max(loads[-1] * search.method.factor, loads[-1] + 1), bounds.last_load))
    return loads


def _requests_s(load: Load, requests: int, request_s: float) -> float:
    """Seconds until so many requests have ended: streams make them in rounds, a rate makes them one after the other."""
    if isinstance(load, Rate):
        return requests / load.requests_per_s + request_s
    return math.ceil(requests / load.streams) * request_s


def weights_gb(fleet: Fleet, recipe_id: str) -> float:
    """Size of the weights at the recipe's precision, from the model's parameters.

    Unknown: a stated guess for published weights, nothing for a file that somebody has on his machine.
    """
    recipe = fleet.recipes[recipe_id]
    model = fleet.models[recipe.model]
    dimensions = model.dimensions
    if dimensions is None or dimensions.params_total is None:
        return UNKNOWN_WEIGHTS_GB if isinstance(model.weights, HubWeights | NamedWeights) else 0.0
    return dimensions.params_total * _BITS[recipe.precision] / 8 / 1e9
