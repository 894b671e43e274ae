"""Which transport a load needs: the kernel stamps what arrives on a plain socket of Linux, and nothing else."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from benchmarks.connection import resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.exchange import Exchange
    from benchmarks.records import Target
    from benchmarks.stamps import Stamper
    from benchmarks.streams import Slot, Streams


def open_wire(target: Target, streams: int, stamper: Stamper, on_end: Callable[[Slot, Exchange], None]) -> Streams:
    """Raises OSError if the host has no address."""
    keep_alive = target.dialect.keep_alive
    if target.tls or not hasattr(select, "epoll"):
        from benchmarks.loopwire import LoopWire  # noqa: PLC0415 - uvloop is needed here only

        return LoopWire(target, streams, stamper, on_end, keep_alive=keep_alive)
    from benchmarks.wire import Wire  # noqa: PLC0415 - cannot be imported where there is no epoll

    return Wire(resolve(target.host, target.port), streams, stamper, on_end, keep_alive=keep_alive)
