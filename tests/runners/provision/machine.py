"""A rehearsed machine: the installed files, a runner that behaves like GitHub's, and what systemd would do with them.

The stand-in for systemd reads the units that were installed. It knows the few settings that matter here: what is
executed, in which environment, with which credentials, what starts when a path appears, and what runs at the end.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from inferfleet import cli
from tests.runners.provision.github import ORGANIZATION, REPOSITORY, TOKEN, RunnerApi

WAIT_S = 120.0
RUN_SH = r"""#!/usr/bin/env bash
# Like GitHub's: takes one job from $QUEUE between the hooks, or ends when its registration is taken back.
id=$(printf %s "$ACTIONS_RUNNER_INPUT_JITCONFIG" | base64 -d | sed 's/.*"id": \([0-9]*\).*/\1/')
say() { echo "$id $*" >>"$QUEUE/log"; }
trap 'say interrupted; exit 0' INT TERM
say "listens with $(ls -A "$HOME" | wc -l) files at home; $(ls -A .. | tr '\n' ' ')"
until mv "$QUEUE/job" "$QUEUE/job-$id" 2>/dev/null; do
    if [ -e "$QUEUE/removed-$id" ]; then say removed; exit 0; fi
    if [ -e "$QUEUE/broken" ]; then say broken; exit 0; fi
    sleep 0.05
done
touch "$QUEUE/busy-$id"
if bash -e "$ACTIONS_RUNNER_HOOK_JOB_STARTED" >"$QUEUE/started-$id.out" 2>&1; then
    bash "$QUEUE/job-$id" >"$QUEUE/job-$id.out" 2>&1 &
    wait $! && say "job ok" || say "job failed"
    bash -e "$ACTIONS_RUNNER_HOOK_JOB_COMPLETED" >"$QUEUE/completed-$id.out" 2>&1 || say "hook failed"
else
    say refused
fi
rm "$QUEUE/busy-$id"
"""


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {WAIT_S:.0f} s for {what}")
        time.sleep(0.02)


@dataclass
class Machine:
    """`fakes` come first on the PATH of its services."""

    root: Path
    api: RunnerApi
    log: list[str] = field(default_factory=list)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def queue(self) -> Path:
        return self.api.queue

    @property
    def fakes(self) -> Path:
        return self.root / "fakes"

    @property
    def state(self) -> Path:
        return self.root / "var/lib/inferfleet"

    def runner(self, *words: str) -> str:
        """`inferfleet runner ...` as typed on this machine; its output, whatever its exit code."""
        return CliRunner().invoke(cli, ["runner", *words, "--under", str(self.root)]).output

    def install(self, host: str = "this-machine", *words: str) -> str:
        whom = ("--repo", REPOSITORY, "--api", self.api.url, "--disk-gib", "1")
        done = CliRunner().invoke(
            cli, ["runner", "install", host, *whom, *words, "--under", str(self.root), "--root", "/"],
            catch_exceptions=False,
        )  # fmt: skip
        for line in (self.root / "etc/tmpfiles.d/inferfleet.conf").read_text().splitlines():
            if line.startswith("d "):
                Path(line.split()[1]).mkdir(parents=True, exist_ok=True)
        (self.root / "etc/inferfleet/github-token").write_text(f"{TOKEN}\n")
        (self.root / "etc/inferfleet/job.local.env").write_text(f"QUEUE={self.queue}\n")
        actions = self.root / "opt/actions-runner"
        actions.mkdir(parents=True, exist_ok=True)
        (actions / "run.sh").write_text(RUN_SH)
        (actions / "run.sh").chmod(0o755)
        return done.output

    def fake(self, name: str, script: str) -> None:
        self.fakes.mkdir(parents=True, exist_ok=True)
        (self.fakes / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.fakes / name).chmod(0o755)

    def give_job(self, script: str = "true") -> None:
        """Queue a job; the next runner that listens takes it."""
        (self.queue / "job.new").write_text(script)
        (self.queue / "job.new").rename(self.queue / "job")

    def said(self) -> str:
        path = self.queue / "log"
        return path.read_text() if path.exists() else ""

    def journal(self, unit: str) -> str:
        path = self.root / f"{unit}.journal"
        return path.read_text() if path.exists() else ""

    def start(self, unit: str) -> None:
        """Start a service as its unit file says."""
        service = units(self.root / "etc/systemd/system" / unit)
        credentials = self.root / "run/credentials" / unit
        credentials.mkdir(parents=True, exist_ok=True)
        for one in service["LoadCredential"]:
            name, _, path = one.partition(":")
            shutil.copyfile(path, credentials / name)
        for name in service["RuntimeDirectory"]:
            (self.root / "run" / name).mkdir(exist_ok=True)
        env = {"PATH": f"{self.fakes}:{os.environ['PATH']}", "CREDENTIALS_DIRECTORY": str(credentials)}
        for file in service["EnvironmentFile"]:
            env |= dict(
                line.split("=", 1)
                for line in Path(file.lstrip("-")).read_text().splitlines()
                if not line.startswith("#")
            )
        env |= dict(one.split("=", 1) for one in service["Environment"])
        with (self.root / f"{unit}.journal").open("ab") as journal:
            self.running[unit] = subprocess.Popen(
                shlex.split(service["ExecStart"][0]), env=env, stdout=journal, stderr=journal, start_new_session=True,
                cwd=(service["WorkingDirectory"] or ["/"])[0],
            )  # fmt: skip

    def watch_path(self) -> None:
        """The path unit and the service it starts, again and again."""
        path = units(self.root / "etc/systemd/system/inferfleet-job.path")
        unit = path["Unit"][0]
        while not self.over.wait(0.02):
            if not Path(path["PathExists"][0]).exists():
                continue
            self.start(unit)
            self.running[unit].wait()
            self._ended(unit)

    def _ended(self, unit: str) -> None:
        """Every process is gone before `ExecStopPost` runs."""
        with suppress(ProcessLookupError):
            os.killpg(self.running[unit].pid, signal.SIGKILL)
        for command in units(self.root / "etc/systemd/system" / unit)["ExecStopPost"]:
            subprocess.run(shlex.split(command.lstrip("+")), check=True, timeout=30)

    def stop(self, unit: str) -> int:
        """As `systemctl stop`: its own signal to the main process, and its exit code."""
        process = self.running[unit]
        process.send_signal(
            signal.SIGINT
            if "SIGINT" in units(self.root / "etc/systemd/system" / unit)["KillSignal"]
            else signal.SIGTERM
        )
        return process.wait(WAIT_S)


def units(path: Path) -> dict[str, list[str]]:
    """A unit file's settings; an empty assignment sets nothing here."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#") and value:
            found[name].append(value)
    return found


@contextmanager
def in_service(machine: Machine) -> Iterator[Machine]:
    """With the path unit watching and the agent started; both are ended."""
    watcher = threading.Thread(target=machine.watch_path, daemon=True)
    watcher.start()
    machine.start("inferfleet-runner.service")
    try:
        yield machine
    finally:
        machine.over.set()
        for process in machine.running.values():
            if process.poll() is None:
                process.kill()
        watcher.join(WAIT_S)
        for process in machine.running.values():
            process.wait(WAIT_S)


__all__ = ["ORGANIZATION", "Machine", "in_service", "units", "wait_for"]
