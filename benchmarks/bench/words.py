"""Prompts for a server whose vocabulary nobody has told us: common words that it counts as one token each."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from benchmarks.prompts import Numbered, prefixed_random_prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.prompts import Seeds
    from benchmarks.records import Prompt
    from matrix.workload import RandomWorkload

MIN_WORDS = 32
_TEXT = """
time year people way day man thing woman life child world school state family student group country problem hand part
place case week company system program question work government number night point home water room mother area money
story fact month lot right study book eye job word business issue side kind head house service friend father power
hour game line end member law car city community name president team minute idea body information back parent face
others level office door health person art history party result change morning reason research moment air teacher
force education foot age policy music market sense nation plan college interest experience effect use class control
care field development role effort rate heart show leader light voice mind price report decision son view relationship
town road arm difference value building action season society tax director position player record paper space ground
form event official matter center couple site project activity star table need court oil situation cost industry
figure street image phone data picture practice piece land product doctor wall patient worker news test movie north
love support technology
"""
COMMON = tuple(_TEXT.split())


class Word(NamedTuple):
    """`text` begins with a space: so it is one token wherever it stands."""

    text: str
    token_id: int


def single_tokens(tokenize: Callable[[str], Sequence[int]]) -> tuple[Word, ...]:
    """The common words that are one token each, by the server's own count; none if it has too few of them."""
    found: dict[int, Word] = {}
    for word in COMMON:
        ids = tokenize(" " + word)
        if len(ids) == 1:
            found[ids[0]] = Word(" " + word, ids[0])
    return tuple(found.values()) if len(found) >= MIN_WORDS else ()


def untested_words() -> tuple[Word, ...]:
    """All of them, hoping that each is about one token."""
    return tuple(Word(" " + word, place) for place, word in enumerate(COMMON))


def word_prompts(words: Sequence[Word], workload: RandomWorkload, seeds: Seeds, template_tokens: int = 0) -> Numbered:
    """As `prefixed_random_prompts`, with words for ids: both the text and the ids are there."""
    drawn = prefixed_random_prompts(workload, (0, len(words)), seeds)
    return Numbered(partial(_worded, tuple(words), drawn.at, template_tokens))


def _worded(words: tuple[Word, ...], drawn: Callable[[int], Prompt], template_tokens: int, number: int) -> Prompt:
    return worded(words, msgspec.structs.replace(drawn(number), template_tokens=template_tokens))


def worded(words: tuple[Word, ...], drawn: Prompt) -> Prompt:
    """A prompt whose ids are places in `words`, as these words' ids and text."""
    chosen = [words[place] for place in drawn.token_ids]
    ids, text = tuple(word.token_id for word in chosen), "".join(word.text for word in chosen)
    return msgspec.structs.replace(drawn, token_ids=ids, text=text)
