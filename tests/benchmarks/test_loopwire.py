"""The transport without kernel stamps, over TLS and without it, against the same servers as the other."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from benchmarks.client import run_load
from benchmarks.loopwire import new_loop
from benchmarks.metrics import client_budget
from benchmarks.prompts import random_prompts
from benchmarks.records import RequestError, StopRule, Window
from matrix.point import Concurrency
from matrix.words import Reason
from tests.benchmarks.loads import WORKLOAD, errors, load, reasons, stop_after
from tests.fake_server.running import running

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its self-signed certificate for 127.0.0.1, in one PEM file."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    made = path.with_suffix(".crt")
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    options = ("-newkey", "rsa:2048", "-nodes", "-days", "2", *name)
    argv = ("openssl", "req", "-x509", *options, "-keyout", str(path), "-out", str(made))
    subprocess.run(argv, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + made.read_bytes())
    return path


@pytest.fixture
def no_epoll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll")


def loaded(scenario: str, stop: StopRule | None = None, **options: Any) -> Window:
    with running(scenario, **options) as server:
        return load(server.target(), stop)


def test_an_https_server_is_measured_and_the_row_says_how(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with running(certificate=certificate, ttft_ms=5, itl_ms=1) as server:
        target = msgspec.structs.replace(server.target(), tls=True)
        window = load(target, stop_after(8))
    assert errors(window) == {None}
    assert len({record.text_digest for record in window.records}) == len(window.records)
    assert all(record.chunks == record.output_tokens for record in window.records)
    budget = client_budget(window, Concurrency(streams=2))
    assert not budget.kernel_stamps
    assert budget.stamp_delay_s_p99 is None


def test_a_certificate_nobody_vouches_for_is_refused(certificate: Path) -> None:
    with running(certificate=certificate) as server:
        window = load(msgspec.structs.replace(server.target(), tls=True), stop_after(10**6))
    assert errors(window) == {RequestError.REFUSED}
    assert "certificate verify failed" in window.records[0].detail


def test_stamps_agree_with_the_servers_own(no_epoll: None) -> None:
    with running(ttft_ms=20, itl_ms=5) as server:
        window = load(server.target())
        truth = {stamps.request_id: stamps for stamps in server.stamps()}
    for record in window.records:
        said = truth[str(record.index)]
        assert record.sent_ns <= said.received_ns
        assert all(seen >= sent for seen, sent in zip(record.chunk_ns, said.content_ns, strict=True))
    assert window.health.reads


@pytest.mark.parametrize("scenario", ["connection_close", "keepalive_close", "crlf", "role_only"])
def test_odd_but_legal_servers_fail_no_request(no_epoll: None, scenario: str) -> None:
    window = loaded(scenario, stop_after(12))
    assert errors(window) == {None}
    assert len(window.records) >= 12


@pytest.mark.parametrize(
    ("scenario", "error"),
    [
        pytest.param("reset_mid_stream", RequestError.RESET, marks=pytest.mark.fault(11)),
        pytest.param("http_500", RequestError.HTTP_STATUS, marks=pytest.mark.fault(13)),
        pytest.param("html_200", RequestError.BAD_STREAM, marks=pytest.mark.fault(14)),
        pytest.param("truncated", RequestError.TRUNCATED_STREAM, marks=pytest.mark.fault(15)),
        pytest.param("bad_json", RequestError.BAD_STREAM, marks=pytest.mark.fault(17)),
    ],
)
def test_faults_have_the_same_names_here(no_epoll: None, scenario: str, error: RequestError) -> None:
    assert errors(loaded(scenario)) == {error}


@pytest.mark.fault(7)
def test_a_server_that_hangs_is_given_up_after_the_stall_time(no_epoll: None) -> None:
    window = loaded("stall", stop_after(10**6, stall_s=0.5))
    assert errors(window) == {RequestError.STALLED}
    assert reasons(window)[0] is Reason.SERVER_STALLED


@pytest.mark.fault(11)
def test_a_server_that_stops_listening_refuses_the_rest(no_epoll: None) -> None:
    window = loaded("refuse_after", stop_after(10**6), after=4)
    assert RequestError.REFUSED in errors(window)


def test_nothing_is_left_open(no_epoll: None) -> None:
    with running() as server:
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        run_load(server.target(), random_prompts(WORKLOAD, (10, 1000), 1), Concurrency(streams=4), stop_after(8))
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_the_loop_is_uvloop_where_that_is_installed() -> None:
    loop = new_loop()
    loop.close()
    assert type(loop).__module__.startswith("uvloop")
