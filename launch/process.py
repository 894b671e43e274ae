"""The one place that starts processes: a server in its own session, its log, and the ladder that ends it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from launch import capped_log, leftovers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from launch.command import Command

TERM_S = 30.0
KILL_S = 10.0
_GLANCE_S = 0.3
_LOG_CLOSE_S = 5.0
_POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProcess:
    """A started server. `started_s` is CLOCK_MONOTONIC; the process leads its own session and group."""

    popen: subprocess.Popen[bytes]
    log_pump: subprocess.Popen[bytes]
    log: Path
    label: str
    started_s: float

    @property
    def pid(self) -> int:
        return self.popen.pid


@dataclass(frozen=True, slots=True, kw_only=True)
class StopOutcome:
    """`reaped`: nothing of the server is left. `forced`: SIGKILL was needed, or something hid in another session."""

    reaped: bool
    forced: bool


def start(command: Command, log: Path, label: str, *, cap_bytes: int = capped_log.CAP_BYTES) -> ServerProcess:
    """Start in a new session, so that a terminal's Ctrl-C does not reach it and its group can be ended whole."""
    log.parent.mkdir(parents=True, exist_ok=True)
    pump = _start_log_pump(log, cap_bytes)
    try:
        popen = subprocess.Popen(
            command.argv,
            env={**command.env, leftovers.LABEL_VARIABLE: label},
            stdin=subprocess.DEVNULL,
            stdout=pump.stdin,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    finally:
        _close_stdin(pump)
    _forbid_core_dumps(popen.pid)
    return ServerProcess(popen=popen, log_pump=pump, log=log, label=label, started_s=time.monotonic())


def exit_code(process: ServerProcess) -> int | None:
    """None while it runs; negative for the signal that ended it."""
    return process.popen.poll()


def pids(process: ServerProcess) -> frozenset[int]:
    """Every living process of the server: its group, and its children in other sessions."""
    labelled = {leftover.pid for leftover in leftovers.find(process.label)}
    return frozenset(labelled | {member.pid for member in _group(process.pid)})


def stop(process: ServerProcess, *, term_s: float = TERM_S, kill_s: float = KILL_S) -> StopOutcome:
    """SIGTERM to the group, then SIGKILL, then a search for what changed session. At most `term_s + 2 * kill_s`."""
    _signal_group(process, signal.SIGTERM)
    if _wait(lambda: _group_gone(process), term_s):
        return _finish(process, kill_s, forced=False)
    return kill_now(process, kill_s=kill_s)


def kill_now(process: ServerProcess, *, kill_s: float = KILL_S) -> StopOutcome:
    """SIGKILL at once: the job was cancelled and has seconds to live."""
    _signal_group(process, signal.SIGKILL)
    _wait(lambda: _group_gone(process), kill_s)
    return _finish(process, kill_s, forced=True)


def abandon(process: ServerProcess) -> None:
    """SIGKILL, and at most `_GLANCE_S` to see it work: `leftovers.remove` of its label makes sure of the rest.

    For a caller that is itself about to be killed, and has rows to write first.
    """
    _signal_group(process, signal.SIGKILL)
    deadline = time.monotonic() + _GLANCE_S
    if _wait(lambda: _group_gone(process), _GLANCE_S):
        _wait(lambda: process.log_pump.poll() is not None, deadline - time.monotonic())


def _finish(process: ServerProcess, kill_s: float, *, forced: bool) -> StopOutcome:
    strays = leftovers.find(process.label)
    left = leftovers.remove(process.label, kill_s=kill_s)
    _finish_log(process)
    return StopOutcome(reaped=_group_gone(process) and not left, forced=forced or bool(strays))


def _start_log_pump(log: Path, cap_bytes: int) -> subprocess.Popen[bytes]:
    """It ends by itself when the last writer does, so it carries no label; -I -S: it needs nothing of ours."""
    return subprocess.Popen(
        (sys.executable, "-I", "-S", capped_log.__file__, str(log), str(cap_bytes)),
        env={},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _close_stdin(pump: subprocess.Popen[bytes]) -> None:
    if pump.stdin is not None:
        pump.stdin.close()


def _finish_log(process: ServerProcess) -> None:
    """Wait for the pump's last bytes; one that is stuck is killed, and the log keeps what it has."""
    try:
        process.log_pump.wait(_LOG_CLOSE_S)
    except subprocess.TimeoutExpired:
        process.log_pump.kill()
        process.log_pump.wait()


def _forbid_core_dumps(pid: int) -> None:
    """An engine's core dump can be a terabyte. Set from here: code between fork and exec is unsafe with threads."""
    try:
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
    except ProcessLookupError:
        return


def _signal_group(process: ServerProcess, number: signal.Signals) -> None:
    if _group_gone(process):
        return
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _group_gone(process: ServerProcess) -> bool:
    return process.popen.poll() is not None and not _group(process.pid)


def _group(leader: int) -> tuple[psutil.Process, ...]:
    """Living members. Zombies do not count: where PID 1 reaps nobody, an orphan stays one for ever."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return ()
    return tuple(
        process
        for process in psutil.process_iter(["status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE and _group_id(process.pid) == leader
    )


def _group_id(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True
