"""What machine this is, as text for the artifact. Read from the kernel; a fact that is not there is `unknown`."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

from matrix.result import HostFacts


def host_facts() -> HostFacts:
    """The facts of this host, now."""
    return HostFacts(
        name=platform.node() or "unknown",
        kernel=platform.release(),
        cpu=_cpu_model(),
        cores=cores(),
        memory_bytes=int(psutil.virtual_memory().total),
        python=platform.python_version(),
    )


def cores() -> int:
    """Cores this process may use (cgroup quotas are not seen)."""
    return len(os.sched_getaffinity(0))


def server_threads() -> int:
    """CPU threads a server may compute with: one core stays with the client, for a starved client misreports."""
    return max(1, cores() - 1)


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine() or "unknown"
