"""A whole night on the real embedded engine with the tiny model, driven through the front door as a person would."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from matrix.facts import token_range
from matrix.plan import Plan
from matrix.planfile import read_plan
from runners.preflight import label_of
from tests.fleets import MODEL, RECIPE, WORKLOADS, write_fleet
from tests.tiny_model import VOCABULARY, tiny_model, write_tiny_model

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Night:
    """A folder with a fleet, a plan and room for artifacts; its own TMPDIR keeps its host lock apart."""

    root: Path

    @property
    def fleet(self) -> Path:
        return self.root / "fleet"

    @property
    def plan_path(self) -> Path:
        return self.root / "plan.json"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def label(self) -> str:
        """What every server of this night's host is marked with."""
        return label_of(self.root / "tmp" / f"inferfleet-{os.getuid()}")

    def env(self) -> dict[str, str]:
        return {**os.environ, "TMPDIR": str(self.root / "tmp")}

    def command(self, *args: str | Path) -> tuple[str, ...]:
        return (sys.executable, str(ROOT / "inferfleet.py"), *map(str, args))

    def call(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever its exit code."""
        return subprocess.run(
            self.command(*args), cwd=self.root, env=self.env(), capture_output=True, text=True, timeout=120, check=False
        )

    def start(self, *args: str | Path) -> subprocess.Popen[bytes]:
        """Start a command and leave it running; what it prints is in `started.log`."""
        with (self.root / "started.log").open("a") as output:
            return subprocess.Popen(self.command(*args), cwd=self.root, env=self.env(), stdout=output, stderr=output)

    def plan(self) -> Plan:
        return read_plan(self.plan_path)

    def run_args(self, job_id: str, attempt: int = 1) -> tuple[str | Path, ...]:
        out = self.artifacts / f"job-{job_id}-a{attempt}"
        return ("run", "--plan", self.plan_path, "--job", job_id, "--out", out, "--attempt", str(attempt))


def make_night(root: Path, *, recipe: str = RECIPE, workloads: str = WORKLOADS, tokenizer: str | None = None) -> Night:
    """Write the tiny model and a fleet around it, and plan it. `tokenizer` is its fingerprint, if it is to have one."""
    night = Night(root)
    (root / "tmp").mkdir(parents=True)
    weights = root / "tiny.gguf"
    write_tiny_model(weights)
    low, high = token_range(tiny_model(weights))
    model = MODEL.replace("PATH", str(weights)).replace("vocab_size: 256", f"vocab_size: {len(VOCABULARY)}")
    if tokenizer is not None:
        model += f'  tokenizer: "{tokenizer}"\n'
    write_fleet(night.fleet, recipe=recipe, model=model.replace("[0, 255]", f"[{low}, {high}]"), workloads=workloads)
    planned = night.call("plan", "--fleet", night.fleet, "--out", night.plan_path)
    assert planned.returncode == 0, planned.stderr
    return night
