"""The tables of `make perf`."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.truth import Pair
    from tests.perf.pacing import Pace
    from tests.perf.running import Run
    from tests.perf.truth import Found

HEADER = (
    "client         stamp error, us    TTFT p50, ms     TTFT p99, ms    ICL p50      ICL p99, ms         TPOT, ms"
    "        E2E   in flight    CPU us/chunk    MB  start"
)


class Paced(NamedTuple):
    """A client's run, how it compares with the truth, and the C reader's CPU per chunk beside it."""

    run: Run
    found: Found
    floor_us: float

    @property
    def cpu_us(self) -> float:
        return self.run.cpu_s / self.run.chunks * 1e6


class Flood(NamedTuple):
    """What a client takes when the server does not wait; `floor` is the C reader's rate."""

    what: str
    rate: float
    us: float
    floor: float


class Goal(NamedTuple):
    name: str
    limit: float
    value: Callable[[Paced], float]


GOALS = (
    Goal("stamp error p99, us", 10, lambda one: one.found.comparison.stamp_error_us[1]),
    Goal("TTFT error at the median, ms", 1, lambda one: one.found.comparison.ttft_error_ms[0]),
    Goal("TTFT error at p99, ms", 4, lambda one: one.found.comparison.ttft_error_ms[1]),
    Goal("ICL error at p99, %", 1, lambda one: 100 * one.found.comparison.icl_error_share[1]),
    Goal("TPOT error, %", 0.1, lambda one: 100 * one.found.comparison.tpot_error_share[0]),
    Goal("CPU / C reader's", 1.3, lambda one: one.cpu_us / one.floor_us),
    Goal("memory beyond 16 B a chunk, MB", 60, lambda one: (one.run.rss_bytes - 16 * one.run.chunks) / 1e6),
    Goal("start-up, s", 1, lambda one: one.run.ready_s),
)
LEAST = {"chunks/s": 250_000, "requests/s": 40_000}


def show_paced(streams: int, pace: Pace, runs: Sequence[Paced]) -> None:
    late = median(one.found.late_us[1] for one in runs)
    print(f"\n{pace.name}, {streams} streams, {pace.itl_us / 1000:g} ms (the server's own lateness: p99 {late:.0f} us)")
    print(f"  {HEADER}")
    for one in runs:
        print(f"  {_line(one)}")
        if one.run.note:
            print(f"    {one.run.note}")


def _line(one: Paced) -> str:
    found = one.found.comparison
    true, said = found.true, found.reported
    stamps = "/".join(f"{error:.0f}" for error in found.stamp_error_us)
    cpu = f"{one.cpu_us:6.2f} ({one.cpu_us / one.floor_us:5.2f} C)"
    lost = f"  LOST {found.lost}" if found.lost else ""
    return (
        f"{one.run.client:14} {stamps:>15} {_arrow(true.ttft, said.ttft, 0)} {_arrow(true.ttft, said.ttft, 1)}"
        f"   {said.icl[0]:8.3f} {_arrow(true.icl, said.icl, 1)} {_arrow(true.tpot, said.tpot, 0, 3)}"
        f"   {said.e2e[0] - true.e2e[0]:+8.2f}     {one.found.in_flight:7.1f}  {cpu}"
        f"  {one.run.rss_bytes / 1e6:4.0f}  {one.run.start_s:5.2f}{lost}"
    )


def _arrow(true: Pair, said: Pair, at: int, digits: int = 1) -> str:
    return f"{true[at]:7.{digits}f} >{said[at]:7.{digits}f}"


def show_floods(streams: int, floods: Sequence[Flood]) -> None:
    print(f"\nunpaced, {streams} streams")
    for one in floods:
        print(f"  {one.rate:9,.0f} {one.what:22} {one.us:6.2f} us CPU each; C reader {one.floor:9,.0f}")


def show_goals(case: str, runs: Sequence[Paced], floods: Sequence[Flood]) -> None:
    print(f"\ngoals ({case}, median of {len(runs)}; memory and start-up of the whole process)")
    for goal in GOALS if runs else ():
        value = median(map(goal.value, runs))
        _show_goal(goal.name, f"{value:9.3f}   at most {goal.limit:g}", met=value <= goal.limit)
    for flood in floods:
        least = LEAST.get(flood.what)
        if least is not None:
            _show_goal(flood.what, f"{flood.rate:9,.0f}   at least {least:,}", met=flood.rate >= least)


def _show_goal(name: str, value: str, *, met: bool) -> None:
    print(f"  {'met   ' if met else 'MISSED'} {name:32} {value}")
