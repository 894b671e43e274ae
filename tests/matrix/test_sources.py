from __future__ import annotations

from pathlib import Path

import pytest

from matrix.check import check
from matrix.fleet import load_fleet
from tests.fleets import write_fleet

GPU = """\
xpu:
  name: an accelerator
  device: nvidia
  memory_bytes: 1024
  memory_bytes_per_s: 2e12
  dense_tflops: {bf16: 100}
  link: {kind: wires, bytes_per_s: 1e9, domain_devices: 8}
  unknown:
    tdp_w: its maker does not say
  weak:
    dense_tflops.bf16: a rumour
  sources:
    memory_bytes: another page
  source: a page
"""

MODEL = """\
hub-model:
  name: a model on a hub
  weights: {kind: hub, repo: some/model, revision: 0123456789012345678901234567890123456789}
  vocab_size: 256
  prompt_token_ids: [0, 255]
  max_context: 4096
  unknown:
    dimensions: nobody wrote them down
  sources:
    weights.revision: the hub's page
    prompt_token_ids: the tokenizer's file
  source: a page
"""

PRICE = """\
xpu-now:
  gpu: xpu
  usd_per_gpu_hour: {neocloud: 2.5}
  kw_per_gpu: 1.5
  since: "2026-01-01"
  dating: a guess
  source: a page
"""

HOST = """\
rack:
  label: rack
  gpu: xpu
  machines: 4
  unknown: {devices: nobody counted}
"""

TRACE = """\
chat:
  kind: trace
  name: a recording
  trace: chat
  source: a page
"""


def said(root: Path, kind: str, text: str) -> str:
    fleet = write_fleet(root)
    texts = {"gpus": GPU, "models": MODEL, "prices": PRICE, "hosts": HOST, "workloads": TRACE} | {kind: text}
    for folder, content in texts.items():
        (fleet / folder).mkdir(exist_ok=True)
        (fleet / folder / "more.yaml").write_text(content)
    return "\n".join(str(problem) for problem in check(load_fleet(fleet)))


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


def test_facts_with_sources_and_reasons_have_no_problem(tmp_path: Path) -> None:
    assert said(tmp_path, "gpus", GPU) == ""


def test_speeds_nobody_publishes_are_unknown_and_that_is_enough(tmp_path: Path) -> None:
    silent = changed(GPU, "  dense_tflops: {bf16: 100}\n", "")
    silent = changed(silent, "  weak:\n    dense_tflops.bf16: a rumour\n", "")
    assert said(tmp_path, "gpus", changed(silent, "tdp_w:", "dense_tflops: its maker does not say\n    tdp_w:")) == ""


@pytest.mark.parametrize(
    ("kind", "text", "old", "new", "words"),
    [
        ("gpus", GPU, "source: a page", 'source: " "', "gpus/xpu: has no source"),
        ("gpus", GPU, "tdp_w: its maker does not say", 'tdp_w: " "', "tdp_w is null and nothing says why"),
        ("gpus", GPU, "memory_bytes_per_s: 2e12", "memory_bytes_per_s: null", "memory_bytes_per_s is null"),
        ("gpus", GPU, "dense_tflops: {bf16: 100}", "dense_tflops: {}", "dense_tflops is null"),
        ("gpus", GPU, ", domain_devices: 8", "", "link.domain_devices is null"),
        ("gpus", GPU, "tdp_w: its", "tpd_w: its", "'tpd_w', which is no field"),
        ("gpus", GPU, "tdp_w: its", "tpd_w: its", "did you mean 'tdp_w'?"),
        ("gpus", GPU, "tdp_w: its", "dense_tflops.fp5: its", "did you mean 'dense_tflops.fp"),
        ("gpus", GPU, "tdp_w: its", "memory_bytes: its", "`unknown` speaks of memory_bytes, which has a value"),
        ("gpus", GPU, "dense_tflops.bf16: a rumour", "dense_tflops.fp8: a rumour", "fp8, which is null"),
        ("gpus", GPU, "a rumour", '""', "`weak` says nothing about dense_tflops.bf16"),
        ("models", MODEL, "    weights.revision: the hub's page\n", "", "weights.revision has no source"),
        ("models", MODEL, "    prompt_token_ids: the tokenizer's file\n", "", "prompt_token_ids has no source"),
        ("models", MODEL, "  vocab_size: 256\n", "", "vocab_size is null and nothing says why"),
        ("models", MODEL, "dimensions: nobody", "weights: nobody", "dimensions is null and nothing says why"),
        (
            "models",
            MODEL,
            "  max_context",
            "  trust_remote_code: true\n  max_context",
            "trust_remote_code has no source",
        ),
        ("models", MODEL, "  max", "  dimensions: {kind: dense, source: ' '}\n  max", "its dimensions have no source"),
        ("prices", PRICE, "  kw_per_gpu: 1.5\n", "", "kw_per_gpu is null and nothing says why"),
        ("prices", PRICE, "source: a page", 'source: ""', "prices/xpu-now: has no source"),
        ("prices", PRICE, "gpu: xpu", "gpu: xpuu", "did you mean 'xpu'?"),
        ("hosts", HOST, "devices: nobody counted", "", "devices is null and nothing says why"),
        ("hosts", HOST, "gpu: xpu", "gpu: abacus", "hosts/rack: unknown gpu 'abacus'"),
        ("workloads", TRACE, "  source: a page\n", "", "say whose recording it is"),
    ],
)
def test_what_has_no_source_or_no_reason_is_named(
    tmp_path: Path, kind: str, text: str, old: str, new: str, words: str
) -> None:
    assert words in said(tmp_path, kind, changed(text, old, new))


def test_a_problem_points_at_the_line_of_the_fact(tmp_path: Path) -> None:
    text = said(tmp_path, "gpus", changed(GPU, "dense_tflops.bf16: a rumour", "dense_tflops.bf17: a rumour"))
    assert "gpus/more.yaml:11: gpus/xpu: `weak` speaks of 'dense_tflops.bf17'" in text


def test_a_repositorys_code_may_run_only_at_a_revision_somebody_read(tmp_path: Path) -> None:
    text = changed(MODEL, ", revision: 0123456789012345678901234567890123456789", "")
    text = changed(text, "    weights.revision: the hub's page\n", "    trust_remote_code: a reviewer\n")
    text = changed(text, "  max_context", "  trust_remote_code: true\n  max_context")
    text = changed(text, "    dimensions: nobody", "    weights.revision: unpinned\n    dimensions: nobody")
    assert "lets a model repository's code run, at a revision nobody has read" in said(tmp_path, "models", text)
