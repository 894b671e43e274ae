from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.reference.build import build, normalise, prove
from benchmarks.reference.sets import contradiction, digest_of
from matrix.errors import FleetError
from tests.benchmarks.reference.letters import CORPUS, Letters, small_set
from tests.texts import plain_text


@given(st.text(max_size=200))
def test_a_normalised_text_is_printable_ascii_with_single_spaces_before_words(raw: str) -> None:
    text = normalise(raw)
    assert text.isascii()
    assert not text or re.match(r" [A-Za-z]", text)
    assert "  " not in text
    assert text.isprintable()


def test_quotes_and_dashes_become_plain_ones() -> None:
    raw = "1. Say \u201cCaf\u00e9\u201d \u2014 it\u2019s\r\n\topen\u2026 "
    assert normalise(raw) == ' Say "Cafe" - it\'s open...'


def test_the_same_text_and_tokenizer_make_the_same_set() -> None:
    assert digest_of(small_set()) == digest_of(small_set())
    assert digest_of(small_set(16)) != digest_of(small_set())


def test_passages_of_a_length_do_not_overlap_and_begin_at_words() -> None:
    made = small_set()
    assert contradiction(made) is None
    assert {isl: len(starts) for isl, starts in made.passages.items()} == {64: 32, 256: 32}
    overlapping = msgspec.structs.replace(made, passages={64: (0, 63)})
    assert "overlap" in (contradiction(overlapping) or "")


def test_every_prompt_of_a_set_is_proven_by_encoding_it_again() -> None:
    proofs = prove(small_set(), Letters())
    assert [(proof.isl, proof.prompts, proof.exact) for proof in proofs] == [(64, 64, 64), (256, 64, 64)]


def test_passages_that_are_not_exact_when_encoded_again_are_left_out() -> None:
    """Where a cut falls between two words that the tokenizer would merge, the text has fewer tokens than its ids."""
    text = plain_text()[:30_000]
    built = build(CORPUS, text, Letters(merges=True), (64,), 64)
    assert built.refused > 0
    assert len(built.made.passages[64]) < 64
    plain = build(CORPUS, text, Letters(), (64,), 64)
    assert (plain.refused, len(plain.made.passages[64])) == (0, 64)


def test_a_set_is_not_proven_with_another_tokenizer() -> None:
    with pytest.raises(FleetError, match=r"made with letters, and other differs.*inferfleet prompts build"):
        prove(small_set(), Letters(made_with="other", merges=True))


@pytest.mark.parametrize(
    ("text", "isl", "why"), [("Too short.", 64, "0 passages"), ("1234 5678", 64, "no words"), ("a b", 8, "at least 16")]
)
def test_what_cannot_be_made_is_said(text: str, isl: int, why: str) -> None:
    with pytest.raises(FleetError, match=why):
        build(CORPUS, text, Letters(), (isl,), 8)
