"""The frontier as a table for a terminal: every point of a group, the ones nothing beats marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aggregate.findings import FoundSearch
    from aggregate.frontiers import FrontierCurve, FrontierGroup, FrontierPoint

ON_FRONTIER = "*"


def frontier_text(groups: Sequence[FrontierGroup], width: int = 110) -> str:
    """One table per model and workload, ordered along the frontier: fastest for one user first."""
    console = Console(width=width, record=False, force_terminal=False)
    with console.capture() as capture:
        for group in groups:
            console.print(_table(group))
            for search in group.searches:
                console.print(_found(search), highlight=False, markup=False, soft_wrap=True)
    return capture.get().rstrip()


def _table(group: FrontierGroup) -> Table:
    title = f"{group.model}, up to {group.isl} tokens in and {group.osl} out"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, caption=_caption(group))
    table.caption_justify = "left"
    table.add_column("")
    table.add_column("server")
    for heading in (
        "load\nin flight or /s",
        "interactivity\ntok/s per user",
        "throughput\noutput tok/s per device",
        "nights",
    ):
        table.add_column(heading, justify="right")
    rows = [(curve, point) for curve in group.curves for point in curve.points]
    for curve, point in sorted(rows, key=lambda row: (-row[1].x, row[1].point_id)):
        table.add_row(*_cells(curve, point), style="bold" if point.on_frontier else "dim")
    return table


def _cells(curve: FrontierCurve, point: FrontierPoint) -> tuple[str, ...]:
    return (
        ON_FRONTIER if point.on_frontier else "",
        f"{curve.recipe} {point.layout_name}",
        str(point.concurrency) if point.rate_per_s is None else f"{point.rate_per_s:g}/s",
        f"{point.x:.1f}",
        f"{point.y:.1f}",
        str(point.n_nights),
    )


def _found(search: FoundSearch) -> str:
    cost = f"{search.measurements} measurements, {search.minutes:.0f} minutes, {search.night}"
    return f"  {search.recipe} {search.layout_name}: {search.text} ({cost})"


def _caption(group: FrontierGroup) -> str:
    text = f"{ON_FRONTIER} on the frontier: no other point is better at both. {group.ok} of {group.planned} points ok"
    return text + (" - PARTIAL" if group.partial else "")
