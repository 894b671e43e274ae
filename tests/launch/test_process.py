from __future__ import annotations

import re
import resource
import signal
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from launch import capped_log, leftovers
from launch import process as processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.launch.conftest import Start

_IGNORE_SIGTERM = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
)


def _until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.02)


def _says(process: processes.ServerProcess, text: str) -> Callable[[], bool]:
    return lambda: process.log.exists() and text in capped_log.read_tail(process.log)


def test_a_server_that_obeys_is_gone_after_sigterm(start: Start) -> None:
    process = start("-c", "import signal; print('up', flush=True); signal.pause()")
    _until(_says(process, "up"))
    assert processes.stop(process) == processes.StopOutcome(reaped=True, forced=False)
    assert processes.exit_code(process) == -signal.SIGTERM
    assert not psutil.pid_exists(process.pid)


@pytest.mark.fault(8)
def test_a_server_that_ignores_sigterm_is_killed_and_says_so(start: Start) -> None:
    process = start("-c", _IGNORE_SIGTERM)
    _until(_says(process, "up"))
    assert processes.stop(process, term_s=0.3) == processes.StopOutcome(reaped=True, forced=True)
    assert processes.exit_code(process) == -signal.SIGKILL


def test_stopping_a_dead_server_is_not_an_error(start: Start) -> None:
    process = start("-c", "raise SystemExit(7)")
    _until(lambda: processes.exit_code(process) is not None)
    assert processes.stop(process) == processes.StopOutcome(reaped=True, forced=False)
    assert processes.stop(process) == processes.StopOutcome(reaped=True, forced=False)
    assert processes.exit_code(process) == 7


def test_cancellation_does_not_ask_first(start: Start) -> None:
    process = start("-c", _IGNORE_SIGTERM)
    _until(_says(process, "up"))
    assert processes.kill_now(process).reaped
    assert processes.exit_code(process) == -signal.SIGKILL


def test_workers_of_the_group_end_with_the_server(start: Start) -> None:
    process = start("-c", "import os, signal; os.write(1, b'pid %d\\n' % os.fork()); signal.pause()")
    _until(_says(process, "pid 0"))
    workers = processes.pids(process) - {process.pid}
    assert len(workers) == 1
    assert processes.stop(process).reaped
    assert processes.pids(process) == frozenset()


def test_a_worker_is_ended_even_when_its_server_died_first(start: Start) -> None:
    process = start("-c", "import os, signal; os.fork() or (print('worker', flush=True), signal.pause())")
    _until(lambda: _says(process, "worker")() and processes.exit_code(process) is not None)
    assert processes.pids(process)
    assert processes.stop(process).reaped
    assert processes.pids(process) == frozenset()


def test_a_child_that_changed_session_is_found_by_its_label(start: Start) -> None:
    process = start(
        "-c", "import os, signal; os.fork() or os.setsid(); os.write(1, b'up %d\\n' % os.getsid(0)); signal.pause()"
    )
    _until(lambda: len(re.findall(r"up \d+", capped_log.read_tail(process.log))) == 2)
    assert len(processes.pids(process)) == 2
    assert processes.stop(process) == processes.StopOutcome(reaped=True, forced=True)
    assert leftovers.find(process.label) == ()


def test_a_server_sees_only_the_environment_it_was_given(start: Start) -> None:
    process = start("-c", "import os; print(sorted(os.environ))")
    _until(lambda: processes.exit_code(process) is not None)
    processes.stop(process)
    seen = set(re.findall(r"'(\w+)'", capped_log.read_tail(process.log)))
    assert seen - {"LC_CTYPE"} == {"PYTHONUNBUFFERED", "INFERFLEET_LABEL"}  # LC_CTYPE: Python's own, in the C locale


@pytest.mark.fault(33)
def test_a_server_leaves_no_core_dump_and_no_terminal(start: Start) -> None:
    process = start("-c", "import signal; signal.pause()")
    server = psutil.Process(process.pid)
    assert server.rlimit(resource.RLIMIT_CORE) == (0, 0)
    assert server.terminal() is None


@pytest.mark.fault(34)
def test_a_log_flood_neither_blocks_the_server_nor_loses_the_tail(start: Start) -> None:
    flood = "print('first line')\nfor n in range(200000): print('noise', n)\nprint('last words', flush=True)"
    process = start("-c", flood, cap_bytes=64 * 1024)
    _until(lambda: processes.exit_code(process) is not None, 60)
    processes.stop(process)
    log = process.log.read_text()
    assert log.startswith("first line\nnoise 0\n")
    assert log.endswith("last words\n")
    assert re.search(r"\[inferfleet: \d+ bytes left out here\]", log)
    assert len(log) <= 64 * 1024 + 100
    assert [path.name for path in process.log.parent.iterdir()] == [process.log.name]
