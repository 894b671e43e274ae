"""Writing a file so that a reader, or a kill at any moment, sees the old bytes or the new ones, never a part."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from tempfile import NamedTemporaryFile


def write_atomic(path: Path, data: bytes) -> None:
    """Write beside `path`, fsync, then rename over it. Makes the parent folder."""
    if path.exists() and not path.is_file():  # root may rename over a device, and the machine is without it
        raise OSError(errno.EINVAL, "is no file that can be replaced", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:80]}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
