"""The process backend with the real embedded engine: every way a launch can end."""

from __future__ import annotations

import signal
import socket
import time
from typing import TYPE_CHECKING

import msgspec
import psutil
import pytest

from launch import leftovers
from launch.backends import BACKENDS
from launch.backends import process as backend
from launch.engines import vllm
from launch.ready import NotReady
from matrix.facts import FileWeights
from matrix.words import Reason

if TYPE_CHECKING:
    from pathlib import Path

    from launch.running import Running
    from matrix.plan import Server


def _launch(server: Server, folder: Path, label: str, deadline_s: float = 60) -> Running | NotReady:
    return BACKENDS["process"].launch(
        server, log=folder / "server.log", label=label, host_threads=1, ready_deadline_s=deadline_s
    )


def _refused(server: Server, folder: Path, label: str) -> NotReady:
    verdict = _launch(server, folder, label)
    assert isinstance(verdict, NotReady)
    assert leftovers.find(label) == ()
    return verdict


def test_a_server_is_started_watched_and_stopped(tiny_server: Server, tmp_path: Path, label: str) -> None:
    running = _launch(tiny_server, tmp_path, label)
    assert not isinstance(running, NotReady), running
    assert running.alive()
    assert (running.model, running.exit_code()) == ("tiny", None)
    assert running.engine_version.startswith("xllamacpp ")
    assert 0 < running.start_s < running.age_s()
    assert [leftover.pid for leftover in leftovers.find(label)] == [running.pid]
    outcome = running.stop()
    assert (outcome.reaped, outcome.forced) == (True, False)
    assert not running.alive()
    assert "listening on http://127.0.0.1" in running.log_tail()


def test_a_running_server_can_be_killed(tiny_server: Server, tmp_path: Path, label: str) -> None:
    running = _launch(tiny_server, tmp_path, label)
    assert not isinstance(running, NotReady), running
    assert running.kill().reaped
    assert running.exit_code() == -9


def test_a_crash_is_seen(tiny_server: Server, tmp_path: Path, label: str) -> None:
    running = _launch(tiny_server, tmp_path, label)
    assert not isinstance(running, NotReady), running
    assert running.pid is not None
    psutil.Process(running.pid).kill()
    while running.alive():
        time.sleep(0.01)
    assert running.exit_code() == -9
    assert running.stop().reaped


def test_an_engine_that_is_not_installed_is_the_hosts_fault(
    tiny_server: Server, tmp_path: Path, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm, "version", lambda: None)
    verdict = _refused(msgspec.structs.replace(tiny_server, engine="vllm"), tmp_path, label)
    assert (verdict.reason, verdict.detail) == (Reason.ENGINE_MISSING, "engine vllm is not installed")


def test_weights_that_are_not_here_are_the_hosts_fault(tiny_server: Server, tmp_path: Path, label: str) -> None:
    absent = msgspec.structs.replace(tiny_server.model, weights=FileWeights(path=str(tmp_path / "absent.gguf")))
    verdict = _refused(msgspec.structs.replace(tiny_server, model=absent), tmp_path, label)
    assert verdict.reason is Reason.MODEL_MISSING
    assert "absent.gguf does not exist" in verdict.detail


def test_a_broken_model_file_ends_the_server_and_its_words_are_kept(
    tiny_server: Server, tmp_path: Path, label: str
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")
    model = msgspec.structs.replace(tiny_server.model, weights=FileWeights(path=str(broken)))
    verdict = _refused(msgspec.structs.replace(tiny_server, model=model), tmp_path, label)
    assert (verdict.reason, verdict.detail) == (Reason.SERVER_EXITED, "exited with code 1 before it was ready")
    assert "failed to load model" in verdict.log_tail


def test_a_refused_flag_ends_the_server_and_its_words_are_kept(tiny_server: Server, tmp_path: Path, label: str) -> None:
    verdict = _refused(msgspec.structs.replace(tiny_server, args=("--nonsense",)), tmp_path, label)
    assert (verdict.reason, verdict.detail) == (Reason.SERVER_EXITED, "exited with code 2 before it was ready")
    assert "unrecognized arguments: --nonsense" in verdict.log_tail


@pytest.mark.fault(9)
def test_a_port_that_was_taken_meanwhile_is_a_conflict(
    tiny_server: Server, tmp_path: Path, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(backend, "free_port", lambda _: taken.getsockname()[1])
        verdict = _refused(tiny_server, tmp_path, label)
    assert verdict.reason is Reason.PORT_CONFLICT
    assert "couldn't bind" in verdict.log_tail


class _Told(BaseException):
    """What a runner's signal handler raises."""


def test_a_launch_interrupted_by_a_signal_leaves_no_server(tiny_server: Server, tmp_path: Path, label: str) -> None:
    def told(*_: object) -> None:
        assert leftovers.find(label)
        raise _Told

    dialect = msgspec.structs.replace(tiny_server.dialect, health_path="/never")
    before = signal.signal(signal.SIGALRM, told)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        with pytest.raises(_Told):
            _launch(msgspec.structs.replace(tiny_server, dialect=dialect), tmp_path, label, 600)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert leftovers.find(label) == ()


def test_free_ports_differ_from_a_held_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        assert backend.free_port("127.0.0.1") != held.getsockname()[1]
