"""The same load through both clients. Each runs as a process of its own, on the core the server does not have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.perf.pacing import cores, pairs, pinned
from tests.perf.parity.servers import FOLDER, NAME, VLLM_ENV, VLLM_PYTHON

if TYPE_CHECKING:
    from tests.perf.parity.servers import Served

_FRONT_DOOR = Path(__file__).parents[3] / "inferfleet.py"
_LIMIT_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    streams: int
    requests: int
    isl: int
    osl: int


@dataclass(frozen=True, slots=True)
class Result:
    """`figures` under the names `vllm bench serve` gives them; `server_tokens` is what the engine counted meanwhile."""

    figures: dict[str, float]
    server_tokens: int


def ours(served: Served, load: Load, out: Path, seed: int) -> Result:
    argv = (
        *(sys.executable, str(_FRONT_DOOR), "bench", served.url, "--vllm-json", str(out), "--seed", f"parity {seed}"),
        *pairs("concurrency", load.streams, "requests", load.requests, "isl", load.isl, "osl", load.osl),
        *pairs("warmup", 0, "seconds", round(_LIMIT_S), "token-ids", "1000:40000"),
    )
    return _run(served, argv, out)


def vllm_bench_serve(served: Served, load: Load, out: Path, seed: int) -> Result:
    argv = (
        *(str(VLLM_PYTHON), "-m", "vllm.entrypoints.cli.main", "bench", "serve", "--backend", "openai"),
        *("--base-url", served.url, "--model", NAME, "--tokenizer", str(FOLDER), "--ignore-eos", "--disable-tqdm"),
        *("--dataset-name", "random", "--save-result", "--result-dir", str(out.parent), "--result-filename", out.name),
        *pairs("random-input-len", load.isl, "random-output-len", load.osl, "random-range-ratio", 0),
        *pairs("num-prompts", load.requests, "max-concurrency", load.streams, "temperature", 0, "seed", seed),
        *pairs("ready-check-timeout-sec", 0, "percentile-metrics", "ttft,tpot,itl,e2el"),
    )
    return _run(served, argv, out)


CLIENTS = {"inferfleet": ours, "vllm bench serve": vllm_bench_serve}


def _run(served: Served, argv: tuple[str, ...], out: Path) -> Result:
    before = served.generated()
    done = subprocess.run(
        pinned(cores()[1], argv, realtime=False),
        env={**os.environ, **VLLM_ENV},
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    # ours ends with 4 where the client was saturated: still a result to compare
    if done.returncode not in {0, 4}:
        raise RuntimeError(f"{' '.join(argv)}\nended with {done.returncode}:\n{done.stderr[-2000:]}")
    figures = {
        key: float(value) for key, value in json.loads(out.read_text()).items() if isinstance(value, int | float)
    }
    return Result(figures, served.generated() - before)
