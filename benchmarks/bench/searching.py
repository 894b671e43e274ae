"""`bench --search`: load after load, as the observations so far call for, until there is something to say."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from benchmarks.bench.options import REPORT_SCHEMA, BenchReport
from benchmarks.bench.run import run
from benchmarks.search.decide import decide, found
from benchmarks.search.observe import is_data, observe
from benchmarks.search.steps import Measure
from matrix.facts import Fact
from matrix.finding import Finding, Stop, finding_text
from matrix.parent import Search
from matrix.point import Concurrency, Point, with_size
from matrix.search import Reach, Seek, kind_of
from matrix.serving import Layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench.discover import Found
    from benchmarks.bench.options import BenchOptions
    from benchmarks.bench.run import Benched, Watcher
    from benchmarks.search.steps import Observation


class SearchReport(Fact, frozen=True, kw_only=True):
    """What was found, in words and in numbers, and the report of every load. `doubt` is what ended it too early."""

    schema_version: int = REPORT_SCHEMA
    tool: str
    url: str
    model: str
    started_at: datetime
    search: Seek
    text: str
    finding: Finding
    measurements: tuple[BenchReport, ...]
    doubt: str
    interrupted: bool


def search(
    options: BenchOptions,
    server: Found,
    watcher: Watcher,
    stop_now: Callable[[], bool],
    on_measured: Callable[[BenchReport], None],
) -> SearchReport:
    """Measures until the search is over, a load cannot be believed, or it is interrupted. Nothing measured is lost."""
    started_at, asked = datetime.now(UTC), _asked(options)
    seen: list[Observation] = []
    reports: list[BenchReport] = []
    doubt = ""
    while isinstance(said := decide(asked, seen), Measure):
        began = time.perf_counter()
        benched = run(_at(options, said), server, watcher, stop_now)
        reports.append(benched.report)
        on_measured(benched.report)
        if benched.report.interrupted or not is_data(benched.report.reasons):
            doubt = "interrupted" if benched.report.interrupted else benched.report.detail
            said = found(asked, seen, Stop.UNFINISHED)
            break
        seen.append(_observed(asked, benched, said, (time.perf_counter() - began) / 60))
    unit = "streams" if isinstance(options.load, Concurrency) else "requests/s"
    return SearchReport(
        tool=f"inferfleet {version('inferfleet')}",
        url=options.url,
        model=server.target.model,
        started_at=started_at,
        search=Seek(method=asked.method, bounds=asked.bounds),
        text=finding_text(kind_of(asked.method), unit, said),
        finding=said,
        measurements=tuple(reports),
        doubt=doubt,
        interrupted=doubt == "interrupted",
    )


def _asked(options: BenchOptions) -> Search:
    """A search looks at the load of its point and at nothing else of it."""
    if options.search is None:
        raise ValueError("no search was asked for")
    base = Point(
        recipe="bench",
        layout_name="bench",
        layout=Layout(),
        workload_id="bench",
        workload=options.workload,
        load=options.load,
    )
    return Search(base=base, method=options.search.method, bounds=options.search.bounds)


def _at(options: BenchOptions, said: Measure) -> BenchOptions:
    """One load of the search, with prompts of its own. A percentile may need more requests than were asked for."""
    wanted = max(said.min_requests, options.requests or 0) if said.min_requests > 1 else options.requests
    return msgspec.structs.replace(
        options,
        load=with_size(options.load, said.size),
        requests=wanted,
        seed=f"{options.seed}/{said.size:g}/{said.replicate}",
    )


def _observed(asked: Search, benched: Benched, said: Measure, minutes: float) -> Observation:
    slo = asked.method.slo if isinstance(asked.method, Reach) else None
    return observe(benched.window, said.size, minutes, slo)
