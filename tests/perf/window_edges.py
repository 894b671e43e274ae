"""How far each way to count a short window is off: a batching server in virtual time, whose long-run rate is known.

`python -m tests.perf.window_edges` prints the table of benchmarks/README.md. A step of the server decodes one token for
every stream and reads prompts up to a budget, as engines with chunked prefill do; more streams make a step longer.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import numpy as np

from benchmarks.counting import counted, counted_part
from benchmarks.records import RequestRecord, Window
from benchmarks.steady import steady_part, throughput
from tests.benchmarks.virtual_server import HEALTH

ISL, OSL, RATIO = 256, 200, 0.8
STEP_S, STREAM_S, PROMPT_TOKEN_S, BUDGET = 0.015, 0.0002, 0.00002, 2048
TRUTH_S = 1000.0
MIN_REQUESTS = 8
_NS = 1e9


@dataclass(slots=True)
class _Request:
    """`unread` prompt tokens, then `left` answer tokens."""

    index: int
    warmup: bool
    sent_s: float
    isl: int
    osl: int
    unread: int = 0
    left: int = 0
    stamps: list[int] = field(default_factory=list)

    def record(self) -> RequestRecord:
        return RequestRecord(
            index=self.index,
            asked_input_tokens=self.isl,
            asked_output_tokens=self.osl,
            sent_ns=round(self.sent_s * _NS),
            end_ns=self.stamps[-1],
            first_ns=self.stamps[0],
            last_ns=self.stamps[-1],
            input_tokens=self.isl,
            output_tokens=self.osl,
            chunks=self.osl,
            chunk_ns=tuple(self.stamps),
        )


class Served:
    """A closed loop: a round of warm-up, handed over or drained, then a window of `window_s` and MIN_REQUESTS."""

    def __init__(self, streams: int, window_s: float, seed: int, *, drained: bool) -> None:
        self._rng = np.random.default_rng(seed)
        self._streams, self._window_s, self._drained = streams, window_s, drained
        self._now_s, self._sent, self._warm_ended = 0.0, 0, 0
        self._start_s: float | None = None
        self._warm_end_s = 0.0
        self._active: list[_Request] = []
        self._records: list[RequestRecord] = []
        self._beside: list[RequestRecord] = []

    def window(self) -> Window:
        self._fill()
        while self._active:
            self._step()
            if not self._active and self._start_s is None:  # the drained warm-up is over
                self._start_s = self._now_s
                self._fill()
        start_ns = round((self._start_s or 0.0) * _NS)
        return Window(
            start_ns=start_ns,
            end_ns=max(record.end_ns for record in self._records),
            records=tuple(self._records),
            health=HEALTH,
            warm_end_ns=round(self._warm_end_s * _NS),
            beside=tuple(record for record in self._beside if record.end_ns > start_ns),
        )

    def _fill(self) -> None:
        for _ in range(self._streams):
            self._send()

    def _send(self) -> None:
        isl, osl = (int(self._rng.integers(round(RATIO * most), most + 1)) for most in (ISL, OSL))
        warmup = self._start_s is None
        self._active.append(_Request(self._sent, warmup, self._now_s, isl, osl, isl, osl))
        self._sent += 1

    def _step(self) -> None:
        budget, read = BUDGET, 0
        decoding = [one for one in self._active if not one.unread]
        first = []
        for one in self._active:
            if one.unread and budget:
                taken = min(one.unread, budget)
                one.unread -= taken
                budget -= taken
                read += taken
                if not one.unread:
                    first.append(one)
        self._now_s += STEP_S + STREAM_S * len(decoding) + PROMPT_TOKEN_S * read
        stamp = round(self._now_s * _NS)
        for one in (*decoding, *first):
            one.stamps.append(stamp)
            one.left -= 1
            if not one.left:
                self._end(one)

    def _end(self, one: _Request) -> None:
        self._active.remove(one)
        (self._beside if one.warmup else self._records).append(one.record())
        if one.warmup:
            self._warm_ended += 1
            self._warm_end_s = self._now_s
        if self._start_s is None and self._warm_ended >= self._streams and not self._drained:
            self._start_s = self._now_s
        if self._start_s is None:
            if not self._drained:
                self._send()
        elif self._now_s - self._start_s < self._window_s or len(self._records) < MIN_REQUESTS:
            self._send()


def own(window: Window) -> float:
    """Tokens of the window's own requests / from its first send to its last byte."""
    tokens = sum(record.output_tokens or 0 for record in window.records)
    return tokens / ((window.end_ns - window.start_ns) / _NS)


def between(window: Window, begin_ns: int, end_ns: int) -> float:
    done = counted(window, begin_ns, end_ns)
    return done.output_tokens / done.duration_s if end_ns > begin_ns else float("nan")


def steady(window: Window) -> float:
    """Little's law, as the `steady_*` columns have it."""
    part = steady_part(window)
    return throughput(window.records, *part).tokens_out if part else float("nan")


def candidates(drained: Window, handed: Window) -> dict[str, float]:
    """Output tokens/s by each way of counting."""
    begin_ns, end_ns = counted_part(handed)
    return {
        "drained, own": own(drained),
        "drained, clock while on": between(drained, *counted_part(drained)),
        "handed, own": own(handed),
        "handed, clock to last byte": between(handed, begin_ns, handed.end_ns),
        "handed, clock from warm end to last byte": between(handed, handed.warm_end_ns or begin_ns, handed.end_ns),
        "handed, clock from warm end while on": between(handed, handed.warm_end_ns or begin_ns, end_ns),
        "handed, steady part": steady(handed),
        "handed, clock while on": between(handed, begin_ns, end_ns),
    }


def truth(streams: int) -> float:
    """Tokens/s far from both ends of a long load."""
    load = Served(streams, TRUTH_S, 0, drained=False).window()
    begin_ns, end_ns = counted_part(load)
    return between(load, begin_ns + (end_ns - begin_ns) // 10, end_ns)


def biases(streams: int, window_s: float, seeds: int) -> dict[str, tuple[float, float]]:
    """By way of counting: mean error and standard deviation, as shares of the truth."""
    true = truth(streams)
    found = [
        candidates(*(Served(streams, window_s, seed, drained=drained).window() for drained in (True, False)))
        for seed in range(1, seeds + 1)
    ]
    errors = {name: np.array([one[name] for one in found]) / true - 1 for name in found[0]}
    return {name: (float(error.mean()), float(error.std())) for name, error in errors.items()}


def _cell(mean: float, deviation: float) -> str:
    """A dash where a short window has no such part."""
    return "–" if mean != mean else f"{mean:+.1%} ± {deviation:.1%}"  # noqa: PLR0124 - NaN


def main(seeds: int = 5) -> None:
    cases = [(streams, window_s) for streams in (4, 16, 64, 256) for window_s in (10.0, 30.0, 60.0)]
    found = {case: biases(*case, seeds) for case in cases}
    print("| counted | " + " | ".join(f"{streams} x {window_s:.0f} s" for streams, window_s in cases) + " |")
    for name in found[cases[0]]:
        cells = (_cell(*found[case][name]) for case in cases)
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
