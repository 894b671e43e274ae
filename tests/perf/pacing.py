"""The two C programs of `make perf`: the paced server with its truth, and the reader that is the floor."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Stamps = NDArray[np.int64]

BUILT = Path(__file__).parents[2] / ".cache" / "perf"
_HEAD = 4
_STOP_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the server answers. `itl_us` 0 is as fast as it can; lockstep unless `staggered`."""

    ttft_us: int = 50_000
    itl_us: int = 20_000
    staggered: bool = False

    @property
    def name(self) -> str:
        return "staggered" if self.staggered else "lockstep"


@dataclass(frozen=True, slots=True)
class Served:
    """One request as the server saw it, CLOCK_MONOTONIC: `arrived_ns` is the kernel's, `sent_ns` one per token."""

    arrived_ns: int
    read_ns: int
    sent_ns: Stamps
    late_ns: Stamps


@dataclass(slots=True)
class Pacer:
    """`served` is filled, by request id, once the server has ended."""

    port: int
    served: dict[int, Served] = field(default_factory=dict)


@contextmanager
def pacer(pace: Pace, truth: Path, core: int | None, *, realtime: bool = False) -> Iterator[Pacer]:
    """The server for the length of a `with` block, on a core of its own."""
    argv = (str(BUILT / "pacer"), str(truth), str(pace.ttft_us), str(pace.itl_us), str(int(pace.staggered)))
    process = subprocess.Popen(pinned(core, argv, realtime=realtime), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        server = Pacer(port=int(process.stdout.readline()))
        yield server
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_S)
        server.served = read_truth(truth)
    finally:
        process.kill()
        process.communicate()


def read_truth(path: Path) -> dict[int, Served]:
    numbers = np.fromfile(path, dtype=np.int64)
    served: dict[int, Served] = {}
    at = 0
    while at < len(numbers):
        identity, arrived_ns, read_ns, tokens = numbers[at : at + _HEAD].tolist()
        first, middle, end = at + _HEAD, at + _HEAD + tokens, at + _HEAD + 2 * tokens
        served[identity] = Served(arrived_ns, read_ns, numbers[first:middle], numbers[middle:end])
        at = end
    return served


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What the C reader needed."""

    us_per_chunk: float
    chunks_per_s: float
    requests_per_s: float


def read_with_c(
    port: int, streams: int, requests: int, tokens: int, *, core: int | None, realtime: bool = False
) -> Floor:
    argv = (str(BUILT / "reader"), *map(str, (port, streams, requests, tokens)))
    done = subprocess.run(pinned(core, argv, realtime=realtime), stdout=subprocess.PIPE, check=True, text=True)
    chunks, cpu_ns, wall_ns, ended, _ = map(int, done.stdout.split())
    return Floor(
        us_per_chunk=cpu_ns / chunks / 1000,
        chunks_per_s=chunks / (wall_ns / 1e9),
        requests_per_s=ended / (wall_ns / 1e9),
    )


def pinned(core: int | None, argv: tuple[str, ...], *, realtime: bool) -> tuple[str, ...]:
    on_core = () if core is None else ("taskset", "-c", str(core))
    return (*(("chrt", "-r", "1") if realtime else ()), *on_core, *argv)


def cores() -> tuple[int | None, int | None]:
    """One for the server and one for the client; None twice where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else (None, None)


def pairs(*words: str | float | Path) -> tuple[str, ...]:
    """`--name value` of names and values in turn."""
    return tuple(
        text for name, value in zip(words[::2], words[1::2], strict=True) for text in (f"--{name}", f"{value}")
    )
