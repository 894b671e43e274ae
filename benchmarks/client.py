"""The load client. Keeps the seam of `benchmarks.records.Client`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.quiet import quiet_gc
from benchmarks.records import NO_OPTIONS, LoadJob
from benchmarks.session_run import run_of
from benchmarks.workers import run_in_workers, workers_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.records import LoadOptions, Prompt, StopRule, Target, Window
    from benchmarks.sessions import Sessions
    from matrix.point import Load

OWN_FDS = 32


def required_fds(load: Load) -> int:
    """Open files a load needs, the process's own included: compare with RLIMIT_NOFILE before starting."""
    return load.streams + OWN_FDS


def run_load(
    target: Target,
    prompts: Iterator[Prompt] | Sessions,
    load: Load,
    stop: StopRule,
    on_progress: Callable[[int, float], None] | None = None,
    options: LoadOptions = NO_OPTIONS,
) -> Window:
    """Keeps `load.streams` requests in flight, or sends them at a rate, until `stop` allows no new one; those end.

    With sessions for prompts it holds so many sessions, or begins so many a second: a stream keeps one from its first
    turn to its last. A warm-up comes first on the same streams, and hands them over one by one as its requests end.
    What goes wrong with a request is in its record. Raises FleetError if the server's dialect or the API key makes a
    load impossible, OSError if the host has no address or this process no file descriptors left.
    """
    job = LoadJob(target=target, prompts=prompts, load=load, stop=stop, options=options)
    workers = workers_for(job)
    if workers > 1:
        return run_in_workers(job, workers, on_progress)
    run = run_of(job, on_progress)
    with quiet_gc():
        try:
            run.prepare()
            return run.window()
        finally:
            run.close()
