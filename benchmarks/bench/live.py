"""What a person watches while a load runs. Nothing moves where the output is no terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table

from benchmarks.bench.tally import Tally

if TYPE_CHECKING:
    from rich.console import Console

    from benchmarks.bench.options import BenchOptions
    from benchmarks.records import RequestRecord

REFRESH_S = 0.5
"""Drawing takes a millisecond or two from the thread that measures: kernel stamps do not mind, a schedule does."""


class LiveView:
    """A `benchmarks.bench.run.Watcher` on a terminal; use it in a `with` block."""

    def __init__(self, console: Console, options: BenchOptions) -> None:
        self._console = console
        self._options = options
        self._tally = Tally()
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._next_s = 0.0

    def __enter__(self) -> LiveView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def warming(self, requests: int, elapsed_s: float) -> None:
        self._draw("warming up", requests, elapsed_s)

    def measuring(self, requests: int, elapsed_s: float) -> None:
        self._draw("measuring", requests, elapsed_s)

    def record(self, record: RequestRecord) -> None:
        self._tally.add(record)

    def _draw(self, phase: str, requests: int, elapsed_s: float) -> None:
        if elapsed_s < self._next_s - REFRESH_S:  # a new phase starts its own clock
            self._next_s = 0.0
        if self._live.is_started and elapsed_s >= self._next_s:
            self._next_s = elapsed_s + REFRESH_S
            self._live.update(self.table(phase, requests, elapsed_s), refresh=True)

    def table(self, phase: str, requests: int, elapsed_s: float) -> Table:
        """One line of names, one of figures."""
        requests_per_s, tokens_per_s = self._tally.rates()
        cells = {
            phase: f"{elapsed_s:.0f} s",
            "time left": self._left(requests, elapsed_s) if phase == "measuring" else "-",
            "requests": str(requests),
            "requests/s": f"{requests_per_s:.2f}",
            "output tok/s": f"{tokens_per_s:.0f}",
            "TTFT p50 / p99": _milliseconds(self._tally.ttft_s()),
            "TPOT p50 / p99": _milliseconds(self._tally.tpot_s()),
            "errors": ", ".join(f"{kind} {count}" for kind, count in self._tally.errors.most_common()) or "0",
        }
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in cells:
            table.add_column(name, justify="right", no_wrap=True)
        table.add_row(*cells.values())
        return table

    def _left(self, requests: int, elapsed_s: float) -> str:
        """Until the longest time, or until enough requests at the pace so far."""
        left_s = max(0.0, self._options.seconds - elapsed_s)
        wanted = self._options.requests
        if wanted and requests:
            left_s = min(left_s, max(0, wanted - requests) * elapsed_s / requests)
        return f"{left_s:.0f} s"


def _milliseconds(pair: tuple[float, float] | None) -> str:
    return "-" if pair is None else f"{pair[0] * 1000:.1f} / {pair[1] * 1000:.1f} ms"
