"""Processes of ours that outlived their runner: found by the label in their environment, and removed.

Only an exactly equal label counts. A process of anybody else is never touched, whatever it does.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import psutil

LABEL_VARIABLE = "INFERFLEET_LABEL"
KILL_S = 10.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """`process` knows its creation time: a signal through it cannot hit a later process with the same id."""

    pid: int
    name: str
    process: psutil.Process


def find(label: str) -> tuple[Leftover, ...]:
    """Every living process with this label, except the caller and its parents."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    candidates = psutil.process_iter(["environ", "name", "status"])
    return tuple(
        Leftover(pid=process.pid, name=process.info["name"] or "", process=process)
        for process in candidates
        if process.pid not in own
        and process.info["status"] != psutil.STATUS_ZOMBIE
        and (process.info["environ"] or {}).get(LABEL_VARIABLE) == label
    )


def remove(label: str, *, kill_s: float = KILL_S) -> tuple[Leftover, ...]:
    """SIGKILL them; returns what is still alive after `kill_s`: where that is not empty, the host is broken.

    It searches afresh until nothing is found: a process may fork between being found and being killed.
    """
    deadline = time.monotonic() + kill_s
    while (found := find(label)) and time.monotonic() < deadline:
        for leftover in found:
            _kill(leftover.process)
        time.sleep(_POLL_S)
    return found


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
