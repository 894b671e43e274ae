"""llama.cpp's own HTTP server, embedded through the `xllamacpp` wheel and started by our `llamacpp_server`."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING

from launch.command import Command

if TYPE_CHECKING:
    from matrix.plan import Server

_PACKAGE = "xllamacpp"


def command(server: Server, model_path: str, host: str, port: int, threads: int) -> Command:
    """Our flags come last: a recipe cannot move the server to another address or model."""
    return Command(
        argv=(
            sys.executable,
            "-m",
            "launch.engines.llamacpp_server",
            *server.args,
            "--model",
            model_path,
            "--alias",
            served_name(server),
            "--host",
            host,
            "--port",
            str(port),
            "--threads",
            str(threads),
            *(("--cache-prompt",) if server.prefix_cache else ()),
        ),
        env={"PYTHONUNBUFFERED": "1"},
    )


def version() -> str | None:
    try:
        return f"{_PACKAGE} {metadata.version(_PACKAGE)}"
    except metadata.PackageNotFoundError:
        return None


def served_name(server: Server) -> str:
    return server.model_id
