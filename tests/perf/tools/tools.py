"""How each tool is asked for the same load, and where in its results stands what."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.perf.pacing import pairs
from tests.perf.tools.words import MODEL, PROMPT_TOKENS, TOKENIZER, VLLM, Ask, Said, Tool, own, pair

if TYPE_CHECKING:
    from pathlib import Path

RESULT = "result.json"


def _vllm(ask: Ask) -> tuple[str, ...]:
    return (
        *("-m", "vllm.entrypoints.cli.main", "bench", "serve", "--backend", "openai", "--base-url", ask.url),
        *("--save-result", "--ignore-eos", "--disable-tqdm", "--dataset-name", "random"),
        *pairs("model", MODEL, "tokenizer", TOKENIZER, "num-prompts", ask.requests, "max-concurrency", ask.streams),
        *pairs("random-input-len", PROMPT_TOKENS, "random-output-len", ask.tokens, "random-range-ratio", 0),
        *pairs("percentile-metrics", "ttft,tpot,itl,e2el", "result-dir", ask.folder, "result-filename", RESULT),
        *pairs("ready-check-timeout-sec", 0),
    )


def _vllm_said(folder: Path) -> Said:
    said = json.loads((folder / RESULT).read_text())
    ttft, icl, tpot, e2e = (pair(said, f"median_{x}_ms", f"p99_{x}_ms") for x in ("ttft", "itl", "tpot", "e2el"))
    return Said(ttft, icl, tpot, e2e)


def _aiperf(ask: Ask) -> tuple[str, ...]:
    return (
        *("-m", "aiperf", "profile", "--endpoint-type", "completions", "--streaming", "--use-server-token-count"),
        *pairs("model", MODEL, "url", ask.url, "tokenizer", TOKENIZER, "ui", "none"),
        *pairs("concurrency", ask.streams, "request-count", ask.requests, "output-artifact-dir", ask.folder),
        *pairs("prompt-input-tokens-mean", PROMPT_TOKENS, "prompt-output-tokens-mean", ask.tokens),
    )


def _aiperf_said(folder: Path) -> Said:
    said = json.loads((folder / "profile_export_aiperf.json").read_text())
    names = ("time_to_first_token", "inter_chunk_latency", "inter_token_latency", "request_latency")
    return Said(*(pair(said[name], "p50", "p99") for name in names))


def _guidellm(ask: Ask) -> tuple[str, ...]:
    return (
        *("-m", "guidellm", "run", "--disable-console"),
        *pairs("backend", f"kind=openai_http,target={ask.url},model={MODEL},request_format=/v1/completions"),
        *pairs("profile", f"kind=concurrent,streams={ask.streams}"),
        *pairs("constraint", f"kind=max_requests,count={ask.requests}"),
        *pairs("tokenizer", f"kind=huggingface_auto,model={TOKENIZER}"),
        *pairs("data", f"kind=synthetic_text,prompt_tokens={PROMPT_TOKENS},output_tokens={ask.tokens}"),
        *pairs("output", f"kind=json,path={ask.folder / RESULT}"),
    )


def _guidellm_said(folder: Path) -> Said:
    """Its inter-token latency is a request's mean; it has no gap between chunks."""
    metrics = json.loads((folder / RESULT).read_text())["benchmarks"][0]["metrics"]

    def of(name: str, scale: float = 1.0) -> tuple[float, float]:
        return pair(metrics[name]["successful"]["percentiles"], "p50", "p99", scale)

    return Said(of("time_to_first_token_ms"), None, of("inter_token_latency_ms"), of("request_latency", 1000))


def _inference_perf(ask: Ask) -> tuple[str, ...]:
    def always(tokens: int) -> dict[str, int]:
        return {"min": tokens, "max": tokens, "mean": tokens, "std_dev": 0, "total_count": ask.requests}

    asked: dict[str, Any] = {
        "api": {"type": "completion", "streaming": True},
        "data": {
            "type": "random",
            "input_distribution": always(PROMPT_TOKENS),
            "output_distribution": always(ask.tokens),
        },
        "load": {
            "type": "concurrent",
            "stages": [{"num_requests": ask.requests, "concurrency_level": ask.streams}],
            "num_workers": 1,
            "worker_max_concurrency": ask.streams,
        },
        "server": {"type": "vllm", "model_name": MODEL, "base_url": ask.url, "ignore_eos": True},
        "tokenizer": {"pretrained_model_name_or_path": str(TOKENIZER)},
        "report": {"request_lifecycle": {"summary": True, "percentiles": [50, 99]}},
        "storage": {"local_storage": {"path": str(ask.folder)}},
    }
    path = ask.folder / "asked.yaml"
    path.write_text(json.dumps(asked))  # JSON is YAML
    return ("-m", "inference_perf.main", *pairs("config_file", path))


def _inference_perf_said(folder: Path) -> Said:
    said = json.loads((folder / "summary_lifecycle_metrics.json").read_text())["successes"]["latency"]
    names = ("time_to_first_token", "inter_token_latency", "time_per_output_token", "request_latency")
    return Said(*(pair(said[name], "median", "p99", 1000) for name in names))


TOOLS = (
    Tool("vllm bench", VLLM, _vllm, _vllm_said),
    Tool("AIPerf", own("aiperf"), _aiperf, _aiperf_said),
    Tool("GuideLLM", own("guidellm"), _guidellm, _guidellm_said),
    Tool("inference-perf", own("inference-perf"), _inference_perf, _inference_perf_said),
)
