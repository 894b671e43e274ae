from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.reference.commands import SHIPPED_CORPUS, build_set, encoder_of, read_corpus, verify_set
from benchmarks.reference.sets import digest_of, read_set, write_set
from matrix.errors import FleetError
from tests.benchmarks.reference.letters import Letters, small_set
from tests.texts import plain_text, write_corpus


def test_the_shipped_text_is_what_its_description_says() -> None:
    corpus, text = read_corpus(SHIPPED_CORPUS)
    assert "public domain" in corpus.licence
    assert text.startswith("Fellow-Citizens of the Senate")
    assert len(text) > 1_000_000


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("licence: public domain", "licence: ' '", "why it may be used"),
        ("source: a test\n", "", "does not describe a text"),
        ("version: '1'", "version: 1", "does not describe a text"),
    ],
)
def test_a_text_nobody_vouches_for_is_not_used(tmp_path: Path, old: str, new: str, why: str) -> None:
    described = write_corpus(tmp_path)
    described.write_text(described.read_text().replace(old, new))
    with pytest.raises(FleetError, match=why):
        read_corpus(described)


def test_a_changed_text_is_not_the_one_that_was_described(tmp_path: Path) -> None:
    described = write_corpus(tmp_path)
    (tmp_path / "plain.txt").write_text(plain_text() + "!")
    with pytest.raises(FleetError, match="its sha256 is"):
        read_corpus(described)


def test_building_says_what_to_write_and_verifying_what_it_is(tmp_path: Path) -> None:
    said = list(build_set(write_corpus(tmp_path), Letters(), (64, 128), 10, tmp_path / "out"))
    (path,) = (tmp_path / "out").iterdir()
    made, digest = read_set(path)
    assert f'  set: "{digest}"' in said
    assert [line for line in said if line.startswith("reference-")] == ["reference-64-128:", "reference-128-128:"]
    proven = list(verify_set(path, Letters()))
    assert proven[0] == f"{digest}: plain 1, disjoint passages: 10 of 64 tokens, 10 of 128 tokens"
    assert proven[-2:] == [f"{isl} tokens: 20 of 20 prompts exact with letters" for isl in (64, 128)]
    assert list(verify_set(path, None)) == proven[:-2]
    assert made.tokenizer.made_with == "letters"


class Forgetful(Letters):
    """Drops a token of long texts: short ones, as a fingerprint's, it treats as it should."""

    def ids(self, text: str) -> tuple[int, ...]:
        ids = super().ids(text)
        return ids[:-1] if len(text) > 150 else ids


def test_a_set_that_is_not_exact_is_an_error(tmp_path: Path) -> None:
    path = write_set(small_set(8), tmp_path)
    lines = verify_set(path, Forgetful())
    with pytest.raises(FleetError, match="not every prompt is exact"):
        list(lines)
    assert digest_of(small_set(8))[:12] in path.name


def test_a_tokenizer_is_a_file_or_an_address() -> None:
    with pytest.raises(FleetError, match="is no file, and no address"):
        encoder_of("nowhere.json", None, None)
