"""Is this machine fit to take a job? Asked before a runner is announced, and again by its hooks around the job."""

from __future__ import annotations

import pwd
import re
import shutil
import time
from importlib import metadata
from typing import TYPE_CHECKING

import psutil

from runners.provision.gpus import what_is_wrong
from runners.provision.setup import JOBS

if TYPE_CHECKING:
    from pathlib import Path

    from runners.provision.setup import Site

PATIENCE_S = 10.0
_POLL_S = 0.2
_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)", re.MULTILINE)


def unfit(site: Site) -> list[str]:
    """Everything that is wrong with this machine, in words; empty when it may take a job."""
    found = [*_disk(site.places.job, site.disk_gib), *what_is_wrong(site.facts.gpu, site.gpu, site.gpus)]
    return found + drifted((site.places.checkout / "requirements.lock").read_text())


def lodgers(user: str = JOBS, patience_s: float = PATIENCE_S) -> list[str]:
    """Processes of the jobs' user while no job runs, if they do not go away: something escaped from the last one."""
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError:
        return []  # not set up, or a rehearsal
    deadline = time.monotonic() + patience_s
    while (found := _processes_of(uid)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return [f"processes of {user} outlived their job: {', '.join(found[:5])}"] if found else []


def _processes_of(uid: int) -> list[str]:
    return [
        f"{process.info['name']} ({process.pid})"
        for process in psutil.process_iter(["uids", "name", "status"])
        if process.info["uids"] and process.info["uids"].real == uid
        if process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def drifted(lock: str) -> list[str]:
    """Whether this environment is the one that is locked: a number must not depend on when a host was last updated."""
    wrong = []
    for match in _PINNED.finditer(lock):
        try:
            here = metadata.version(match["name"])
        except metadata.PackageNotFoundError:
            here = "not installed"
        if here != match["version"]:
            wrong.append(f"{match['name']} is {here}, locked {match['version']}")
    return [f"the environment is not as locked: {'; '.join(wrong[:3])}. Run .ci/install"] if wrong else []


def _disk(folder: Path, floor_gib: int) -> list[str]:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return [f"{folder}: {error.strerror}"]
    if free < floor_gib << 30:
        return [f"{free >> 30} GiB free under {folder}; {floor_gib} GiB are needed"]
    return []
