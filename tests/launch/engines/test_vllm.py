"""Golden arguments only: vLLM is not installed where these tests run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from launch.engines import vllm

if TYPE_CHECKING:
    from matrix.plan import Server

_COMMON = (
    "--model", "/models/m", "--served-model-name", "tiny", "--host", "127.0.0.1", "--port", "8000",
    "--no-enable-prefix-caching", "--generation-config", "vllm",
)  # fmt: skip


def test_a_gpu_server_is_called_with_the_recipes_flags_before_ours(tiny_server: Server) -> None:
    server = msgspec.structs.replace(tiny_server, gpu="h200", args=("--max-num-seqs", "64", "--enforce-eager"))
    command = vllm.command(server, "/models/m", "127.0.0.1", 8000, 12)
    assert command.argv == (
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--max-num-seqs", "64", "--enforce-eager", *_COMMON,
    )  # fmt: skip
    assert command.env == {
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "SPT_NOENV": "1",
        "OMP_NUM_THREADS": "12",
    }


def test_a_cpu_server_gets_the_cpu_builds_variables(tiny_server: Server) -> None:
    env = vllm.command(tiny_server, "/models/m", "127.0.0.1", 8000, 2).env
    assert env["VLLM_TARGET_DEVICE"] == "cpu"
    assert env["VLLM_CPU_KVCACHE_SPACE"] == "4"
    assert env["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"


def test_conversations_are_served_with_a_prefix_cache_that_says_what_it_had(tiny_server: Server) -> None:
    plain = vllm.command(tiny_server, "/m", "127.0.0.1", 1, 1).argv
    cached = vllm.command(msgspec.structs.replace(tiny_server, prefix_cache=True), "/m", "127.0.0.1", 1, 1).argv
    assert set(plain) - set(cached) == {"--no-enable-prefix-caching"}
    assert set(cached) - set(plain) == {"--enable-prefix-caching", "--enable-prompt-tokens-details"}


def test_remote_code_runs_only_where_the_models_own_record_says_so(tiny_server: Server) -> None:
    trusting = msgspec.structs.replace(tiny_server.model, trust_remote_code=True)
    plain = vllm.command(tiny_server, "/m", "127.0.0.1", 1, 1).argv
    trusted = vllm.command(msgspec.structs.replace(tiny_server, model=trusting), "/m", "127.0.0.1", 1, 1).argv
    assert "--trust-remote-code" not in plain
    assert trusted == (*plain, "--trust-remote-code")


def test_an_engine_that_is_not_installed_has_no_version() -> None:
    assert vllm.version() is None or vllm.version().startswith("vllm")  # type: ignore[union-attr]
