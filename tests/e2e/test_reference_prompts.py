"""Reference prompts from the text to the row: built, proven, planned and measured on the real embedded engine."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec

from benchmarks.records import RequestRecord
from matrix.plan import Job
from matrix.result import PointResult
from matrix.words import Reason
from tests.embedded import embedded
from tests.night import ROOT, make_night
from tests.texts import write_corpus

RECIPE = """\
tiny-cpu:
  model: tiny
  gpu: cpu
  engine: llamacpp
  precision: q8_0
  layouts:
    - name: slots4
      flags: {parallel: 4}
      points:
        natural: [1, 4]
        shared: [4]
  source: a test
"""
ISL = 64
ON_A_BUSY_MACHINE = {Reason.CLIENT_SATURATED}


def inferfleet(folder: Path, *args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, str(ROOT / "inferfleet.py"), *map(str, args)),
        cwd=folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def build(folder: Path, url: str) -> tuple[Path, str, str]:
    """The set's file, its identity and the tokenizer's, as `prompts build` prints them."""
    out = folder / "sets"
    corpus = write_corpus(folder)
    built = inferfleet(folder, "prompts", "build", "--tokenizer", url, "--isl", f"{ISL},256", "--corpus", corpus,
                       "--count", "40", "--out", out)  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert "40 of 64 tokens, 40 of 256 tokens; 0 more were not exact" in built.stdout
    (path,) = out.iterdir()
    digest, tokenizer = (
        re.findall(rf'^ +{key}: "(\w+)"$', built.stdout, re.MULTILINE)[0] for key in ("set", "tokenizer")
    )
    return path, digest, tokenizer


def workloads(digest: str, tokenizer: str) -> str:
    common = (
        f'  kind: reference\n  set: "{digest}"\n  tokenizer: "{tokenizer}"\n  isl: {ISL}\n  osl: 8\n'
        "  run_length: {min_s: 0.2, max_s: 20, min_requests: 48, repeat_first: false}\n"
    )
    return f"natural:\n  name: text\n{common}shared:\n  name: half of it shared\n  shared_prefix_share: 0.5\n{common}"


def results(out: Path, job: Job) -> list[PointResult]:
    files = [out / "points" / f"{planned.id}.json" for planned in job.points]
    return [msgspec.json.decode(path.read_bytes(), type=PointResult) for path in files]


def test_a_night_of_reference_prompts_is_exact_by_the_servers_own_count(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    with embedded(tmp_path / "first") as engine:
        path, digest, tokenizer = build(tmp_path, engine.url)
        verified = inferfleet(tmp_path, "prompts", "verify", path, "--tokenizer", engine.url)
    assert verified.returncode == 0, verified.stderr
    assert "64 tokens: 80 of 80 prompts exact" in verified.stdout
    night = make_night(tmp_path / "night", recipe=RECIPE, workloads=workloads(digest, tokenizer), tokenizer=tokenizer)
    (job,) = night.plan().jobs
    ended = night.call(*night.run_args(job.id), "--prompts", path.parent)
    assert ended.returncode in (0, 4), ended.stderr
    out = night.artifacts / f"job-{job.id}-a1"
    for planned, result in zip(job.points, results(out, job), strict=True):
        assert set(result.reasons) <= ON_A_BUSY_MACHINE, result.detail
        lines = gzip.decompress((out / "requests" / f"{planned.id}.jsonl.gz").read_bytes()).splitlines()
        records = [msgspec.json.decode(line, type=RequestRecord) for line in lines]
        assert len(records) >= 48
        assert {(record.error, record.input_tokens, record.output_tokens) for record in records} == {(None, ISL, 8)}
        assert result.cache_hit_rate is not None
        share = 0.5 if planned.point.workload_id == "shared" else 0.0
        assert 0.4 * share <= result.cache_hit_rate <= share
    assert night.call(*night.run_args(job.id, attempt=2)).returncode == 4  # without --prompts: the shipped ones
    lacking = results(night.artifacts / f"job-{job.id}-a2", job)
    assert {result.reasons for result in lacking} == {(Reason.PROMPTS_MISSING,)}


def test_a_server_with_another_tokenizer_is_a_reason_and_not_a_number(tmp_path: Path) -> None:
    night = make_night(tmp_path, recipe=RECIPE, workloads=workloads("a" * 64, "b" * 64), tokenizer="b" * 64)
    (job,) = night.plan().jobs
    assert night.call(*night.run_args(job.id)).returncode == 4
    for result in results(night.artifacts / f"job-{job.id}-a1", job):
        assert result.reasons == (Reason.MODEL_MISMATCH,)
        assert "the reference prompts are for bbbb" in result.detail


def test_bench_measures_with_a_set_as_ids_as_text_and_with_a_shared_prefix(tmp_path: Path) -> None:
    """Sent as text, it is the server that counts the tokens."""
    with embedded(tmp_path) as engine:
        path, _, _ = build(tmp_path, engine.url)
        for flags in ((), ("--text",), ("--text", "--shared-prefix-share", "0.3", "--prefix-groups", "3")):
            load = ("--concurrency", "4", "--requests", "60", "--osl", "4", "--no-keep-alive", "--vllm-json", "r.json")
            said = inferfleet(tmp_path, "bench", engine.url, "--reference", path, "--isl", str(ISL), *load, *flags)
            assert said.returncode in (0, 4), said.stderr
            report = json.loads((tmp_path / "r.json").read_text())
            assert (report["completed"], report["failed"]) == (60, 0), said.stdout
            assert report["total_input_tokens"] == 60 * ISL
        wrong = inferfleet(tmp_path, "bench", engine.url, "--reference", path, "--isl", "100")
    assert wrong.returncode == 1
    assert "has passages of 64, 256 tokens: choose with --isl" in wrong.stderr
