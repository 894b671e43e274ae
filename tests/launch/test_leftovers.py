from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from launch import leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
_RUNNER = """
import signal, sys
from pathlib import Path
from launch import process
from launch.command import Command
command = Command(argv=(sys.executable, "-c", "import time; time.sleep(600)"), env={})
print(process.start(command, Path(sys.argv[1]), sys.argv[2]).pid, flush=True)
signal.pause()
"""


@pytest.fixture
def twin() -> Iterator[subprocess.Popen[bytes]]:
    """The same program as the server, without a label."""
    env = {name: value for name, value in os.environ.items() if name != leftovers.LABEL_VARIABLE}
    with subprocess.Popen(_SLEEP, env=env) as process:
        yield process
        process.kill()


@pytest.mark.fault(28)
@pytest.mark.fault(36)
def test_a_server_whose_runner_was_killed_is_removed_and_its_unlabelled_twin_is_not(
    tmp_path: Path, label: str, twin: subprocess.Popen[bytes]
) -> None:
    argv = (sys.executable, "-c", _RUNNER, str(tmp_path / "server.log"), label)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        server_pid = int(runner.stdout.readline())
        runner.send_signal(signal.SIGKILL)
    assert psutil.pid_exists(server_pid)
    assert [leftover.pid for leftover in leftovers.find(label)] == [server_pid]
    assert leftovers.remove(label) == ()
    assert leftovers.find(label) == ()
    assert twin.poll() is None


def test_another_label_is_not_ours(label: str) -> None:
    with subprocess.Popen(_SLEEP, env={leftovers.LABEL_VARIABLE: f"{label}-2"}) as other:
        assert leftovers.remove(label) == ()
        assert other.poll() is None
        other.kill()


def test_the_runner_that_looks_and_its_parents_are_never_leftovers(label: str) -> None:
    look = "import sys; from launch.leftovers import find; print(len(find(sys.argv[1])))"
    env = {**os.environ, leftovers.LABEL_VARIABLE: label}
    found = subprocess.run((sys.executable, "-c", look, label), env=env, capture_output=True, text=True, check=True)
    assert found.stdout == "0\n"
