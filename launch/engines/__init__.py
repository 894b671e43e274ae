"""Engine adapters: how each engine is called. A new one is a module, a line in `ENGINES`, a YAML file and a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from launch.engines import llamacpp, vllm

if TYPE_CHECKING:
    from launch.command import Command
    from matrix.plan import Server


class EngineAdapter(Protocol):
    """The functions of an adapter module. All are pure but `version`, which reads installed package metadata."""

    def command(self, server: Server, model_path: str, host: str, port: int, threads: int) -> Command:
        """The call that serves `model_path`; `threads` is how many CPU threads computation may use."""
        ...

    def version(self) -> str | None:
        """The installed engine, e.g. `xllamacpp 2026.10.11549`; None when it is not installed."""
        ...

    def served_name(self, server: Server) -> str:
        """The model id that requests name and that the server must echo."""
        ...


ENGINES: dict[str, EngineAdapter] = {"llamacpp": llamacpp, "vllm": vllm}
