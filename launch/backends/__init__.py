"""Backends: where a server runs. A new one is a module with `launch`, a line in `BACKENDS` and a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from launch.backends import process
from launch.ready import NotReady
from launch.running import Running

if TYPE_CHECKING:
    from pathlib import Path

    from matrix.plan import Server

__all__ = ["BACKENDS", "Backend", "NotReady", "Running"]


class Backend(Protocol):
    """The function of a backend module."""

    def launch(
        self, server: Server, *, log: Path, label: str, host_threads: int, ready_deadline_s: float
    ) -> Running | NotReady:
        """Start and wait until ready. After a NotReady, or an exception, nothing of the server is left running.

        `label` marks everything started, so that `launch.leftovers` finds it after a crash of ours.
        """
        ...


BACKENDS: dict[str, Backend] = {"process": process}
