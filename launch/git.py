"""Another revision's files. A short-lived helper of the front door; it has no part in measuring."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from matrix.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMEOUT_S = 60.0
_INHERITED = ("PATH", "HOME")
_OTHERWISE = "compare with a second checkout: --against DIR"


@contextmanager
def files_at(revision: str, folder: Path) -> Iterator[tuple[Path, str]]:
    """`folder` as it was at `revision`, in a folder that is gone after the block; and the commit's sha.

    Raises a `FleetError` outside a repository, for a revision it does not have, and where that has no such folder.
    """
    sha = _git(folder, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    archive = _git(folder, "archive", "--format=tar", sha)
    with tempfile.TemporaryDirectory(prefix="inferfleet-") as name:
        copy = Path(name) / folder.resolve().name
        copy.mkdir()
        _extract(archive, copy)
        yield copy, sha


def _extract(archive: bytes, into: Path) -> None:
    """Plain files only: a link in a branch under review must not lead us out of the folder."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or name.is_absolute() or ".." in name.parts:
                continue
            path = into / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())


def _git(folder: Path, *args: str) -> bytes:
    env = {"LC_ALL": "C", **{name: os.environ[name] for name in _INHERITED if name in os.environ}}
    try:
        done = subprocess.run(
            ("git", "-C", str(folder), *args),
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise FleetError(f"git is not installed; {_OTHERWISE}") from None
    except subprocess.TimeoutExpired:
        raise FleetError(f"git {args[0]} took more than {_TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise FleetError(f"git {args[0]} {args[-1]}: {said}; fetch that revision, or {_OTHERWISE}")
    return done.stdout
