"""Before a job: is this host fit to be measured on, and is nothing of ours left over from a job that was killed?"""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.client import required_fds
from launch.leftovers import remove
from matrix.words import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matrix.plan import Job

DISK_FLOOR_BYTES = 1 << 30
LOCK_WAIT_S = 60.0

Refusal = tuple[Reason, str]


@contextmanager
def host_lock(state: Path, wait_s: float) -> Iterator[bool]:
    """Hold this host for one job. Yields False if another job still holds it after `wait_s`.

    The kernel drops the lock with its holder, however that one died.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state / "host.lock").open("w") as file:
        deadline = time.monotonic() + wait_s
        while not (held := _try_lock(file.fileno())) and time.monotonic() < deadline:
            time.sleep(0.1)
        yield held


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def label_of(state: Path) -> str:
    """The mark on every process this host's jobs start. Who holds the lock in `state` owns all that bear it."""
    return f"{os.getuid()}:{state.resolve()}"


def preflight(job: Job, out: Path, label: str, disk_floor_bytes: int) -> Refusal | None:
    """Remove our leftovers, then say what is wrong with the host; None when it is fit. Call with the lock held."""
    if left := remove(label):
        names = ", ".join(f"{leftover.name} ({leftover.pid})" for leftover in left)
        return Reason.HOST_LOCKED, f"processes of an earlier job cannot be killed: {names}"
    free = shutil.disk_usage(out).free
    if free < disk_floor_bytes:
        return Reason.DISK_FULL, f"{free >> 20} MiB free under {out}; {disk_floor_bytes >> 20} MiB are needed"
    needed = max(required_fds(planned.point.load) for planned in job.points)
    if (limit := _raise_fd_limit(needed)) < needed:
        return Reason.FD_LIMIT, f"{needed} open files are needed; this host allows {limit}"
    return None


def _raise_fd_limit(needed: int) -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:  # all there is: the server inherits it, and has sockets and files of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return needed if hard == resource.RLIM_INFINITY else hard
