"""Short questions to a host's own tools. Bounded: a driver that hangs takes its tool with it, and not us."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT_S = 10.0
_GLANCE_S = 1.0
_INHERITED = ("PATH", "HOME", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a tool printed, and its exit code."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The tool did not end in time. It may be stuck in the kernel, where even SIGKILL does not reach it."""

    limit_s: float


def ask(argv: Sequence[str], limit_s: float = LIMIT_S) -> Said | NoAnswer | None:
    """Run a tool to its end. None: this host has no such tool."""
    env = {"LC_ALL": "C", **{name: os.environ[name] for name in _INHERITED if name in os.environ}}
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    try:
        tool = subprocess.Popen(argv, env=env, stdin=null, stdout=pipe, stderr=pipe)
    except FileNotFoundError:
        return None
    try:
        out, err = tool.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        _give_up(tool)
        return NoAnswer(limit_s)
    return Said(code=tool.returncode, out=out.decode(errors="replace"), err=err.decode(errors="replace"))


def _give_up(tool: subprocess.Popen[bytes]) -> None:
    """Kill it, and glance whether that worked: waiting for one in the kernel's hands would last for ever."""
    tool.kill()
    try:
        tool.communicate(timeout=_GLANCE_S)
    except subprocess.TimeoutExpired:
        return
