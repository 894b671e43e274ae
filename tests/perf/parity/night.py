"""A night on real vLLM, on a CPU, through our own plan and runner: `make vllm`.

Prints how each point ended and exits 1 unless every one is `ok`. It is how the adapter's "verified on: cpu" is known.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from matrix.planfile import read_plan
from matrix.result import PointResult
from matrix.words import Outcome
from tests.fleets import write_fleet
from tests.perf.parity.servers import FOLDER, VLLM_PYTHON

_FRONT_DOOR = Path(__file__).parents[3] / "inferfleet.py"
_RECIPE = """\
smollm2-vllm:
  model: smollm2
  gpu: cpu
  engine: vllm
  precision: bf16
  layouts:
    - name: eager
      flags: {max-num-seqs: concurrency, enforce-eager: true}
      points:
        short: [1, 4]
  source: a trial
"""
_MODEL = """\
smollm2:
  name: SmolLM2 135M
  weights: {kind: file, path: "PATH"}
  vocab_size: 49152
  prompt_token_ids: [1000, 40000]
  max_context: 2048
  source: a trial
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "tmp").mkdir()
        write_fleet(root / "fleet", recipe=_RECIPE, model=_MODEL.replace("PATH", str(FOLDER)))
        call(root, "plan", "--fleet", root / "fleet", "--out", root / "plan.json")
        job = read_plan(root / "plan.json").jobs[0]
        call(root, "run", "--plan", root / "plan.json", "--job", job.id, "--out", root / "out", "--unpinned")
        found = [
            msgspec.json.decode(path.read_bytes(), type=PointResult)
            for path in (root / "out" / "points").glob("*.json")
        ]
    return 0 if {one.outcome for one in found} == {Outcome.OK} and len(found) == len(job.points) else 1


def call(root: Path, *args: str | Path) -> None:
    """The front door under vLLM's interpreter, which is how a host with vLLM installed runs it."""
    argv = (str(VLLM_PYTHON), str(_FRONT_DOOR), *map(str, args))
    subprocess.run(argv, cwd=root, env={**os.environ, "TMPDIR": str(root / "tmp")}, check=False)


if __name__ == "__main__":
    sys.exit(main())
