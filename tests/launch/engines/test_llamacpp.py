"""The real embedded engine with the tiny random model."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from launch.backends.process import RunningProcess, launch
from launch.engines import llamacpp
from launch.engines.llamacpp_server import parameters, parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matrix.plan import Server

_REQUIRED = ["--model", "m.gguf", "--alias", "m", "--port", "1", "--threads", "3"]


@pytest.fixture
def base(tiny_server: Server, tmp_path: Path, label: str) -> Iterator[str]:
    running = launch(tiny_server, log=tmp_path / "s.log", label=label, host_threads=1, ready_deadline_s=60)
    assert isinstance(running, RunningProcess), running
    yield f"http://{running.host}:{running.port}"
    assert running.stop().reaped


def _completion(base: str, tokens: int, **fields: object) -> dict[str, object]:
    body = {"model": "tiny", "prompt": list(range(3, 67)), "max_tokens": tokens, "ignore_eos": True, **fields}
    answer = httpx.post(f"{base}/v1/completions", json=body, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    usage: dict[str, object] = answer.json()["usage"]
    return usage


def test_lengths_are_exact_and_no_prompt_is_answered_from_a_cache(base: str) -> None:
    for tokens in (1, 33, 192):
        usage = _completion(base, tokens)
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (64, tokens)
        assert usage["prompt_tokens_details"] == {"cached_tokens": 0}


def test_each_token_is_one_chunk_and_the_usage_comes_unasked_in_the_last(base: str) -> None:
    body = {"prompt": [5, 6, 7], "max_tokens": 40, "ignore_eos": True, "stream": True}
    with httpx.stream("POST", f"{base}/v1/completions", json=body, timeout=60, trust_env=False) as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    events = [json.loads(line) for line in lines[:-1]]
    assert [bool(event["choices"][0]["text"]) for event in events] == [True] * 40 + [False]
    assert events[-1]["usage"]["completion_tokens"] == 40
    assert events[-1]["choices"][0]["finish_reason"] == "length"


def test_the_served_model_is_our_id_and_the_counters_are_on(base: str) -> None:
    models = httpx.get(f"{base}/v1/models", trust_env=False).json()
    assert [model["id"] for model in models["data"]] == ["tiny"]
    _completion(base, 7)
    assert "llamacpp:tokens_predicted_total" in httpx.get(f"{base}/metrics", trust_env=False).text


def test_a_prompt_beyond_a_slots_share_of_the_context_is_refused(base: str) -> None:
    body = {"prompt": [5] * 256, "max_tokens": 1}
    answer = httpx.post(f"{base}/v1/completions", json=body, timeout=60, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "exceed_context_size_error")


def test_the_recipes_flags_come_before_ours_which_therefore_win(tiny_server: Server) -> None:
    command = llamacpp.command(tiny_server, "/w.gguf", "127.0.0.1", 9, 2)
    assert command.argv == (
        sys.executable, "-m", "launch.engines.llamacpp_server", "--parallel", "2", "--ctx-size", "512",
        "--model", "/w.gguf", "--alias", "tiny", "--host", "127.0.0.1", "--port", "9", "--threads", "2",
    )  # fmt: skip
    assert command.env == {"PYTHONUNBUFFERED": "1"}


def test_every_flag_reaches_the_engine() -> None:
    flags = [
        "--parallel", "7", "--ctx-size", "700", "--batch-size", "96", "--ubatch-size", "48",
        "--flash-attn", "off", "--cache-type-k", "q8_0", "--cache-type-v", "bf16", "--kv-unified",
        "--no-cont-batching", "--no-repack", "--poll", "0",
    ]  # fmt: skip
    params = parameters(parse([*_REQUIRED, *flags]))
    assert (params.n_parallel, params.n_ctx, params.n_batch, params.n_ubatch) == (7, 700, 96, 48)
    assert (params.cpuparams.n_threads, params.cpuparams_batch.n_threads, params.cpuparams.poll) == (3, 3, 0)
    assert params.flash_attn_type.name == "LLAMA_FLASH_ATTN_TYPE_DISABLED"
    assert (params.cache_type_k.name, params.cache_type_v.name) == ("GGML_TYPE_Q8_0", "GGML_TYPE_BF16")
    assert (params.kv_unified, params.cont_batching, params.no_extra_bufts) == (True, False, True)


def test_nothing_a_benchmark_must_not_have_is_on() -> None:
    params = parameters(parse(_REQUIRED))
    assert [params.cache_prompt, params.cache_idle_slots, params.ui, params.fit_params] == [False] * 4
    assert params.cache_ram_mib == 0
    assert params.offline
    assert params.endpoint_metrics


def test_a_flag_may_not_be_abbreviated_or_unknown() -> None:
    for flag in ("--paralle", "--lora"):
        with pytest.raises(SystemExit):
            parse([*_REQUIRED, flag, "2"])
