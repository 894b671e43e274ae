"""From measured dots to the page: which series, which colours, which frontier, which words. Pure."""

from __future__ import annotations

import hashlib

from aggregate.site.published import PublishedGroup, PublishedRow, published_groups
from aggregate.site.records import DeviceKind, Frontier, Gap, Group, Measurement, Night, SharedAlone
from matrix.facts import Fact

MISSING = "missing"


class SeriesView(Fact, frozen=True, kw_only=True):
    """One server configuration in one group. `style` picks its colour and symbol."""

    id: str
    label: str
    style: int
    dots: tuple[Measurement, ...]


class GroupView(Fact, frozen=True, kw_only=True):
    """One chart and its table. `slug` is safe in a file name and a link; `frontiers` is keyed `x.y`."""

    slug: str
    group: Group
    device_notes: tuple[str, ...]
    series: tuple[SeriesView, ...]
    frontiers: dict[str, tuple[str, ...]]


class PageModel(Fact, frozen=True, kw_only=True):
    """Everything the page says."""

    night: Night
    groups: tuple[GroupView, ...]
    failed: tuple[Gap, ...]
    missing: tuple[Gap, ...]
    published: tuple[PublishedGroup, ...]
    sharing: tuple[SharedAlone, ...] = ()


def page_model(
    *,
    night: Night,
    groups: tuple[Group, ...],
    measurements: tuple[Measurement, ...],
    frontiers: tuple[Frontier, ...],
    published: tuple[PublishedRow, ...],
    sharing: tuple[SharedAlone, ...] = (),
) -> PageModel:
    """The page of one night. Groups without a dot are left out; gaps never are."""
    views = sorted((_group_view(group, measurements, frontiers) for group in groups), key=_view_order)
    return PageModel(
        night=night,
        groups=tuple(view for view in views if view.series),
        failed=tuple(gap for gap in night.gaps if gap.outcome != MISSING),
        missing=tuple(gap for gap in night.gaps if gap.outcome == MISSING),
        published=published_groups(published),
        sharing=sharing,
    )


def slug_of(group_id: str) -> str:
    """A name for a group that is safe in a file name and a link, whatever the id holds."""
    return hashlib.sha256(group_id.encode()).hexdigest()[:12]


def device_note(device: DeviceKind) -> str:
    """What "per device" divides by."""
    if device.kind == "cpu":
        return "1 device = this CPU host"
    return f"1 device = 1 {device.name}"


def on_main_frontier(view: GroupView) -> frozenset[str]:
    """Dots on the main frontier of a group: output tokens/s per device against interactivity."""
    return frozenset(view.frontiers.get("interactivity.output", ()))


def _group_view(group: Group, measurements: tuple[Measurement, ...], frontiers: tuple[Frontier, ...]) -> GroupView:
    dots = tuple(dot for dot in measurements if dot.group == group.id)
    return GroupView(
        slug=slug_of(group.id),
        group=group,
        device_notes=tuple(device_note(device) for device in group.devices),
        series=_series_views(dots),
        frontiers={f"{front.x}.{front.y}": front.members for front in frontiers if front.group == group.id},
    )


def _series_views(dots: tuple[Measurement, ...]) -> tuple[SeriesView, ...]:
    names = sorted({(dot.label, dot.series) for dot in dots})
    return tuple(
        SeriesView(
            id=series,
            label=label,
            style=style,
            dots=tuple(sorted((dot for dot in dots if dot.series == series), key=_load_order)),
        )
        for style, (label, series) in enumerate(names)
    )


def _load_order(dot: Measurement) -> tuple[float, int]:
    """A series has one kind of load: rates, or requests in flight."""
    return dot.rate_per_s or 0.0, dot.concurrency


def _view_order(view: GroupView) -> tuple[int, str, str, str]:
    """The chart with most to see comes first: it is the one a visitor lands on."""
    dots = sum(len(series.dots) for series in view.series)
    return -dots, view.group.model, view.group.workload, view.group.id
