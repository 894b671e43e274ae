"""A tokenizer simple enough to see through, with the manners of a real one: a space belongs to the word after it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from zlib import crc32

from benchmarks.reference.build import build
from benchmarks.reference.encoders import Encoded, whole
from benchmarks.reference.sets import Corpus, ReferenceSet
from tests.texts import plain_text

_PARTS = re.compile(r" ?[A-Za-z]{1,5}|[A-Za-z]{1,5}|\d| ?[^A-Za-z0-9 ]+| ")
_MERGING = re.compile(r" ?[A-Za-z]+ [a-d][a-z]*| ?[^ ]+| ")
CORPUS = Corpus(name="plain", version="1", sha256="0" * 64, source="a test", licence="public domain")


@dataclass(frozen=True, slots=True)
class Letters:
    """Words in parts of at most five letters. `merges`: two words may be one token."""

    made_with: str = "letters"
    merges: bool = False

    def ids(self, text: str) -> tuple[int, ...]:
        return tuple(crc32(piece.encode()) % 50_000 for piece in self._pieces(text))

    def encode(self, text: str) -> Encoded:
        return whole(text, self.ids(text), self._pieces(text), self.made_with)

    def _pieces(self, text: str) -> list[str]:
        return (_MERGING if self.merges else _PARTS).findall(text)


def small_set(count: int = 32) -> ReferenceSet:
    return build(CORPUS, plain_text(), Letters(), (64, 256), count).made
