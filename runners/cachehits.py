"""Prefix-cache hits by the server's own counters: read before a load and after it, never while it runs."""

from __future__ import annotations

import math
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx

from matrix.words import Reason
from matrix.workload import expects_cache_hits

if TYPE_CHECKING:
    from collections.abc import Collection

    from benchmarks.records import Target
    from matrix.workload import Workload
    from runners.measure import Measured

MAX_HIT_RATE = 0.01
"""No two prompts of a night share a prefix on purpose: a block or two by chance, never a hundredth."""
PAGE_BYTES = 8 << 20
PAGE_S = 10.0
_TIMEOUT_S = 5.0
_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{.*\})?[ \t]+(?P<value>[^ \t]+)(?:[ \t]+-?[0-9]+)?")

_HEADERS = {"Connection": "close", "Accept-Encoding": "identity"}

Counts = dict[str, float]


class CacheWatch:
    """Reads the counters when it is made and once more when it judges."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._before = self._counts()

    def judged(self, measured: Measured, workload: Workload) -> Measured:
        """`measured` with its hit rate, and `invalid/cache_hits` where answers came out of a cache they must not."""
        rate, reason = self._rate()
        measured = replace(measured, cache_hit_rate=rate, cache_reason=reason)
        if rate is None or rate <= MAX_HIT_RATE or expects_cache_hits(workload):
            return measured
        said = f"{rate:.1%} of prompt tokens came from the prefix cache"
        detail = f"{measured.detail}; {said}" if measured.detail else said
        return replace(measured, reasons=(*measured.reasons, Reason.CACHE_HITS), detail=detail)

    def _rate(self) -> tuple[float | None, str]:
        counters = self._target.dialect.cache_counters
        after = self._counts()
        if isinstance(self._before, str):
            return None, self._before
        if isinstance(after, str):
            return None, after
        return hit_rate(self._before, after, counters.hits, counters.of) if counters else (None, "")

    def _counts(self) -> Counts | str:
        """The counters by name, or why there are none."""
        dialect = self._target.dialect
        counters = dialect.cache_counters
        if dialect.metrics_path is None or counters is None:
            return "no counter of prefix-cache hits is known for this engine"
        page = _page(f"http://{self._target.host}:{self._target.port}{dialect.metrics_path}")
        if isinstance(page, str):
            return f"{dialect.metrics_path}: {page}"
        found = parse(page.decode(errors="replace"), {counters.hits, *counters.of})
        missing = sorted({counters.hits, *counters.of} - set(found))
        return f"{dialect.metrics_path} has no counter {', '.join(missing)}" if missing else found


def parse(page: str, names: Collection[str]) -> Counts:
    """The named samples of a Prometheus text page, each added up over its labels. What is no number is not there."""
    found: Counts = {}
    for line in page.splitlines():
        sample = _SAMPLE.fullmatch(line.strip())
        if sample is None or sample["name"] not in names:
            continue
        try:
            value = float(sample["value"])
        except ValueError:
            continue
        if math.isfinite(value):
            found[sample["name"]] = found.get(sample["name"], 0.0) + value
    return found


def hit_rate(before: Counts, after: Counts, hits: str, of: Collection[str]) -> tuple[float | None, str]:
    """Share of all prompt tokens between two readings, or null and why. No hit at all is 0, of however many."""
    if any(after[name] < before[name] for name in {hits, *of}):
        return None, "a counter went backwards: the server was started anew, or is not the one that was measured"
    more = after[hits] - before[hits]
    whole = sum(after[name] - before[name] for name in of)
    if more > whole:
        return None, f"{more:g} tokens from the cache, of {whole:g} in all"
    return (more / whole if more else 0.0), ""


def _page(url: str) -> bytes | str:
    """The page, or why it cannot be had. Bounded in bytes and in seconds: a server may send anything."""
    given_up = time.monotonic() + PAGE_S
    data = bytearray()
    try:
        with (
            httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as client,
            client.stream("GET", url, headers=_HEADERS) as response,
        ):
            if response.status_code != httpx.codes.OK:
                return f"answered {response.status_code}"
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > PAGE_BYTES or time.monotonic() > given_up:
                    return f"longer than {PAGE_BYTES >> 20} MiB or {PAGE_S:g} s"
    except httpx.HTTPError as error:
        return type(error).__name__
    return bytes(data)
