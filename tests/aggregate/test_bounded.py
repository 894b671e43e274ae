"""Any bytes are a value or `ArtifactRefused`; what is refused is never half used."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregate.bounded import Limits, read_folder, read_zip, read_zip_file
from matrix.errors import ArtifactRefused
from tests.aggregate.builders import write_folder, zip_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL = Limits(files=10, file_bytes=1000, total_bytes=2500)
GOOD = {"points/a.json": b"{}", "host.json": b'{"name": "h"}', "server.log": b"x" * 500}


def unzip(data: bytes, limits: Limits = SMALL, wanted: Callable[[str], bool] = lambda _: True) -> dict[str, bytes]:
    return read_zip(io.BytesIO(data), limits, wanted)


def zip_with(name: str, *, mode: int = stat.S_IFREG | 0o644) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        info.external_attr = mode << 16
        archive.writestr(info, b"data")
    return buffer.getvalue()


def test_a_plain_zip_and_the_folder_it_was_made_of_read_the_same(tmp_path: Path) -> None:
    assert unzip(zip_bytes(GOOD)) == read_folder(write_folder(tmp_path / "a", GOOD), SMALL) == GOOD


def test_what_is_not_wanted_is_neither_read_nor_counted(tmp_path: Path) -> None:
    files = GOOD | {"server.log": b"x" * 100_000}
    expected = {"points/a.json": b"{}", "host.json": b'{"name": "h"}'}
    assert unzip(zip_bytes(files), SMALL, lambda name: name.endswith(".json")) == expected
    folder = write_folder(tmp_path / "a", files)
    assert read_folder(folder, SMALL, lambda name: name.endswith(".json")) == expected


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/passwd",
        "a\\b",
        "a/../b",
        "a//b",
        "./a",
        "..",
        "a/./b",
        "a b",
        "a\x00b",
        "a\nb",
        "\u00e9",
        "-x",
        "a" * 300,
    ],
)
@pytest.mark.fault(66)
def test_a_name_that_could_lead_elsewhere_refuses_the_whole_zip(name: str) -> None:
    with pytest.raises(ArtifactRefused):
        unzip(zip_with(name))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR])
@pytest.mark.fault(66)
def test_a_link_or_special_file_in_a_zip_is_refused(kind: int) -> None:
    with pytest.raises(ArtifactRefused, match="not a regular file"):
        unzip(zip_with("a", mode=kind | 0o644))


@pytest.mark.parametrize("second", ["a.json", "A.json"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.fault(66)
def test_a_name_there_twice_is_refused_even_if_only_case_differs(second: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.json", b"1")
        archive.writestr(second, b"2")
    with pytest.raises(ArtifactRefused, match="twice"):
        unzip(buffer.getvalue())


@pytest.mark.fault(66)
def test_members_that_share_bytes_are_refused() -> None:
    data = bytearray(zip_bytes({"aa": os.urandom(100), "bb": os.urandom(100)}))
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = struct.pack("<L", 0)  # both directory entries now point at the first body
    with pytest.raises(ArtifactRefused, match="shares bytes"):
        unzip(bytes(data))


@pytest.mark.fault(66)
def test_a_bomb_is_refused_by_what_it_says_before_it_is_inflated() -> None:
    with pytest.raises(ArtifactRefused, match="200 times"):
        unzip(zip_bytes({"bomb": b"\0" * 900_000}), Limits())


@pytest.mark.fault(66)
def test_a_member_larger_than_it_says_is_refused() -> None:
    data = bytearray(zip_bytes({"a": b"\0" * 900}))
    for magic, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = data.index(magic)
        data[start + offset : start + offset + 4] = struct.pack("<L", 10)
    with pytest.raises(ArtifactRefused):
        unzip(bytes(data))


@pytest.mark.parametrize(
    "files",
    [{f"f{n}": b"" for n in range(11)}, {"a": os.urandom(1001)}, {f"f{n}": os.urandom(900) for n in range(3)}],
    ids=["too many", "one too large", "too much in all"],
)
@pytest.mark.fault(66)
def test_limits_hold_for_zips_and_folders(files: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(ArtifactRefused):
        unzip(zip_bytes(files))
    with pytest.raises(ArtifactRefused):
        read_folder(write_folder(tmp_path / "a", files), SMALL)


@pytest.mark.fault(63)
def test_every_truncation_of_a_zip_is_refused() -> None:
    data = zip_bytes(GOOD)
    for cut in range(len(data)):
        with pytest.raises(ArtifactRefused):
            unzip(data[:cut])


def test_a_prefix_a_comment_or_zip64_leaves_two_ways_to_read_a_file_and_is_refused() -> None:
    data = zip_bytes(GOOD)
    commented = data[:-2] + b"\x02\x00hi"
    zip64 = data[:-22] + b"PK\x06\x07" + b"\0" * 16 + data[-22:]
    for odd in (b"MZ" + data, commented, zip64):
        with pytest.raises(ArtifactRefused):
            unzip(odd)


def test_an_encrypted_or_oddly_compressed_member_is_refused() -> None:
    for offset, value in ((8, 1), (10, 99)):
        data = bytearray(zip_bytes({"a": b"x"}))
        start = data.index(b"PK\x01\x02")
        data[start + offset : start + offset + 2] = struct.pack("<H", value)
        with pytest.raises(ArtifactRefused):
            unzip(bytes(data))


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    _value_or_refusal(data)


@given(st.integers(0, 10_000), st.integers(0, 255), st.integers(0, 10_000), st.integers(0, 255))
def test_any_damage_to_a_good_zip_is_refused_or_read(at: int, value: int, also_at: int, also: int) -> None:
    data = bytearray(zip_bytes(GOOD))
    data[at % len(data)] = value
    data[also_at % len(data)] = also
    _value_or_refusal(bytes(data))


def _value_or_refusal(data: bytes) -> None:
    try:
        found = unzip(data)
    except ArtifactRefused:
        return
    assert sum(map(len, found.values())) <= SMALL.total_bytes
    assert all(".." not in name and not name.startswith("/") for name in found)


@pytest.mark.fault(66)
def test_a_folder_with_a_link_or_a_pipe_anywhere_is_refused(tmp_path: Path) -> None:
    linked = write_folder(tmp_path / "linked", GOOD)
    (linked / "points" / "b.json").symlink_to("/etc/passwd")
    piped = write_folder(tmp_path / "piped", GOOD)
    os.mkfifo(piped / "pipe")
    away = tmp_path / "away"
    away.symlink_to(linked)
    for folder in (linked, piped, away, tmp_path / "nowhere"):
        with pytest.raises(ArtifactRefused):
            read_folder(folder, SMALL)


def test_a_zip_file_is_read_and_a_link_to_one_is_not(tmp_path: Path) -> None:
    real, link = tmp_path / "a.zip", tmp_path / "b.zip"
    real.write_bytes(zip_bytes(GOOD))
    link.symlink_to(real)
    assert read_zip_file(real, SMALL) == GOOD
    with pytest.raises(ArtifactRefused):
        read_zip_file(link, SMALL)


def test_a_half_written_temporary_file_of_a_killed_runner_costs_nothing_else(tmp_path: Path) -> None:
    files = GOOD | {"points/.a.json.x1y2": b"{"}
    assert read_folder(write_folder(tmp_path / "a", files), SMALL) == files
