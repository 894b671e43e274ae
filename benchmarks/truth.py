"""What a client says against what the server did: the errors of its stamps and of the latencies made from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Told:
    """One request by one side, CLOCK_MONOTONIC: sent and each chunk received, or arrived and each token sent."""

    start_ns: int
    token_ns: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """(median, p99) in ms."""

    ttft: Pair
    icl: Pair
    tpot: Pair
    e2e: Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`true` runs from the request's arrival in the server's kernel to each token's send.

    `stamp_error_us` is (p50, p99, max) of |receive stamp - send stamp|. `lost` requests are those that only one side
    has, or that have another number of tokens.
    """

    true: Latencies
    reported: Latencies
    stamp_error_us: tuple[float, float, float]
    lost: int

    @property
    def ttft_error_ms(self) -> Pair:
        return _apart(self.true.ttft, self.reported.ttft)

    @property
    def icl_error_share(self) -> Pair:
        return _share(self.true.icl, self.reported.icl)

    @property
    def tpot_error_share(self) -> Pair:
        return _share(self.true.tpot, self.reported.tpot)


def _apart(true: Pair, said: Pair) -> Pair:
    return abs(said[0] - true[0]), abs(said[1] - true[1])


def _share(true: Pair, said: Pair) -> Pair:
    p50, p99 = _apart(true, said)
    return p50 / true[0] if true[0] else 0.0, p99 / true[1] if true[1] else 0.0


def compare(served: Mapping[int, Told], seen: Mapping[int, Told]) -> Comparison | None:
    """None if the two have no request in common."""
    both = [key for key, one in served.items() if key in seen and len(seen[key].token_ns) == len(one.token_ns) > 0]
    if not both:
        return None
    errors = np.abs(np.concatenate([_array(seen[key]) - _array(served[key]) for key in both])) / 1e3
    p50, p99 = np.percentile(errors, (50, 99)).tolist()
    return Comparison(
        true=latencies([served[key] for key in both]),
        reported=latencies([seen[key] for key in both]),
        stamp_error_us=(p50, p99, float(errors.max())),
        lost=len(served.keys() | seen.keys()) - len(both),
    )


def _array(told: Told) -> NDArray[np.int64]:
    return np.asarray(told.token_ns, dtype=np.int64)


def latencies(requests: Sequence[Told]) -> Latencies:
    """Of one side. Requests of one token have no part in ICL and TPOT."""
    tokens = [_array(told) for told in requests]
    starts = [told.start_ns for told in requests]
    long = [stamps for stamps in tokens if len(stamps) > 1]
    return Latencies(
        ttft=pair_ms([stamps[0] - start for stamps, start in zip(tokens, starts, strict=True)]),
        icl=pair_ms(np.concatenate([np.diff(stamps) for stamps in tokens])),
        tpot=pair_ms([(stamps[-1] - stamps[0]) / (len(stamps) - 1) for stamps in long]),
        e2e=pair_ms([stamps[-1] - start for stamps, start in zip(tokens, starts, strict=True)]),
    )


def pair_ms(values_ns: Sequence[float] | NDArray[np.int64]) -> Pair:
    if not len(values_ns):
        return 0.0, 0.0
    p50, p99 = (np.percentile(values_ns, (50, 99)) / 1e6).tolist()
    return p50, p99
