"""A text that the tiny model's small vocabulary can spell, described as a corpus."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from benchmarks.reference.sets import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

CHARS = 100_000


def plain_text() -> str:
    """Words of the shipped text, without the punctuation the tiny model has no tokens for."""
    return re.sub(r"[^A-Za-z0-9., ]", "", (SHIPPED / "state-of-the-union.txt").read_text())[:CHARS]


def write_corpus(folder: Path) -> Path:
    data = plain_text().encode()
    (folder / "plain.txt").write_bytes(data)
    described = folder / "plain.yaml"
    described.write_text(
        f"name: plain\nversion: '1'\nfile: plain.txt\nsha256: {hashlib.sha256(data).hexdigest()}\n"
        "source: a test\nlicence: public domain\n"
    )
    return described
