"""Running figures of a load that is still going: cheap to add to, and good enough to watch."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.latency import tpot_of, ttft_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.records import RequestRecord

RECENT = 1000
RECENT_S = 10.0
_NS = 1e-9


class Tally:
    """Latencies are of the last RECENT requests, rates of the last RECENT_S seconds before the newest end."""

    def __init__(self) -> None:
        self.ok = 0
        self.errors: Counter[str] = Counter()
        self._ttft: deque[float] = deque(maxlen=RECENT)
        self._tpot: deque[float] = deque(maxlen=RECENT)
        self._ends: deque[tuple[int, int]] = deque()
        self._first_ns: int | None = None

    def add(self, record: RequestRecord) -> None:
        self._first_ns = min(record.sent_ns, self._first_ns or record.sent_ns)
        if record.error is not None:
            self.errors[str(record.error)] += 1
            return
        self.ok += 1
        self._ttft.extend(ttft_of(record))
        self._tpot.extend(tpot_of(record))
        self._ends.append((record.end_ns, record.output_tokens or 0))
        while self._ends[0][0] < record.end_ns - RECENT_S / _NS:
            self._ends.popleft()

    def rates(self) -> tuple[float, float]:
        """(requests/s, output tokens/s) of late; zeros at first."""
        if not self._ends or self._first_ns is None:
            return 0.0, 0.0
        over_s = min(RECENT_S, (self._ends[-1][0] - self._first_ns) * _NS)
        if over_s <= 0:
            return 0.0, 0.0
        return len(self._ends) / over_s, sum(tokens for _, tokens in self._ends) / over_s

    def ttft_s(self) -> tuple[float, float] | None:
        return _median_and_p99(self._ttft)

    def tpot_s(self) -> tuple[float, float] | None:
        return _median_and_p99(self._tpot)


def _median_and_p99(values: Iterable[float]) -> tuple[float, float] | None:
    array = np.fromiter(values, dtype=np.float64)
    if not array.size:
        return None
    median, p99 = np.percentile(array, (50, 99)).tolist()
    return median, p99
