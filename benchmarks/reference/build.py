"""Making a set out of a text, and proving one: every passage is encoded again before it is believed.

Pure but for the tokenizer, which may be a server's.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.reference.draw import Cuts
from benchmarks.reference.encoders import fingerprint
from benchmarks.reference.sets import ReferenceSet, Tokenizer
from matrix.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.reference.draw import Span
    from benchmarks.reference.encoders import Encoder
    from benchmarks.reference.sets import Corpus

CHUNK_CHARS = 16_384
MIN_ISL = 16
MIN_PASSAGES = 8
_PLAIN = str.maketrans({
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2010": "-", "\u2011": "-", "\u2013": "-",
    "\u2014": "-", "\u2026": "...", "\u00a0": " ",
})  # fmt: skip
_WORD = re.compile(r" (?=[A-Za-z])")


def normalise(raw: str) -> str:
    """Printable ASCII with single spaces, from the first word on: no tokenizer merges across two of its words."""
    plain = unicodedata.normalize("NFKD", raw.translate(_PLAIN)).encode("ascii", "ignore").decode()
    text = " ".join(re.sub(r"[^ -~]+", " ", plain).split())
    first = _WORD.search(f" {text}")
    return "" if first is None else f" {text}"[first.start() :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """`refused` passages were not exact when encoded again, and were left out."""

    made: ReferenceSet
    refused: int


def build(corpus: Corpus, raw: str, encoder: Encoder, isls: Sequence[int], count: int) -> Built:
    """At most `count` passages of each length, fewer where the text ends. Raises FleetError for too few."""
    if min(isls) < MIN_ISL:
        raise FleetError(f"passages of {min(isls)} tokens are not worth reading: at least {MIN_ISL}")
    cuts = _encoded(normalise(raw), encoder, max(isls) * (count + 1))
    passages: dict[int, tuple[int, ...]] = {}
    refused = 0
    for isl in sorted(set(isls)):
        passages[isl], tried = _passages(cuts, encoder, isl, count)
        refused += tried - len(passages[isl])
        if len(passages[isl]) < MIN_PASSAGES:
            raise FleetError(
                f"the text gives {len(passages[isl])} passages of {isl} tokens ({tried} tried), and {MIN_PASSAGES} are "
                "the least: take a longer text, or shorter passages"
            )
    used = max(starts[-1] + isl for isl, starts in passages.items())
    ends = cuts.ends[:used]
    made = ReferenceSet(
        corpus=corpus,
        tokenizer=Tokenizer(fingerprint=fingerprint(encoder.ids), made_with=encoder.made_with),
        text=cuts.text[: int(ends[-1])],
        ids=tuple(cuts.ids[:used].tolist()),
        lengths=tuple(np.diff(ends, prepend=0).tolist()),
        passages=passages,
    )
    return Built(made=made, refused=refused)


def _encoded(text: str, encoder: Encoder, tokens: int) -> Cuts:
    """The beginning of a text, as many tokens as are needed."""
    ids: list[int] = []
    lengths: list[int] = []
    for chunk in _chunks(text):
        found = encoder.encode(chunk)
        ids += found.ids
        lengths += map(len, found.pieces)
        if len(ids) >= tokens:
            break
    if not ids:
        raise FleetError("the text has no words")
    return Cuts(text[: sum(lengths)], np.array(ids, dtype=np.int32), np.cumsum(lengths), {})


def _chunks(text: str) -> Iterator[str]:
    """Cut before words: tokens do not reach across."""
    starts = [match.start() for match in _WORD.finditer(text)]
    begin = 0
    while begin < len(text):
        place = bisect_left(starts, begin + CHUNK_CHARS)
        end = starts[place] if place < len(starts) else len(text)
        yield text[begin:end]
        begin = end


def _passages(cuts: Cuts, encoder: Encoder, isl: int, count: int) -> tuple[tuple[int, ...], int]:
    """Those that are exact, and how many were tried."""
    words = np.flatnonzero(cuts.word_starts)
    found: list[int] = []
    tried, at = 0, 0
    while len(found) < count:
        start = int(words[np.searchsorted(words, at)]) if at <= words[-1] else len(cuts.ids)
        if start + isl > len(cuts.ids):
            break
        tried += 1
        if exact(cuts, encoder, cuts.passage(start, isl, np.random.default_rng(tried))):
            found.append(start)
        at = start + isl
    return tuple(found), tried


def exact(cuts: Cuts, encoder: Encoder, spans: Sequence[Span]) -> bool:
    """Whether a prompt's text has the very tokens of its ids."""
    prompt = cuts.prompt(spans, 1)
    return encoder.ids(prompt.text or "") == prompt.token_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Of prompts of one length: how many were encoded again, and how many had exactly the tokens they should."""

    isl: int
    prompts: int
    exact: int


def prove(made: ReferenceSet, encoder: Encoder, seed: int = 0) -> list[Proof]:
    """Every passage under other words than before, and as the second half of a prompt whose first is another's.

    Raises FleetError if the tokenizer is not the set's.
    """
    if fingerprint(encoder.ids) != made.tokenizer.fingerprint:
        remedy = "make a set for it with `inferfleet prompts build`"
        raise FleetError(f"the set was made with {made.tokenizer.made_with}, and {encoder.made_with} differs: {remedy}")
    cuts, random = Cuts.of(made), np.random.default_rng(seed)
    proofs = []
    for isl, starts in made.passages.items():
        alone = [cuts.passage(start, isl, random) for start in starts]
        half = isl // 2
        joined = [
            [*cuts.passage(before, half, random), *cuts.passage(start, isl - half, random)]
            for before, start in zip((*starts[1:], starts[0]), starts, strict=True)
        ]
        good = sum(exact(cuts, encoder, spans) for spans in (*alone, *joined))
        proofs.append(Proof(isl=isl, prompts=len(alone) + len(joined), exact=good))
    return proofs
