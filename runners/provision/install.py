"""Bringing a machine's files to what they should be: says each change, makes all of them or none, twice is once."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING

from matrix.atomic import write_atomic
from matrix.errors import FleetError
from runners.provision.files import Whose, whose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from runners.provision.files import File
    from runners.provision.setup import Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A file that is not there, or not as it should be. `was` null: it is new."""

    file: File
    path: Path
    was: str | None
    mode: int | None

    def lines(self) -> Iterator[str]:
        """What changes, as a diff."""
        before, after = (self.was or "").splitlines(), self.file.text.splitlines()
        yield from unified_diff(before, after, str(self.path) if self.was else "/dev/null", str(self.path), lineterm="")
        if self.mode is not None and self.mode != self.file.mode:
            yield f"{self.path}: mode {self.mode:04o} -> {self.file.mode:04o}"


def changes(files: Iterable[File], root: Path) -> tuple[Change, ...]:
    """What is to be done under `root`. A `FleetError` that names every file in the way that we did not write."""
    found, in_the_way = [], []
    for file in files:
        path = root / file.path.relative_to("/")
        was, mode = _standing(path)
        if was is not None and was != file.text and (who := whose(was)) is not Whose.OURS:
            in_the_way.append(f"{path} is {who}")
        if was != file.text or mode != file.mode:
            found.append(Change(file=file, path=path, was=was, mode=mode))
    if in_the_way:
        raise FleetError("\n".join([*in_the_way, "nothing was written: move these away, or use a drop-in"]))
    return tuple(found)


def write(found: Iterable[Change]) -> None:
    for change in found:
        if change.was != change.file.text:
            write_atomic(change.path, change.file.text.encode())
        change.path.chmod(change.file.mode)


def require_trusted(places: Places) -> None:
    """What root's services execute must be root's alone: a job that could write there would be root soon."""
    for path in (places.checkout, places.checkout / "inferfleet.py", places.checkout / ".ci", places.venv):
        for folder in (path, *path.parents):
            status = folder.stat()
            sticky = status.st_mode & stat.S_ISVTX
            if status.st_uid != 0 or (status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky):
                raise FleetError(
                    f"{folder} can be changed by others than root, and this machine's services would execute what is "
                    "in it: put the checkout into /opt/inferfleet, as root"
                )


def _standing(path: Path) -> tuple[str | None, int | None]:
    """A file's text and mode. A link, or anything else than a plain file, is somebody else's."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None, None
    if not stat.S_ISREG(status.st_mode):
        return "", None
    return path.read_bytes().decode(errors="replace"), stat.S_IMODE(status.st_mode)


def is_root() -> bool:
    return os.geteuid() == 0
