"""What the launch tests share: a label of their own, processes that never outlive a test, the tiny model."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from launch import process as processes
from launch.command import Command
from matrix.dialect import Dialect
from matrix.plan import Server
from matrix.serving import Layout
from tests.tiny_model import tiny_model, write_tiny_model

if TYPE_CHECKING:
    from collections.abc import Iterator

_STUB = Path(__file__).with_name("stub_server.py")


class Start(Protocol):
    def __call__(self, *argv: str, cap_bytes: int = ...) -> processes.ServerProcess: ...


@pytest.fixture
def label() -> str:
    return f"test-{uuid.uuid4()}"


@pytest.fixture
def start(tmp_path: Path, label: str) -> Iterator[Start]:
    """Start `python ARGV` as a server; it is killed when the test ends."""
    started: list[processes.ServerProcess] = []

    def start(*argv: str, cap_bytes: int = 1 << 20) -> processes.ServerProcess:
        command = Command(argv=(sys.executable, *argv), env={"PYTHONUNBUFFERED": "1"})
        log = tmp_path / f"server-{len(started)}.log"
        started.append(processes.start(command, log, label, cap_bytes=cap_bytes))
        return started[-1]

    yield start
    for process in started:
        processes.kill_now(process)


@pytest.fixture
def start_stub(start: Start) -> StartStub:
    return lambda port, mode, model="m": start(str(_STUB), str(port), model, mode)


class StartStub(Protocol):
    def __call__(self, port: int, mode: str, model: str = ..., /) -> processes.ServerProcess: ...


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny.gguf"
    write_tiny_model(path)
    return path


@pytest.fixture
def tiny_server(tiny_gguf: Path) -> Server:
    """Two slots of 256 tokens."""
    return Server(
        engine="llamacpp",
        dialect=Dialect(exact_length={"ignore_eos": True}, no_cache={"cache_prompt": False}),
        model_id="tiny",
        model=tiny_model(tiny_gguf),
        gpu="cpu",
        precision="q8_0",
        layout=Layout(),
        devices=1,
        image=None,
        args=("--parallel", "2", "--ctx-size", "512"),
        args_digest="0" * 64,
    )
