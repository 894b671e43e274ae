from __future__ import annotations

from itertools import islice

from benchmarks.bench.words import COMMON, MIN_WORDS, single_tokens, untested_words, word_prompts
from benchmarks.prompts import Seeds
from matrix.workload import RandomWorkload

WORKLOAD = RandomWorkload(name="t", isl=30, osl=4, ratio=0.5)
SEEDS = Seeds("s", "s")


def short_words_only(text: str) -> tuple[int, ...]:
    """A tokenizer with a token for every word of up to five letters; longer words are two."""
    return (hash(text),) if len(text) <= 6 else (1, 2)


def test_only_words_of_one_token_are_used() -> None:
    words = single_tokens(short_words_only)
    assert MIN_WORDS <= len(words) < len(COMMON)
    assert all(len(word.text) <= 6 for word in words)


def test_words_that_share_an_id_are_one_word() -> None:
    assert single_tokens(lambda _: (7,)) == ()


def test_a_vocabulary_with_hardly_any_of_our_words_is_not_used() -> None:
    assert single_tokens(lambda text: (1,) if text == " time" else (1, 2)) == ()


def test_the_list_has_no_word_twice() -> None:
    assert len(set(COMMON)) == len(COMMON) > 4 * MIN_WORDS


def test_a_prompt_has_as_many_words_as_ids_and_none_is_like_another() -> None:
    prompts = list(islice(word_prompts(untested_words(), WORKLOAD, SEEDS, template_tokens=3), 50))
    for prompt in prompts:
        assert prompt.text is not None
        assert 15 <= len(prompt.text.split()) == len(prompt.token_ids) <= 30
        assert prompt.template_tokens == 3
    assert len({prompt.text for prompt in prompts}) == 50
    assert prompts == list(islice(word_prompts(untested_words(), WORKLOAD, SEEDS, template_tokens=3), 50))
    assert prompts[0] != next(word_prompts(untested_words(), WORKLOAD, Seeds("other", "s"), template_tokens=3))
