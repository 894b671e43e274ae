"""Word that outlives a process: why a host takes no jobs, what its agent is doing, what a job left to say.

The drain mark belongs to the agent and to root. A job may only *ask* for it, in a folder of its own: what it wrote
there is untrusted, and read as such.
"""

from __future__ import annotations

import os
import re
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from matrix.atomic import write_atomic
from matrix.errors import UNDECODABLE, FleetError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 4096
_DRAINED, _STATE = "drained.json", "agent.json"
_LISTENING, _STARTED, _REFUSED = "listening", "started", "refused"


class Drained(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why no job is taken, who said so (`agent`, or a person's name), and since when (ISO, UTC)."""

    why: str
    by: str
    since: str


class AgentState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agent does: `phase` is one of its words, `detail` what a person wants to know of it."""

    phase: str
    detail: str
    since: str


def printable(text: str) -> str:
    """One bounded line of plain characters, whoever wrote it."""
    return re.sub(r"[^ -~]+", " ", text).strip()[:500]


def drain(state: Path, why: str, by: str) -> Drained:
    """Take no further job. The first reason stays: later ones are its consequences."""
    if (already := drained(state)) is not None:
        return already
    mark = Drained(why=printable(why) or "no reason given", by=printable(by), since=now())
    _write(state / _DRAINED, mark)
    return mark


def undrain(state: Path) -> Drained | None:
    """Take jobs again; the mark that was removed, if there was one."""
    mark = drained(state)
    (state / _DRAINED).unlink(missing_ok=True)
    return mark


def drained(state: Path) -> Drained | None:
    """The mark. One that cannot be read still counts: when in doubt, no job."""
    path = state / _DRAINED
    try:
        return msgspec.json.decode(path.read_bytes(), type=Drained)
    except FileNotFoundError:
        return None
    except UNDECODABLE:
        return Drained(why=f"{path} cannot be read", by="unknown", since="unknown")


def say_state(state: Path, phase: str, detail: str) -> None:
    _write(state / _STATE, AgentState(phase=phase, detail=printable(detail), since=now()))


def agent_state(state: Path) -> AgentState | None:
    try:
        return msgspec.json.decode((state / _STATE).read_bytes(), type=AgentState)
    except (OSError, *UNDECODABLE):
        return None


def refuse(requests: Path, why: str) -> None:
    """As a job's hook: ask for this host to be drained."""
    (requests / _REFUSED).write_text(printable(why) + "\n")


def listening(requests: Path) -> bool:
    """Whether somebody has picked up the runner's configuration."""
    return os.path.lexists(requests / _LISTENING)


def started(requests: Path) -> bool:
    """Whether the runner of now has taken a job, as its hook says."""
    return os.path.lexists(requests / _STARTED)


def refused(requests: Path) -> str | None:
    """What a job's hook asked the host to be drained for."""
    path = requests / _REFUSED
    return _untrusted(path) if os.path.lexists(path) else None


def forget(requests: Path) -> None:
    """Remove what the last job left. A `FleetError` where that cannot be done: the next job would be misjudged."""
    for name in (_LISTENING, _STARTED, _REFUSED):
        try:
            (requests / name).unlink(missing_ok=True)
        except OSError as error:
            raise FleetError(f"{requests / name} cannot be removed: {error.strerror}") from None


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _untrusted(path: Path) -> str:
    """The start of a plain file. A link, a pipe or a device in its place is not followed, nor waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return "a job asked for it, and its reason cannot be read"
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return "a job asked for it, and left no plain file"
        return (
            printable(os.read(descriptor, MAX_BYTES).decode(errors="replace")) or "a job asked for it, without a word"
        )
    finally:
        os.close(descriptor)


def _write(path: Path, record: msgspec.Struct) -> None:
    write_atomic(path, msgspec.json.encode(record) + b"\n")
