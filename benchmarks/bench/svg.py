"""One picture of a run: each request's time to first token as it was sent, and the throughput of every moment."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.bench.summary import load_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.bench.run import Benched
    from benchmarks.records import Window

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT = 70, 20
MAX_DOTS = 4000
MAX_TITLE = 100
BUCKETS = 120
_NS = 1e-9
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.axis{stroke:#999}.grid{stroke:#e5e5e5}"
    ".dot{fill:#1f6fb2;fill-opacity:.55}.failed{fill:#c0392b}.line{fill:none;stroke:#1f6fb2;stroke-width:1.5}"
    ".title{font-weight:600;font-size:14px}"
)


class Panel(NamedTuple):
    """A box of the picture and the data range it shows. y grows upwards from 0."""

    top: int
    bottom: int
    x_max: float
    y_max: float

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.x_max

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * min(value, self.y_max) / self.y_max


def picture(benched: Benched) -> str:
    """A standalone SVG of fixed size."""
    window = benched.window
    seconds = max((window.end_ns - window.start_ns) * _NS, 1e-3)
    report = benched.report
    title, load = escape(report.model[:MAX_TITLE]), escape(load_text(report))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">',
        f"<title>{title}: {load}</title><style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text class="title" x="{LEFT}" y="22">{title}</text><text x="{LEFT}" y="40">{load}</text>',
        *_first_tokens(window, seconds),
        *_throughput(window, seconds),
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">seconds since the first request</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _first_tokens(window: Window, seconds: float) -> list[str]:
    """Dots, thinned evenly above MAX_DOTS; failed requests stand on the bottom line."""
    records = window.records[:: max(1, len(window.records) // MAX_DOTS)]
    dots = [
        ((one.sent_ns - window.start_ns) * _NS, None if one.first_ns is None else (one.first_ns - one.sent_ns) * 1e-6)
        for one in records
    ]
    panel = Panel(78, 262, seconds, _round_up(max((y for _, y in dots if y is not None), default=1.0)))
    circles = [_dot(panel.x(x), panel.y(y or 0), "dot failed" if y is None else "dot") for x, y in dots]
    return [*_frame(panel, "time to first token of each request, ms (failed ones red)"), *circles]


def _dot(x: float, y: float, kind: str) -> str:
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'


def _throughput(window: Window, seconds: float) -> list[str]:
    edges, rates = output_rates(window, seconds)
    panel = Panel(316, HEIGHT - 48, seconds, _round_up(float(rates.max(initial=1.0))))
    points = [
        f"{panel.x(x):.1f},{panel.y(rate):.1f}"
        for rate, start, end in zip(rates.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        for x in (start, end)
    ]
    return [*_frame(panel, "output tokens per second"), f'<polyline class="line" points="{" ".join(points)}"/>']


def output_rates(window: Window, seconds: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(edges in s, tokens/s between them). A request's tokens are spread evenly over its chunks."""
    stamps: list[NDArray[np.float64]] = [np.empty(0)]
    weights: list[NDArray[np.float64]] = [np.empty(0)]
    for record in window.records:
        if record.error is None and len(record.chunk_ns):
            stamps.append((np.array(record.chunk_ns, dtype=np.float64) - window.start_ns) * _NS)
            weights.append(np.full(len(record.chunk_ns), (record.output_tokens or 0) / len(record.chunk_ns)))
    edges = np.linspace(0, seconds, BUCKETS + 1)
    tokens = np.histogram(np.concatenate(stamps), bins=edges, weights=np.concatenate(weights))[0]
    return edges, np.asarray(tokens / (seconds / BUCKETS))


def _frame(panel: Panel, name: str) -> list[str]:
    lines = [f'<text x="{LEFT}" y="{panel.top - 8}">{escape(name)}</text>']
    for share in (0.0, 0.5, 1.0):
        y = panel.y(share * panel.y_max)
        kind = "axis" if share == 0 else "grid"
        lines.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share * panel.y_max:g}</text>')
    step = _round_up(panel.x_max / 8)
    for place in range(int(panel.x_max / step) + 1):
        x = panel.x(place * step)
        lines.append(f'<text x="{x:.1f}" y="{panel.bottom + 16}" text-anchor="middle">{place * step:g}</text>')
    return lines


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 x 10^n: a scale whose half is round too."""
    step = 10.0 ** np.floor(np.log10(max(value, 1e-9)))
    return float(next(step * factor for factor in (1, 2, 5, 10) if step * factor >= value))
