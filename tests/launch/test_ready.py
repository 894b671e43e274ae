from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from launch import process as processes
from launch.backends.process import free_port, port_owner
from launch.ready import Awaited, NotReady, PortOwner, Ready, wait_ready
from matrix.dialect import Dialect
from matrix.words import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.launch.conftest import Start, StartStub


def _awaited(process: processes.ServerProcess, port: int, dialect: Dialect | None = None) -> Awaited:
    return Awaited(
        host="127.0.0.1",
        port=port,
        model="m",
        dialect=dialect or Dialect(),
        prompt=(5,),
        exit_code=lambda: processes.exit_code(process),
        port_owner=lambda: port_owner(process, port),
    )


@pytest.fixture
def port() -> int:
    return free_port("127.0.0.1")


def _until_listening(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail("the stub server does not listen")


@pytest.mark.parametrize("dialect", [Dialect(), Dialect(prompt_token_ids=False), Dialect(path="/v1/chat/completions")])
def test_a_server_that_generates_under_its_own_name_is_ready(
    start_stub: StartStub, port: int, dialect: Dialect
) -> None:
    process = start_stub(port, "good")
    verdict = wait_ready(_awaited(process, port, dialect), 30)
    assert isinstance(verdict, Ready)
    assert verdict.seconds > 0
    assert port_owner(process, port) is PortOwner.OURS


@pytest.mark.fault(1)
def test_a_server_that_never_listens_ends_at_the_deadline(start_stub: StartStub, port: int) -> None:
    verdict = wait_ready(_awaited(start_stub(port, "never_listens"), port), 0.5)
    assert isinstance(verdict, NotReady)
    assert verdict.reason is Reason.SERVER_NOT_READY
    assert verdict.detail == "not ready after 0.5 s: /health: ConnectError"


@pytest.mark.fault(2)
def test_an_exit_is_noticed_long_before_the_deadline(start_stub: StartStub, port: int) -> None:
    began = time.monotonic()
    verdict = wait_ready(_awaited(start_stub(port, "exits"), port), 600)
    assert isinstance(verdict, NotReady)
    assert (verdict.reason, verdict.detail) == (Reason.SERVER_EXITED, "exited with code 3 before it was ready")
    assert time.monotonic() - began < 60


@pytest.mark.fault(3)
def test_health_alone_is_not_ready(start_stub: StartStub, port: int) -> None:
    process = start_stub(port, "health_only")
    _until_listening(port)
    verdict = wait_ready(_awaited(process, port), 1)
    assert isinstance(verdict, NotReady)
    assert verdict.reason is Reason.SERVER_NOT_READY
    assert verdict.detail.endswith("/v1/completions answered 500: no kernel image")


def test_a_page_of_html_is_not_a_list_of_models(start_stub: StartStub, port: int) -> None:
    process = start_stub(port, "html")
    _until_listening(port)
    verdict = wait_ready(_awaited(process, port), 1)
    assert isinstance(verdict, NotReady)
    assert verdict.reason is Reason.SERVER_NOT_READY
    assert "<html>login" in verdict.detail


def test_a_death_during_the_first_token_is_an_exit(start_stub: StartStub, port: int) -> None:
    verdict = wait_ready(_awaited(start_stub(port, "dies_in_completion"), port), 600)
    assert isinstance(verdict, NotReady)
    assert (verdict.reason, verdict.detail) == (Reason.SERVER_EXITED, "exited with code -9 before it was ready")


def test_a_first_token_that_never_comes_ends_at_the_deadline(start_stub: StartStub, port: int) -> None:
    process = start_stub(port, "hangs_in_completion")
    _until_listening(port)
    verdict = wait_ready(_awaited(process, port), 1)
    assert isinstance(verdict, NotReady)
    assert verdict.reason is Reason.SERVER_NOT_READY


@pytest.mark.fault(10)
def test_a_server_of_another_model_is_refused_by_name(start_stub: StartStub, port: int) -> None:
    verdict = wait_ready(_awaited(start_stub(port, "good", "other"), port), 30)
    assert isinstance(verdict, NotReady)
    assert (verdict.reason, verdict.detail) == (Reason.MODEL_MISMATCH, "serves other, not m")


@pytest.fixture
def stranger(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody else's server on our port: healthy, and under the right name."""
    stub = Path(__file__).with_name("stub_server.py")
    with subprocess.Popen((sys.executable, str(stub), str(port), "m", "good")) as process:
        _until_listening(port)
        yield process
        process.kill()


@pytest.mark.fault(9)
@pytest.mark.parametrize("ours", ["import signal; signal.pause()", "raise SystemExit(1)"])
def test_a_stranger_on_our_port_is_a_conflict_and_stays_alive(
    start: Start, port: int, stranger: subprocess.Popen[bytes], ours: str
) -> None:
    process = start("-c", ours)
    verdict = wait_ready(_awaited(process, port), 30)
    assert isinstance(verdict, NotReady)
    assert verdict.reason is Reason.PORT_CONFLICT
    assert str(port) in verdict.detail
    assert port_owner(process, port) is PortOwner.OTHER
    assert stranger.poll() is None


def test_nobody_owns_a_free_port(start: Start, port: int) -> None:
    assert port_owner(start("-c", "import signal; signal.pause()"), port) is PortOwner.NOBODY
