"""The windows of a load's workers as the one window they were."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from benchmarks.records import ClientHealth, Window

if TYPE_CHECKING:
    from collections.abc import Sequence


def merge(windows: Sequence[Window]) -> Window:
    """Records in order of their number; the clock from the first start to the last end."""
    warm_ends = [window.warm_end_ns for window in windows if window.warm_end_ns is not None]
    return Window(
        start_ns=min(window.start_ns for window in windows),
        end_ns=max(window.end_ns for window in windows),
        records=tuple(
            sorted((record for window in windows for record in window.records), key=lambda record: record.index)
        ),
        health=_merge_health([window.health for window in windows]),
        warm_end_ns=max(warm_ends, default=None),
        beside=tuple(record for window in windows for record in window.beside),
        joined_ns=max(window.start_ns for window in windows),
        abandoned=sum(window.abandoned for window in windows),
    )


def _merge_health(healths: Sequence[ClientHealth]) -> ClientHealth:
    """A load is as healthy as its worst worker."""
    lateness = array("q")
    for health in healths:
        lateness.extend(health.schedule_lateness_ns)
    return ClientHealth(
        kernel_stamps=all(health.kernel_stamps for health in healths),
        stamp_delay_ns=_merge_delays(healths),
        cpu_s=max(health.cpu_s for health in healths),
        reads=sum(health.reads for health in healths),
        reads_with_several_events=sum(health.reads_with_several_events for health in healths),
        wall_clock_drift_s=max((health.wall_clock_drift_s for health in healths), key=abs),
        schedule_lateness_ns=lateness,
        held_requests=sum(health.held_requests for health in healths),
        workers=len(healths),
        stepped_s=max(health.stepped_s for health in healths),
    )


def _merge_delays(healths: Sequence[ClientHealth]) -> array[int]:
    """Every worker thins its own, by a power of two; together all are thinned as much as the one that thinned most."""
    strides = [max(1, round(health.reads / max(1, len(health.stamp_delay_ns)))) for health in healths]
    delays = array("q")
    for health, stride in zip(healths, strides, strict=True):
        delays.extend(health.stamp_delay_ns[:: max(1, max(strides) // stride)])
    return delays
