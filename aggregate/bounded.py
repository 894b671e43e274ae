"""Reading a runner's artifact without trusting it: a zip or a folder becomes names and bytes, or `ArtifactRefused`.

Refuse, never sanitise: a library that "cleans" a bad name can overwrite a good file with it. Nothing is ever
written to disk. Members that nobody wants (logs) are checked by name and place but never inflated.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from matrix.errors import ArtifactRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

# one leading dot is allowed: a killed runner leaves its half-written temporary file, and that must not cost the rest
_PART = r"\.?[A-Za-z0-9_][A-Za-z0-9._-]{0,199}"
_NAME = re.compile(rf"{_PART}(/{_PART}){{0,3}}/?", re.ASCII)
_END_RECORD = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR_BYTES = 20
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x1
_Member = TypeVar("_Member")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one artifact may hold. `total_bytes` and `ratio` are of wanted members, inflated."""

    archive_bytes: int = 512 << 20
    directory_bytes: int = 2 << 20
    files: int = 2000
    file_bytes: int = 32 << 20
    total_bytes: int = 64 << 20
    ratio: int = 200


LIMITS = Limits()


def everything(_name: str) -> bool:
    """The default of `wanted`."""
    return True


def read_folder(folder: Path, limits: Limits = LIMITS, wanted: Callable[[str], bool] = everything) -> dict[str, bytes]:
    """Wanted files by relative name. A link or special file anywhere in it refuses the whole folder."""
    with _as_refusal(str(folder)):
        if folder.is_symlink() or not folder.is_dir():
            raise ArtifactRefused("not a plain folder")
        paths = dict(_walk(folder, limits))
        _check_names(paths)
        return _gather(((name, path) for name, path in paths.items() if wanted(name)), _read_file, limits)


def read_zip_file(path: Path, limits: Limits = LIMITS, wanted: Callable[[str], bool] = everything) -> dict[str, bytes]:
    """As `read_zip`, of a regular file."""
    with _as_refusal(str(path)):
        if path.is_symlink() or not path.is_file():
            raise ArtifactRefused("not a regular file")
        with path.open("rb") as file:
            return read_zip(file, limits, wanted)


def read_zip(file: BinaryIO, limits: Limits = LIMITS, wanted: Callable[[str], bool] = everything) -> dict[str, bytes]:
    """Wanted members by name. Any bytes give a value or `ArtifactRefused`, in bounded time and memory."""
    with _as_refusal("zip"):
        directory_start = _check_end_record(file, limits)
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            _check_members(infos, limits)
            _check_overlap(file, infos, directory_start)
            chosen = [(info.filename, info) for info in infos if not info.is_dir() and wanted(info.filename)]
            _check_ratio(chosen, limits)
            return _gather(chosen, lambda info, cap: _inflate(archive, info, cap), limits)


@contextmanager
def _as_refusal(where: str) -> Iterator[None]:
    """Everything the zip reader is known to raise on hostile bytes, as one error that says where."""
    try:
        yield
    except ArtifactRefused as error:
        raise ArtifactRefused(f"{where}: {error}") from error
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError) as error:
        raise ArtifactRefused(f"{where}: unreadable: {error}") from error
    except (NotImplementedError, RuntimeError, OverflowError) as error:  # odd compression, a password, huge offsets
        raise ArtifactRefused(f"{where}: unsupported: {error}") from error


def _gather(
    members: Iterable[tuple[str, _Member]], read: Callable[[_Member, int], bytes], limits: Limits
) -> dict[str, bytes]:
    """Read each member with a cap one byte above what is still allowed, so that an overrun shows."""
    found: dict[str, bytes] = {}
    left = limits.total_bytes
    for name, member in members:
        cap = min(left, limits.file_bytes)
        data = read(member, cap + 1)
        if len(data) > cap:
            raise ArtifactRefused(f"{name}: more than {cap} bytes are left for it")
        left -= len(data)
        found[name] = data
    return found


