from __future__ import annotations

import gzip
import random
from pathlib import Path

import msgspec
import pytest

from benchmarks.reference.sets import canonical, digest_of, find_set, read_set, write_set
from matrix.errors import FleetError
from tests.benchmarks.reference.letters import small_set

MADE = small_set(8)


def test_a_set_reads_back_and_its_identity_is_of_its_bytes(tmp_path: Path) -> None:
    path = write_set(MADE, tmp_path)
    assert read_set(path) == (MADE, digest_of(MADE))
    assert find_set(tmp_path, digest_of(MADE)) == MADE
    assert path.read_bytes() == write_set(MADE, tmp_path / "again").read_bytes()


def test_a_set_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"no set of reference prompts 0000.*inferfleet prompts build"):
        find_set(tmp_path, "0" * 64)


def test_a_changed_set_is_not_taken_for_the_one_it_was(tmp_path: Path) -> None:
    digest = digest_of(MADE)
    changed = msgspec.structs.replace(MADE, ids=(MADE.ids[0] + 1, *MADE.ids[1:]))
    write_set(changed, tmp_path).rename(tmp_path / f"plain-1.{digest[:12]}.json.gz")
    with pytest.raises(FleetError, match=f"its sha256 is {digest_of(changed)}, and {digest} was asked for"):
        find_set(tmp_path, digest)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"name: x", "no set of reference prompts"),
        (gzip.compress(b"{}"), "no set of reference prompts"),
        (gzip.compress(random.Random(0).randbytes(1000))[:300], "cannot be read"),
        (gzip.compress(canonical(msgspec.structs.replace(MADE, text=MADE.text[1:]))), "do not add up"),
        (gzip.compress(canonical(msgspec.structs.replace(MADE, text="\u00e9" + MADE.text[1:]))), "printable ASCII"),
        (
            gzip.compress(canonical(msgspec.structs.replace(MADE, passages={9: (0,), 8: (0,)}))),
            "order of their lengths",
        ),
    ],
)
def test_a_file_that_is_no_set_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "x.json.gz"
    path.write_bytes(data)
    with pytest.raises(FleetError, match=why):
        read_set(path)
