"""A load spread over processes, where one Python thread would be the bottleneck.

Each worker has its share of the streams and of the requests, by number, and nothing passes between them while they
run but how many requests have ended. What they bring back is put together as if one process had sent it all.
"""

from __future__ import annotations

import math
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import msgspec

from benchmarks.merging import merge
from benchmarks.processes import receive, shared_counters, started, wait
from benchmarks.prompts import Numbered
from benchmarks.quiet import quiet_gc
from benchmarks.requests import Part
from benchmarks.session_run import run_of
from benchmarks.sessions import Sessions
from matrix.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Callable, MutableSequence

    from benchmarks.processes import Pipe
    from benchmarks.records import LoadJob, Window
    from benchmarks.run import Run

    # how many requests have ended, per worker; last, whether all shall stop
    Board = MutableSequence[int]

CHUNKS_PER_WORKER = 30_000
CHUNKS_PER_STREAM = 50
"""A second: what a stream is expected to bring at most, with 20 ms between tokens."""
START_DELAY_NS = 50_000_000
PROGRESS_S = 0.25
_BY_NUMBER = (Numbered, Sessions)


def workers_for(job: LoadJob) -> int:
    """As many as the expected chunks need, on at most half of the cores: the others are the server's.

    Raises FleetError when several are asked for and the prompts cannot be shared out.
    """
    asked, warmup, streams = job.options.workers, job.options.warmup, job.load.streams
    shareable = isinstance(job.prompts, _BY_NUMBER) and (warmup is None or isinstance(warmup.prompts, _BY_NUMBER))
    if asked is None:
        needed = math.ceil(streams * CHUNKS_PER_STREAM / CHUNKS_PER_WORKER)
        return max(1, min(needed, len(cores()) // 2)) if shareable else 1
    if asked > 1 and not shareable:
        raise FleetError("these prompts cannot be had by number: such a load runs in one process (workers: 1)")
    return max(1, min(asked, streams))


def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def run_in_workers(job: LoadJob, workers: int, on_progress: Callable[[int, float], None] | None) -> Window:
    """Raises what a worker raised, or RuntimeError if one died. No process is left behind."""
    board = shared_counters(workers + 1)
    parts = [Part(number, workers) for number in range(workers)]
    with started(_work, [(share_of(job, part), part, board) for part in parts]) as pipes:
        start_ns = _let_go(pipes)
        window = merge(_collect(pipes, board, start_ns, job, on_progress))
    if job.options.on_record is not None:
        for record in window.records:
            job.options.on_record(record)
    return window


def _let_go(pipes: list[Pipe]) -> int:
    """Once every worker is connected, all begin at one moment of the clock they share."""
    for pipe in pipes:
        receive(pipe)
    start_ns = time.monotonic_ns() + START_DELAY_NS
    for pipe in pipes:
        pipe.send(start_ns)
    return start_ns


def _collect(
    pipes: list[Pipe],
    board: Board,
    start_ns: int,
    job: LoadJob,
    on_progress: Callable[[int, float], None] | None,
) -> list[Window]:
    """In order of the workers."""
    windows: dict[int, Window] = {}
    while len(windows) < len(pipes):
        out = [number for number in range(len(pipes)) if number not in windows]
        for place in wait([pipes[number] for number in out], PROGRESS_S):
            windows[out[place]] = cast("Window", receive(pipes[out[place]]))
        if on_progress is not None:
            on_progress(sum(board[:-1]), (time.monotonic_ns() - start_ns) / 1e9)
        if job.options.stop_now is not None and job.options.stop_now():
            board[-1] = 1
    return [windows[number] for number in sorted(windows)]


def share_of(job: LoadJob, part: Part) -> LoadJob:
    """One worker's part of the job. Callbacks stay with the parent."""
    number, of = part
    streams = job.load.streams // of + (number < job.load.streams % of)
    warmup = job.options.warmup
    if warmup is not None:
        prompts = warmup.prompts.share(number, of) if isinstance(warmup.prompts, _BY_NUMBER) else warmup.prompts
        warmup = replace(warmup, prompts=prompts, requests=math.ceil(warmup.requests / of), on_progress=None)
    most = job.stop.max_requests
    stop = (
        job.stop if most is None else msgspec.structs.replace(job.stop, max_requests=most // of + (number < most % of))
    )
    return replace(
        job,
        stop=stop,
        prompts=job.prompts.share(number, of) if isinstance(job.prompts, _BY_NUMBER) else job.prompts,
        load=msgspec.structs.replace(job.load, streams=streams),
        options=replace(job.options, warmup=warmup, on_record=None, stop_now=None),
    )


def _work(job: LoadJob, part: Part, board: Board, pipe: Pipe) -> None:
    """A worker's whole life. An interrupt is for the parent to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pin(part.number)
    parent = os.getppid()
    options = replace(job.options, stop_now=lambda: bool(board[-1]) or os.getppid() != parent)

    def tally(ended: int) -> int:
        board[part.number] = ended
        return sum(board[:-1])

    said: Window | FleetError | OSError
    try:
        run = run_of(replace(job, options=options), None, part, tally)
        try:
            said = _run_from_the_start(run, pipe)
        finally:
            run.close()
    except (FleetError, OSError) as error:
        said = error
    with suppress(BrokenPipeError):  # the parent is gone
        pipe.send(said)


def _run_from_the_start(run: Run, pipe: Pipe) -> Window:
    with quiet_gc():
        run.prepare()
        pipe.send("ready")
        start_ns: int = pipe.recv()
        time.sleep(max(0, start_ns - time.monotonic_ns()) / 1e9)
        return run.window()


def pin(worker: int) -> None:
    """To a core of its own, counted from the last, where there are some to spare."""
    free = cores()
    if len(free) > 2 * (worker + 1):
        with suppress(OSError):  # not allowed here
            os.sched_setaffinity(0, {free[-1 - worker]})
