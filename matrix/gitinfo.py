"""Which commit is running, read from `.git` itself: starting `git` is `launch.process`'s business alone."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNKNOWN = "unknown"
_SHA = re.compile(r"[0-9a-f]{40}")


def git_sha(root: Path = ROOT) -> str:
    """The 40-digit sha of HEAD, or `unknown` outside a checkout. Says nothing about uncommitted changes."""
    folder = root / ".git"
    try:
        if folder.is_file():  # a worktree: `gitdir: PATH`
            folder = root / folder.read_text().removeprefix("gitdir: ").strip()
        head = (folder / "HEAD").read_text().strip()
        if _SHA.fullmatch(head):
            return head
        return _resolve(folder, head.removeprefix("ref: "))
    except OSError:
        return UNKNOWN


def _resolve(folder: Path, ref: str) -> str:
    common = folder / "commondir"
    base = (folder / common.read_text().strip()).resolve() if common.exists() else folder
    loose = base / ref
    if loose.exists():
        return loose.read_text().strip()
    packed = base / "packed-refs"
    for line in packed.read_text().splitlines() if packed.exists() else ():
        sha, _, name = line.partition(" ")
        if name == ref and _SHA.fullmatch(sha):
            return sha
    return UNKNOWN
