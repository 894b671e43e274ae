"""Small fleets written as YAML for tests: the shipped data's engines, with whatever recipe a test needs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from matrix.fleet import DATA

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """\
tiny-cpu:
  model: tiny
  gpu: cpu
  engine: llamacpp
  precision: q8_0
  layouts:
    - name: batched
      flags: {parallel: concurrency}
      points:
        short: [1, 4]
    - name: slots2
      flags: {parallel: 2}
      points:
        short: [1]
        long: [2]
  source: a test
"""

MODEL = """\
tiny:
  name: a tiny random model
  weights: {kind: file, path: "PATH"}
  vocab_size: 256
  prompt_token_ids: [0, 255]
  max_context: 4096
  source: a test
"""

WORKLOADS = """\
short:
  kind: random
  name: 16 in, 64 out
  isl: 16
  osl: 64
  run_length: {min_s: 0.2, max_s: 20, min_requests: 4, repeat_first: false}
long:
  kind: random
  name: 128 in, 32 out
  isl: 128
  osl: 32
  run_length: {min_s: 0.2, max_s: 20, min_requests: 4, repeat_first: false}
"""


def write_fleet(root: Path, *, recipe: str = RECIPE, model: str = MODEL, workloads: str = WORKLOADS) -> Path:
    """A fleet folder: the shipped engines, GPUs and hosts, and this model, workloads and recipe."""
    for kind in ("engines", "gpus", "hosts"):
        shutil.copytree(DATA / kind, root / kind, dirs_exist_ok=True)
    for kind, text in (("models", model), ("workloads", workloads), ("recipes", recipe)):
        (root / kind).mkdir(parents=True, exist_ok=True)
        (root / kind / "test.yaml").write_text(text)
    return root
