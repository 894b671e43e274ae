"""A fake server for the length of a `with` block."""

from __future__ import annotations

import http.client
import json
import select
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.records import Target
from matrix.dialect import Dialect
from tests.fake_server.options import MODEL
from tests.fake_server.reply import Stamps

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
START_S = 20.0
STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class RunningServer:
    host: str
    port: int
    process: subprocess.Popen[bytes]

    def target(self, dialect: Dialect | None = None, *, model: str = MODEL) -> Target:
        return Target(host=self.host, port=self.port, model=model, dialect=dialect or Dialect())

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def stamps(self) -> list[Stamps]:
        """What the server recorded of every completion request, in the order they came."""
        return [Stamps(**entry) for entry in json.loads(self.get("/_stamps")[1])]


def command(scenario: str, **options: Any) -> tuple[str, ...]:
    """The argv of a fake server; options are the fields of `Options`."""
    flags = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    return (sys.executable, "-m", "tests.fake_server", "--scenario", scenario, *flags)


@contextmanager
def running(scenario: str = "ok", **options: Any) -> Iterator[RunningServer]:
    """Starts the server, waits until it listens, and ends it; for scenarios that do listen."""
    process = subprocess.Popen(command(scenario, **options), cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_S)
        line = process.stdout.readline() if ready else b""
        assert line, f"fake server {scenario!r} did not listen within {START_S} s"
        said = json.loads(line)
        yield RunningServer(said["host"], said["port"], process)
    finally:
        process.terminate()
        try:
            process.wait(0.2 if scenario == "ignore_sigterm" else STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)
        if process.stdout is not None:
            process.stdout.close()
