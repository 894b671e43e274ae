"""The command line of a server, to be read and pasted. Quoting happens here alone: nothing is ever run through it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from launch.command import server_command
from launch.engines import ENGINES
from launch.weights import WeightsMissing, hub_cache_folder, resolve
from matrix.errors import FleetError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matrix.plan import Server

PORT = 8000
"""What is printed; a job takes a free port."""


def replay(server: Server, host_env: Mapping[str, str], threads: int) -> str:
    """One line that starts this server here exactly as a job would, its whole environment included.

    Weights this host lacks stand as `MODEL_PATH`, after a comment that says so.
    """
    if server.engine not in ENGINES:
        raise FleetError(f"no adapter starts engine {server.engine!r} yet: {nearest(server.engine, ENGINES)}")
    found = resolve(server.model.weights, hub_cache_folder(host_env))
    notes = [] if server.image is None else [f"# inside {server.image}"]
    if isinstance(found, WeightsMissing):
        notes.append(f"# MODEL_PATH: {found.detail}")
    path = "MODEL_PATH" if isinstance(found, WeightsMissing) else str(found)
    command = server_command(ENGINES[server.engine], server, path, "127.0.0.1", PORT, threads, host_env)
    line = shlex.join(("env", "-i", *(f"{name}={value}" for name, value in command.env.items()), *command.argv))
    return "\n".join([*notes, line])
