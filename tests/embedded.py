"""The real embedded engine with the tiny model, for the length of a `with` block."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.records import Target
from launch.backends.process import RunningProcess, launch
from matrix.fleet import DATA, load_fleet
from matrix.plan import Server
from matrix.point import digest
from matrix.serving import Layout
from tests.tiny_model import tiny_model, write_tiny_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARGS = ("--parallel", "4", "--ctx-size", "4096")


@dataclass(frozen=True, slots=True)
class Embedded:
    server: Server
    target: Target

    @property
    def url(self) -> str:
        return f"http://{self.target.host}:{self.target.port}"


@contextmanager
def embedded(folder: Path) -> Iterator[Embedded]:
    """Writes the model into `folder` and serves it as a night would."""
    weights = folder / "tiny.gguf"
    write_tiny_model(weights)
    server = Server(
        engine="llamacpp",
        dialect=load_fleet(DATA).engines["llamacpp"].dialect,
        model_id="tiny",
        model=tiny_model(weights),
        gpu="cpu",
        precision="q8_0",
        layout=Layout(),
        devices=1,
        image=None,
        args=ARGS,
        args_digest=digest(ARGS),
    )
    label = f"embedded-{uuid.uuid4().hex}"
    running = launch(server, log=folder / "server.log", label=label, host_threads=1, ready_deadline_s=60)
    assert isinstance(running, RunningProcess), running
    try:
        target = Target(host=running.host, port=running.port, model=running.model, dialect=server.dialect)
        yield Embedded(server, target)
    finally:
        assert running.stop().reaped
