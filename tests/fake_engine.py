"""The fake inference server as an engine adapter: runner tests start it through the real backend, faults and all."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from launch.command import Command

if TYPE_CHECKING:
    from matrix.plan import Server

ROOT = Path(__file__).resolve().parent.parent


def command(server: Server, model_path: str, host: str, port: int, threads: int) -> Command:
    """A scenario and its options are the server's arguments."""
    ours = ("--host", host, "--port", str(port), "--model", server.model_id)
    argv = (sys.executable, "-m", "tests.fake_server", *server.args, *ours)
    return Command(argv=argv, env={"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)})


def version() -> str | None:
    return "fake 1"


def served_name(server: Server) -> str:
    return server.model_id