def _walk(folder: Path, limits: Limits) -> Iterator[tuple[str, Path]]:
    pending, count = [folder], 0
    while pending:
        for path in sorted(pending.pop().iterdir()):
            count += 1
            if count > limits.files:
                raise ArtifactRefused(f"more than {limits.files} files")
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                pending.append(path)
            elif stat.S_ISREG(mode):
                yield path.relative_to(folder).as_posix(), path
            else:
                raise ArtifactRefused(f"{path.relative_to(folder)!s}: not a regular file")


def _read_file(path: Path, cap: int) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(cap)


def _check_names(names: Iterable[str]) -> None:
    """One grammar for every name; names equal but for case would be one file on some disks."""
    seen: set[str] = set()
    for name in names:
        if not _NAME.fullmatch(name):
            raise ArtifactRefused(f"{name!r}: not a name an artifact may hold")
        folded = name.rstrip("/").casefold()
        if folded in seen:
            raise ArtifactRefused(f"{name}: there twice (or differs by case only)")
        seen.add(folded)


def _check_end_record(file: BinaryIO, limits: Limits) -> int:
    """Bound the central directory before `zipfile` builds an object per entry; returns where it starts.

    No comment, no prefix, no ZIP64, one disk: what uploads make, and it leaves one reading of the file.
    """
    size = file.seek(0, os.SEEK_END)
    if size > limits.archive_bytes:
        raise ArtifactRefused(f"{size} bytes, more than {limits.archive_bytes}")
    if size < _END_RECORD.size:
        raise ArtifactRefused("unreadable: too short for a zip")
    tail_bytes = min(size, _END_RECORD.size + _ZIP64_LOCATOR_BYTES)
    file.seek(size - tail_bytes)
    tail = file.read(tail_bytes)
    magic, disk, start_disk, here, count, length, start, comment = _END_RECORD.unpack(tail[-_END_RECORD.size :])
    if magic != b"PK\x05\x06" or disk or start_disk or here != count or comment:
        raise ArtifactRefused("unreadable: does not end as a plain zip")
    if tail.startswith(b"PK\x06\x07"):
        raise ArtifactRefused("a ZIP64 archive")
    if count > limits.files:
        raise ArtifactRefused(f"{count} members, more than {limits.files}")
    if length > limits.directory_bytes or start + length + _END_RECORD.size != size:
        raise ArtifactRefused("unreadable: its directory is not where it says")
    return int(start)


def _check_members(infos: list[zipfile.ZipInfo], limits: Limits) -> None:
    if len(infos) > limits.files:
        raise ArtifactRefused(f"{len(infos)} members, more than {limits.files}")
    # zipfile cuts names at NUL and turns the other separator into ours: what it read must be what was written
    _check_names(info.orig_filename for info in infos)
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
            raise ArtifactRefused(f"{info.filename}: not a regular file")
        if info.flag_bits & _ENCRYPTED:
            raise ArtifactRefused(f"{info.filename}: encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArtifactRefused(f"{info.filename}: compression {info.compress_type} is not one we read")


def _check_overlap(file: BinaryIO, infos: list[zipfile.ZipInfo], directory_start: int) -> None:
    """No two members may share bytes: that is how a small zip holds terabytes within every ratio limit."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise ArtifactRefused(f"{info.filename}: shares bytes with another member")
        file.seek(info.header_offset)
        header = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        end = info.header_offset + _LOCAL_HEADER.size + header[-2] + header[-1] + info.compress_size
    if end > directory_start:
        raise ArtifactRefused("unreadable: a member reaches into the directory")


def _check_ratio(chosen: list[tuple[str, zipfile.ZipInfo]], limits: Limits) -> None:
    for name, info in chosen:
        if info.file_size > limits.ratio * max(info.compress_size, 1):
            raise ArtifactRefused(f"{name}: inflates more than {limits.ratio} times")
    total = sum(info.file_size for _, info in chosen)
    if total > limits.total_bytes:
        raise ArtifactRefused(f"{total} bytes in all, more than {limits.total_bytes}")


def _inflate(archive: zipfile.ZipFile, info: zipfile.ZipInfo, cap: int) -> bytes:
    with archive.open(info) as member:
        return member.read(cap)
