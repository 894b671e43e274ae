"""What to execute: an argument tuple and every environment variable of it. Nothing else reaches a server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from launch.engines import EngineAdapter
    from matrix.plan import Server

# By exact name: a host's LD_PRELOAD, PYTHONPATH or proxy would change what is measured.
HOST_VARIABLES = (
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "LANG",
    "LD_LIBRARY_PATH",
    "CUDA_HOME",
    "CUDA_DEVICE_ORDER",
    "CUDA_VISIBLE_DEVICES",
    "ROCM_PATH",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`env` is the whole environment: nothing is inherited beside it."""

    argv: tuple[str, ...]
    env: Mapping[str, str]


def with_host_variables(command: Command, host_env: Mapping[str, str]) -> Command:
    """The command with the host's allow-listed variables added; the engine's own win."""
    kept = {name: host_env[name] for name in HOST_VARIABLES if name in host_env}
    return replace(command, env={**kept, **command.env})


def with_recipe_variables(command: Command, env: Mapping[str, str]) -> Command:
    """The command with a recipe's variables, which its engine's list allows; the adapter's own win."""
    return replace(command, env={**env, **command.env})


def server_command(
    engine: EngineAdapter,
    server: Server,
    model_path: str,
    host: str,
    port: int,
    threads: int,
    host_env: Mapping[str, str],
) -> Command:
    """What starts `server` as a plain process of this host."""
    command = with_recipe_variables(engine.command(server, model_path, host, port, threads), server.env)
    return with_host_variables(command, host_env)
