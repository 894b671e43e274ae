from __future__ import annotations

import http.client
import json
import subprocess
import time
from typing import Any

import pytest

from tests.fake_server.running import ROOT, RunningServer, command, running


def post(server: RunningServer, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_it_looks_like_an_inference_server() -> None:
    with running() as server:
        assert server.get("/health") == (200, b"ok")
        assert json.loads(server.get("/v1/models")[1])["data"][0]["id"] == "fake-model"
        status, body = post(server, "/v1/completions", {"prompt": "three little words", "max_tokens": 5})
        assert status == 200
        assert json.loads(body)["usage"] == {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
        assert b"fake_generation_tokens_total 5\n" in server.get("/metrics")[1]
        assert server.get("/nowhere")[0] == 404


def test_chat_streams_a_role_then_content_then_usage() -> None:
    with running() as server:
        messages = [{"role": "user", "content": "say it"}]
        _, body = post(server, "/v1/chat/completions", {"messages": messages, "max_tokens": 2, "stream": True})
    lines = [line.removeprefix(b"data: ") for line in body.split(b"\n\n") if line]
    chunks = [json.loads(line) for line in lines[:-1]]
    assert lines[-1] == b"[DONE]"
    assert chunks[0]["choices"][0]["delta"] == {"content": "", "role": "assistant"}
    assert [bool(chunk["choices"]) for chunk in chunks] == [True, True, True, False]
    assert chunks[-1]["usage"]["completion_tokens"] == 2


def test_pacing_does_not_drift() -> None:
    """Every chunk leaves at or after its own deadline, and a late one does not push back those after it."""
    with running(ttft_ms=30, itl_ms=5) as server:
        post(server, "/v1/completions", {"prompt": [1, 2], "max_tokens": 40, "stream": True})
        (stamps,) = server.stamps()
    late_ms = [(sent - stamps.received_ns) / 1e6 - 30 - 5 * token for token, sent in enumerate(stamps.content_ns)]
    assert len(late_ms) == 40
    assert min(late_ms) > -1
    assert min(late_ms[20:]) < 5


def test_the_wrong_model_is_served() -> None:
    with running("wrong_model") as server:
        assert b"some-other-model" in server.get("/v1/models")[1]


def test_health_can_be_good_while_completions_fail() -> None:
    with running("health_only") as server:
        assert server.get("/health")[0] == 200
        assert post(server, "/v1/completions", {"prompt": [1], "max_tokens": 1})[0] == 500


@pytest.mark.fault(2)
def test_exit_early_leaves_its_code_and_a_log_line() -> None:
    done = subprocess.run(
        command("exit_early", exit_code=3), cwd=ROOT, capture_output=True, check=False, timeout=20, text=True
    )
    assert done.returncode == 3
    assert "cannot allocate memory" in done.stderr


@pytest.mark.fault(1)
def test_never_listen_says_nothing_and_stays() -> None:
    process = subprocess.Popen(command("never_listen"), cwd=ROOT, stdout=subprocess.PIPE)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
    finally:
        process.kill()
        said, _ = process.communicate()
    assert said == b""


@pytest.mark.fault(8)
def test_ignore_sigterm_survives_it() -> None:
    with running("ignore_sigterm") as server:
        server.process.terminate()
        time.sleep(0.2)
        assert server.get("/health")[0] == 200


def test_a_normal_server_ends_on_sigterm_even_with_requests_in_flight() -> None:
    with running("stall") as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
        connection.request("POST", "/v1/completions", json.dumps({"prompt": [1], "max_tokens": 9, "stream": True}))
        response = connection.getresponse()
        server.process.terminate()
        assert server.process.wait(5) == 0
        response.close()
        connection.close()
