"""The frontier as a table for a terminal: every point of a group, the ones nothing beats marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aggregate.frontiers import FrontierCurve, FrontierGroup, FrontierPoint
    from aggregate.sharing import Difference, Sharing

ON_FRONTIER = "*"


def frontier_text(groups: Sequence[FrontierGroup], width: int = 110) -> str:
    """One table per model and workload, ordered along the frontier: fastest for one user first."""
    console = Console(width=width, record=False, force_terminal=False)
    with console.capture() as capture:
        for group in groups:
            console.print(_table(group))
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


def _caption(group: FrontierGroup) -> str:
    text = f"{ON_FRONTIER} on the frontier: no other point is better at both. {group.ok} of {group.planned} points ok"
    return text + (" - PARTIAL" if group.partial else "")


def sharing_text(found: Sharing, width: int = 110) -> str:
    """One line per recipe that was ever measured both ways, those to be split first."""
    if not found.recipes:
        return "no point was measured both on a shared server and alone yet: the nightly plan draws 2 % of the jobs"
    title = "Shared against alone, the same night: change of the mean, and its 90 % interval"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("recipe", "output tok/s", "TPOT p50", "verdict"):
        table.add_column(heading)
    table.add_column("nights", justify="right")
    for one in found.recipes:
        table.add_row(one.recipe, *map(change_text, one.differences), one.verdict, str(one.observations))
    console = Console(width=width, record=False, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    split = [one.recipe for one in found.recipes if one.verdict == "differs"]
    said = f"to be split, for sharing changes them by more than {found.margin:.0%}: {', '.join(split)}"
    return capture.get().rstrip() + (f"\n{said}" if split else "")


def change_text(one: Difference) -> str:
    """`+0.4% (-0.2% to +1.0%)`; without an interval the mean alone."""
    if one.low is None or one.high is None:
        return f"{one.mean:+.1%}"
    return f"{one.mean:+.1%} ({one.low:+.1%} to {one.high:+.1%})"
