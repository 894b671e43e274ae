from __future__ import annotations

import shlex
import subprocess
import time
from pathlib import Path

import httpx
import msgspec
import pytest

from launch.backends.process import free_port
from launch.command import server_command
from launch.engines import llamacpp
from launch.replay import PORT, replay
from matrix.errors import FleetError
from matrix.facts import FileWeights
from matrix.plan import Server

ENV = {"PATH": "/usr/bin:/bin", "HOME": "/a home", "LD_PRELOAD": "evil.so"}


def test_the_line_is_what_a_job_would_start_word_for_word(tiny_server: Server) -> None:
    server = msgspec.structs.replace(tiny_server, env={"LLAMA_X": "a b'c$(d)"})
    weights = server.model.weights
    assert isinstance(weights, FileWeights)
    started = server_command(llamacpp, server, weights.path, "127.0.0.1", PORT, 3, ENV)
    env, minus_i, *words = shlex.split(replay(server, ENV, 3))
    assert (env, minus_i) == ("env", "-i")
    assert words == [*(f"{name}={value}" for name, value in started.env.items()), *started.argv]
    assert "LLAMA_X=a b'c$(d)" in words
    assert not [word for word in words if "evil" in word]


def test_weights_that_are_not_here_stand_as_a_word_to_replace(tiny_server: Server) -> None:
    model = msgspec.structs.replace(tiny_server.model, weights=FileWeights(path="/nowhere/m.gguf"))
    server = msgspec.structs.replace(tiny_server, model=model, image="a/b@sha256:" + "0" * 64)
    image, note, line = replay(server, ENV, 1).splitlines()
    assert image == "# inside a/b@sha256:" + "0" * 64
    assert note == "# MODEL_PATH: file weights: /nowhere/m.gguf does not exist"
    assert "--model MODEL_PATH" in line


def test_an_engine_without_an_adapter_says_so(tiny_server: Server) -> None:
    with pytest.raises(FleetError, match="known: llamacpp"):
        replay(msgspec.structs.replace(tiny_server, engine="zzz"), ENV, 1)


def test_the_line_pasted_into_a_shell_serves(tiny_server: Server) -> None:
    """From the root of the checkout, where a person would paste it; only the port is another."""
    port = free_port("127.0.0.1")
    line = replay(tiny_server, ENV, 1).replace(f"--port {PORT}", f"--port {port}")
    root = Path(__file__).resolve().parents[2]
    shell = subprocess.Popen(
        ("bash", "-c", f"exec {line}"), cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while not _healthy(port) and time.monotonic() < deadline:
            assert shell.poll() is None
            time.sleep(0.1)
        assert _healthy(port)
    finally:
        shell.kill()
        shell.wait()


def _healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False, timeout=2).status_code == 200
    except httpx.TransportError:
        return False
